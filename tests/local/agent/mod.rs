//! Instances that run scripts for real.

mod install;
mod isolation;
mod lifecycle;
mod ports;
mod scripts;
mod systemd;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use elbws::local::agent::{Agents, Host, Ran, Script, Terms};
use tokio::runtime::Runtime;

/// What these tests wait for comes in moments; on a machine that has much else to do it may take a while.
const DEADLINE: Duration = Duration::from_mins(2);
/// Added to the ports of instances.
const OFFSET: u16 = 20_000;

/// An instance, started with the first script.
struct Rig {
    runtime: Runtime,
    agents: Agents,
    host: Host,
}

impl Rig {
    /// None where instances cannot be isolated, after saying so.
    fn start() -> Option<Self> {
        Self::with(Terms { port_offset: OFFSET, ..Terms::default() })
    }

    fn with(terms: Terms) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let program = Some(PathBuf::from(env!("CARGO_BIN_EXE_elbws")));
        let agents = Agents::new(Terms { program, ..terms });
        if let Err(reason) = agents.managed() {
            assert!(std::env::var_os("ELBWS_REQUIRE_PEERS").is_none(), "{reason}");
            let _ = writeln!(std::io::stdout(), "skipped: {reason}");
            return None;
        }
        // No other test binary that runs at the same time has the same.
        let third = 64 + u8::try_from(std::process::id() % 128).unwrap();
        let address = Ipv4Addr::new(127, 64, third, NEXT.fetch_add(1, Ordering::Relaxed));
        let host =
            Host { id: "i-0123456789abcdef0".to_owned(), address, network: "172.31.0.0/16".parse().unwrap() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Some(Self { runtime, agents, host })
    }

    fn run(&self, text: &str) -> Ran {
        self.run_script(&script(text))
    }

    fn run_script(&self, script: &Script) -> Ran {
        self.runtime.block_on(self.agents.run(&self.host, script)).unwrap()
    }

    /// What a script that succeeds prints.
    fn out(&self, text: &str) -> String {
        let ran = self.run(text);
        assert_eq!((ran.exit_code, ran.stderr.as_str()), (0, ""), "{text}\n{}", ran.stdout);
        ran.stdout
    }

    fn within<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(DEADLINE, work).await.expect("in time") })
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.runtime.block_on(self.agents.stop_all());
    }
}

fn script(text: &str) -> Script {
    Script { text: text.to_owned(), environment: BTreeMap::new(), directory: None, time_limit: DEADLINE }
}

/// Tries until something is there.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
