//! Load for `run.py`: a backend, and clients that measure what a proxy in between spends on an operation.
//!
//!     proxy-load backend
//!     proxy-load KIND --port PORT --pid PID [--pid PID …] [--crowd 8] [--millis 500] [--size 64]
//!
//! KIND is `echo`, `get`, `connect-get` or `connect-upgrade`: operations of that kind, `--crowd` of them at a time,
//! for `--millis`; `idle` and `stall` open `--crowd` tunnels and follow the lines of standard input. Prints one line
//! of JSON. The processor time is the processes' own, from /proc.

mod load {
    pub(crate) mod backend;
    pub(crate) mod clients;
    pub(crate) mod process;
    pub(crate) mod tunnels;
}

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;

/// Load for `run.py`.
#[derive(Debug, Parser)]
struct Arguments {
    /// `backend`, `echo`, `get`, `connect-get`, `connect-upgrade`, `idle` or `stall`
    kind: String,
    /// The proxy's port
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The proxy's processes
    #[arg(long)]
    pid: Vec<u32>,
    /// Connections at a time
    #[arg(long, default_value_t = 8)]
    crowd: usize,
    /// For how long
    #[arg(long, default_value_t = 500)]
    millis: u64,
    /// Bytes of a message
    #[arg(long, default_value_t = 64)]
    size: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = runtime.block_on(async {
        let address = ([127, 0, 0, 1], arguments.port).into();
        let span = Duration::from_millis(arguments.millis);
        let (pids, crowd, size) = (&arguments.pid, arguments.crowd, arguments.size);
        match arguments.kind.as_str() {
            "backend" => load::backend::serve().await.map(|()| serde_json::Value::Null),
            "idle" => load::tunnels::idle(address, pids, crowd, size).await,
            "stall" => load::tunnels::stall(address, pids, crowd).await,
            kind => {
                let kind = load::clients::Kind::named(kind, size).context("no such kind of load")?;
                load::clients::measure(address, pids, crowd, span, kind).await
            }
        }
    })?;
    writeln!(std::io::stdout(), "{said}")?;
    Ok(())
}
