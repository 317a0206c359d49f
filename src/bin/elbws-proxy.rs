//! `elbws-proxy`: the proxy that runs on the instances, alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    elbws::proxy::command::main()
}
