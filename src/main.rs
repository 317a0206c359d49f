//! `elbws`: secure WebSockets behind AWS load balancers.

use std::process::ExitCode;

fn main() -> ExitCode {
    elbws::cli::run()
}
