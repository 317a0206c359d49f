//! Programs to deploy: elbws-proxy, another build of it, and some that are none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Takes every configuration. `SERVE` is what it does when it is to serve.
const SOURCE: &str = "\
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char **words) {
    for (int i = 1; i < count; i++) if (!strcmp(words[i], \"--check\")) CHECK;
    SERVE;
}
";

/// A program that is no proxy, though it is made for this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It ends as soon as it is started.
    Dies,
    /// It goes on and serves nobody.
    Hangs,
    /// It takes no configuration.
    Refuses,
}

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

pub(crate) fn broken(directory: &Path, how: Broken) -> PathBuf {
    let (check, serve) = match how {
        Broken::Dies => ("return 0", r#"fputs("this build dies\n", stderr); return 1"#),
        Broken::Hangs => ("return 0", r#"fputs("this build hangs\n", stderr); for (;;) pause()"#),
        Broken::Refuses => (r#"{ fputs("this build refuses\n", stderr); return 1; }"#, "return 1"),
    };
    let path = directory.join(format!("{how:?}"));
    let source = path.with_extension("c");
    fs::write(&source, SOURCE.replace("CHECK", check).replace("SERVE", serve)).unwrap();
    let built = Command::new("cc").arg("-o").arg(&path).arg(&source).status().unwrap();
    assert!(built.success(), "{how:?}");
    path
}

/// The beginning of a program for the other of the two machines that instances are.
pub(crate) fn of_other_architecture(directory: &Path) -> PathBuf {
    const X86_64: u16 = 62;
    const AARCH64: u16 = 183;
    elf(directory, if cfg!(target_arch = "aarch64") { X86_64 } else { AARCH64 })
}

/// The beginning of a program for a machine that instances are not.
pub(crate) fn of_no_architecture(directory: &Path) -> PathBuf {
    const RISC_V: u16 = 243;
    elf(directory, RISC_V)
}

/// A file with the header of an ELF program.
fn elf(directory: &Path, machine: u16) -> PathBuf {
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(2_u16.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.resize(64, 0);
    let path = directory.join(format!("elf-{machine}"));
    fs::write(&path, header).unwrap();
    path
}

/// elbws in a directory of its own, where no elbws-proxy is beside it.
pub(crate) fn elbws_alone() -> (tempfile::TempDir, PathBuf) {
    // On the file system of the program, which is large.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join("elbws");
    let program = env!("CARGO_BIN_EXE_elbws");
    if fs::hard_link(program, &path).is_err() {
        fs::copy(program, &path).unwrap();
    }
    (directory, path)
}
