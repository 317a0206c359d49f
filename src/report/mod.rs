//! The only writers of the command line's output: human, JSON, Markdown, progress.
//!
//! Results go to stdout, progress and messages to stderr. A closed pipe is no error: who read it has enough. A
//! result that could not be written for another reason (a full disk) is remembered; see [`result_is_lost`].

#[cfg(all(feature = "provision", feature = "probe"))]
pub(crate) mod doctor;
#[cfg(feature = "local")]
pub(crate) mod instances;
#[cfg(feature = "provision")]
pub(crate) mod plan;
#[cfg(feature = "probe")]
pub(crate) mod probe;
#[cfg(feature = "provision")]
pub(crate) mod progress;
#[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
pub(crate) mod promise;
#[cfg(feature = "provision")]
pub(crate) mod proxy_protocol;
#[cfg(feature = "provision")]
pub(crate) mod status;

#[cfg(feature = "provision")]
pub(crate) mod problems;

use std::io::{ErrorKind, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
#[cfg(feature = "provision")]
const PLACE: Style = AnsiColor::Blue.on_default();

static RESULT_IS_LOST: AtomicBool = AtomicBool::new(false);

/// Writes a result to stdout.
pub(crate) fn result(text: &str) {
    let mut stdout = anstream::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => RESULT_IS_LOST.store(true, Ordering::Relaxed),
        Ok(()) | Err(_) => {}
    }
}

/// Writes a result for programs to stdout.
#[cfg(feature = "provision")]
pub(crate) fn json(value: &serde_json::Value) {
    result(&format!("{value:#}\n"));
}

/// Returns whether a result could not be written.
pub(crate) fn result_is_lost() -> bool {
    RESULT_IS_LOST.load(Ordering::Relaxed)
}

/// Writes all problems of a spec to stderr.
#[cfg(feature = "provision")]
pub(crate) fn problems<'a>(title: &str, problems: impl Iterator<Item = problems::Located<'a>>) {
    let _ = write!(anstream::stderr().lock(), "{}", problems::text(title, problems));
}

/// Writes a message for people to stderr.
pub(crate) fn message(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes a failure with its causes and its hint to stderr.
pub(crate) fn failure(error: &anyhow::Error, hint: Option<&str>) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{ERROR}error:{ERROR:#} {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(stderr, "  caused by: {cause}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "  {HINT}hint:{HINT:#} {hint}");
    }
}

/// Writes clap's help, version or complaint to where it belongs.
pub(crate) fn usage(error: &clap::Error) {
    let _ = error.print();
}

/// Writes a question for people to stderr, without ending the line.
pub(crate) fn question(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{text}");
    let _ = stderr.flush();
}

/// Writes how many calls AWS was sent to stderr.
#[cfg(feature = "provision")]
pub(crate) fn calls(calls: &[crate::provision::aws::CallCount]) {
    let total: u64 = calls.iter().map(|call| call.attempts).sum();
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{total} AWS calls");
    for call in calls {
        let _ = writeln!(stderr, "  {:>4}  {} {}", call.attempts, call.service, call.operation);
    }
}

/// Writes `text` in place of what the screen shows; where stdout is no terminal, after a blank line.
#[cfg(feature = "provision")]
pub(crate) fn screen(text: &str) {
    use std::io::IsTerminal as _;
    let start = if std::io::stdout().is_terminal() { "\x1b[H\x1b[2J" } else { "\n" };
    result(&format!("{start}{text}"));
}
