//! One script on a running instance: sent in, listened to, killed when its time is over or nobody waits any more.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::time::timeout;

use super::channel;
use super::running::Running;

/// The longest script.
pub(super) const LONGEST: usize = channel::LONGEST / 2;
/// What is kept of each stream; the rest is read and dropped.
const KEPT: usize = 1 << 20;
/// For so long a killed script may take to be gone.
const KILLED: Duration = Duration::from_secs(30);

/// A script for `/bin/sh`, run by root in a clean environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its lines.
    pub text: String,
    /// Beside `PATH`, `HOME` and the like.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; `/root` if not given.
    pub directory: Option<PathBuf>,
    /// After so long it is killed with its process group.
    pub time_limit: Duration,
}

/// How a script ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; 128 and the signal's number where a signal killed it.
    pub exit_code: i32,
    /// What it wrote, at most a mebibyte of each.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
    /// Whether it was killed because its time was over.
    pub timed_out: bool,
}

/// Runs a script; none if the instance ended meanwhile.
pub(super) async fn run(running: &Running, script: &Script) -> Option<Ran> {
    let (stdout, its_stdout) = Output::new().ok()?;
    let (stderr, its_stderr) = Output::new().ok()?;
    let mut started = running.send_script(script, [its_stdout, its_stderr]).await?;
    let (mut stdout, mut stderr) = (stdout, stderr);
    let ended = async {
        tokio::select! {
            code = started.ended() => code,
            never = read_both(&mut stdout, &mut stderr) => match never {},
        }
    };
    let in_time = timeout(script.time_limit, ended).await;
    let timed_out = in_time.is_err();
    let code = if let Ok(code) = in_time {
        code?
    } else {
        started.kill();
        timeout(KILLED, started.ended()).await.ok()??
    };
    Some(Ran { exit_code: code, stdout: stdout.finish(), stderr: stderr.finish(), timed_out })
}

async fn read_both(stdout: &mut Output, stderr: &mut Output) -> std::convert::Infallible {
    let (never, _) = tokio::join!(stdout.read(), stderr.read());
    never
}

/// One stream of a script.
struct Output {
    pipe: pipe::Receiver,
    kept: Vec<u8>,
}

impl Output {
    fn new() -> io::Result<(Self, std::os::fd::OwnedFd)> {
        let (its, pipe) = pipe::pipe()?;
        Ok((Self { pipe, kept: Vec::new() }, its.into_blocking_fd()?))
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// Reads as long as it is polled. May be cancelled.
    async fn read(&mut self) -> std::convert::Infallible {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match self.pipe.read(&mut buffer).await {
                Ok(0) | Err(_) => std::future::pending().await,
                Ok(count) => self.keep(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    /// What the script wrote until its end. What it left running may go on writing, and nobody listens.
    fn finish(mut self) -> String {
        let mut buffer = vec![0; 16 * 1024];
        // The kernel is asked, not the runtime: that may hear of the last bytes after it has heard of the end. Others may
        // write as fast as this reads.
        while self.kept.len() < KEPT {
            match nix::unistd::read(&self.pipe, &mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => self.keep(buffer.get(..count).unwrap_or_default()),
            }
        }
        let mut pipe = self.pipe;
        tokio::spawn(async move { while let Ok(1..) = pipe.read(&mut buffer).await {} });
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn what_was_written_before_the_end_is_kept_though_the_runtime_has_not_heard_of_it() {
        let (output, its) = Output::new().unwrap();
        // Nothing is awaited in between, so no event is seen.
        std::fs::File::from(its).write_all(b"last words\n").unwrap();
        assert_eq!(output.finish(), "last words\n");
    }
}
