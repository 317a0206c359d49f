//! How `systemctl` inside reaches the first process, and what it prints.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::systemctl::{Answer, Asked};

/// Where the first process listens.
pub(super) const SOCKET: &str = "/run/elbws/console";

/// Asks the first process and prints its answer.
pub(super) fn call<'a>(words: impl Iterator<Item = &'a OsString>) -> ExitCode {
    match ask(words.map(|word| word.to_string_lossy().into_owned()).collect()) {
        Ok(answer) => {
            // A closed pipe leaves nobody to tell.
            let _ = io::stdout().lock().write_all(answer.out.as_bytes());
            let _ = io::stderr().lock().write_all(answer.err.as_bytes());
            ExitCode::from(answer.code)
        }
        Err(error) => {
            complain(&format!("the first process does not answer: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints why something is not done.
pub(super) fn complain(text: &str) {
    // Standard error may be closed; there is nobody else to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn ask(words: Vec<String>) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(SOCKET)?;
    stream.write_all(&serde_json::to_vec(&Asked { words })?)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
