//! What silence did to a connection, held against the idle timeout that the spec promises.

use std::time::Duration;

use super::Outcome;
use super::cause::Cause;

/// How far a connection may outlive or fall short of the idle timeout, in seconds.
const TOLERANCE: f64 = 1.0;

/// What it means that a connection outlived its hold.
pub(super) fn held(hold: Duration, frames: u64, idle_timeout: u32) -> Outcome {
    let seconds = hold.as_secs_f64();
    if frames > 0 {
        Outcome::Kept(format!(
            "open after {seconds} s; the server sent {frames} frames, so it was not silent"
        ))
    } else if seconds < f64::from(idle_timeout) + TOLERANCE {
        Outcome::Kept(format!("{seconds} s of silence, and still open; the timeout is {idle_timeout} s"))
    } else {
        Outcome::Broken {
            error: format!("open after {seconds} s of silence, and the timeout is {idle_timeout} s"),
            causes: vec![Cause::new(
                "the load balancer's idle timeout is another one than the spec's",
                "`elbws apply SPEC` sets load_balancer.idle_timeout",
            )],
        }
    }
}

/// What it means that silence ended a connection.
pub(super) fn ended(seconds: f64, idle_timeout: u32) -> Outcome {
    let promised = f64::from(idle_timeout);
    if (seconds - promised).abs() <= TOLERANCE {
        return Outcome::Kept(format!(
            "closed after {seconds:.1} s of silence; the timeout is {idle_timeout} s"
        ));
    }
    let causes = vec![Cause::new(
        "another timeout on the way is not load_balancer.idle_timeout",
        "`elbws apply SPEC`; proxy.tunnel_idle and the application's own timeout must be longer",
    )];
    Outcome::Broken {
        error: format!("closed after {seconds:.1} s of silence, and the timeout is {idle_timeout} s"),
        causes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_kept(outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Kept(_))
    }

    #[test]
    fn silence_is_judged_by_the_timeout() {
        let seconds = Duration::from_secs;
        assert!(is_kept(&held(seconds(50), 0, 60)));
        assert!(!is_kept(&held(seconds(70), 0, 60)));
        assert!(is_kept(&held(seconds(70), 3, 60)), "pings keep it open");
        assert!(is_kept(&ended(60.4, 60)));
        assert!(!is_kept(&ended(58.0, 60)) && !is_kept(&ended(62.0, 60)));
    }
}
