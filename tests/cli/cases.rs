//! Runs `elbws` and compares exit code, stdout and stderr with a file of `expected/`, byte for byte.
//!
//! `UPDATE_EXPECT=1` writes the files anew; read the difference before keeping it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command, without a terminal, colours or anything of this machine's environment that it would notice.
pub(crate) fn elbws(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elbws"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM", "COLUMNS", "ELB_NAME", "AWS_ENDPOINT_URL"]
    {
        command.env_remove(name);
    }
    command
}

/// The package's folder, which examples and fixtures are named from.
pub(crate) fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the command with `input` on standard input.
pub(crate) fn with_input(mut command: Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Compares what a command did with `expected/NAME.txt`.
#[track_caller]
pub(crate) fn check(name: &str, output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let found = format!(
        "exit {}\n--- stdout\n{}--- stderr\n{}",
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr)
    );
    let path = package().join("tests/cli/expected").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, found).unwrap();
    } else {
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(expected == found, "{} expects\n{expected}\nfound\n{found}", path.display());
    }
}
