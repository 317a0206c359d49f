//! The only writers of the command line's output: human, JSON, Markdown, progress.
//!
//! Results go to stdout, progress and messages to stderr. A write that fails (a closed pipe) is no error of ours.

#[cfg(feature = "provision")]
pub(crate) mod plan;

use std::io::Write as _;

/// Writes a result to stdout.
pub(crate) fn result(text: &str) {
    let _ = write!(anstream::stdout().lock(), "{text}");
}

/// Writes a message for people to stderr.
pub(crate) fn message(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes a failure with its causes and its hint to stderr.
pub(crate) fn failure(error: &anyhow::Error, hint: Option<&str>) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(stderr, "  caused by: {cause}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "  hint: {hint}");
    }
}

/// Writes clap's help, version or complaint to where it belongs.
pub(crate) fn usage(error: &clap::Error) {
    let _ = error.print();
}
