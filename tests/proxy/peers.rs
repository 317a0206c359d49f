//! Programs of others, run against the proxy: found, configured in a folder of their own, ended with the test.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The program's path; without it the test is skipped, unless `ELBWS_REQUIRE_PEERS=1` makes that a failure.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        miss(name);
    }
    found
}

/// The same for a file with a place of its own, such as a module.
pub(crate) fn find_file(path: &str) -> Option<PathBuf> {
    let found = Some(PathBuf::from(path)).filter(|path| path.is_file());
    if found.is_none() {
        miss(path);
    }
    found
}

fn miss(name: &str) {
    let required = std::env::var_os("ELBWS_REQUIRE_PEERS").is_some_and(|value| value == "1");
    assert!(!required, "{name} is not installed");
    skip(&format!("{name} is not installed"));
}

/// An address for a program that cannot be asked which port it got.
///
/// Each has an address of loopback to itself, and a port that the kernel gives to nobody who asks for any: otherwise a
/// port that is free now may be taken before the program listens, and two proxies may even listen on the same one
/// (`SO_REUSEPORT`), each getting some of the other's connections.
pub(crate) fn free() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let octet = |value: u32| u8::try_from(value).unwrap();
    let address = Ipv4Addr::new(
        127,
        octet(130 + process % 100),
        octet(process / 100 % 250 + 1),
        octet(number % 250 + 1),
    );
    let mut ports = (12_000..32_000).skip(usize::try_from(process * 7 + number).unwrap() % 10_000);
    // Whoever listens on all addresses has the port on this one as well.
    let listener = ports.find_map(|port| TcpListener::bind((address, port)).ok());
    listener.unwrap().local_addr().unwrap()
}

/// Says why a test ends early.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stdout(), "skipped: {why}");
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Program {
    /// Starts it in a new folder that holds one file.
    pub(crate) fn start(binary: &std::path::Path, arguments: &[&str], file: &str, content: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), content).unwrap();
        let child = Command::new(binary)
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, _folder: folder }
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) {
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before it listened on {address}");
            assert!(began.elapsed() < Duration::from_mins(1), "nothing listens on {address}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
