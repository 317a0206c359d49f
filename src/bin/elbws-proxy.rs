//! `elbws-proxy`: the proxy that runs on the instances, alone.

use std::process::ExitCode;

/// Gives memory back to the kernel once connections are gone, wherever it lies; glibc's gives back only what lies at
/// its heap's end.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    elbws::proxy::command::main()
}
