//! Programs to deploy: elbws-proxy, and another build of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// elbws-proxy without what only a debugger reads, a fifth of it.
pub(crate) fn proxy(directory: &Path) -> PathBuf {
    let path = directory.join("elbws-proxy");
    let built = env!("CARGO_BIN_EXE_elbws-proxy");
    let stripped = Command::new("strip").arg("-o").arg(&path).arg(built).status();
    if !stripped.is_ok_and(|status| status.success()) {
        fs::copy(built, &path).unwrap();
    }
    path
}

/// The same program in a file with another hash.
pub(crate) fn rebuilt(proxy: &Path, build: u32) -> PathBuf {
    let path = proxy.with_file_name(format!("elbws-proxy-{build}"));
    let mut content = fs::read(proxy).unwrap();
    // Beyond what its header speaks of.
    content.extend_from_slice(format!("build {build}\n").as_bytes());
    fs::write(&path, content).unwrap();
    path
}
