//! Lines on standard error: rejects by cause, rate-limited so that an attack does not fill a disk.

use std::fmt::Display;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one cause per window.
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Why a connection or request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reject {
    /// The PROXY header is missing or malformed.
    ProxyHeader,
    /// The PROXY header did not come in time.
    ProxyHeaderTimeout,
    /// The peer is not in `trusted`.
    Untrusted,
    /// The client address has too many connections.
    ClientLimit,
    /// Too many tunnels.
    TunnelLimit,
    /// The request head is malformed.
    BadRequest,
    /// The request head is over its limit.
    HeadTooLarge,
    /// The request did not come in time.
    RequestTimeout,
    /// The request's body is malformed.
    BadBody,
    /// No route for the request.
    NoRoute,
    /// No backend could be reached.
    UpstreamUnreachable,
    /// The backend hung up or answered nonsense.
    UpstreamBroken,
    /// The backend did not answer in time.
    UpstreamTimeout,
    /// Accepting failed for want of descriptors or memory.
    Accept,
}

impl Reject {
    /// Every cause.
    pub const ALL: [Self; 14] = [
        Self::ProxyHeader,
        Self::ProxyHeaderTimeout,
        Self::Untrusted,
        Self::ClientLimit,
        Self::TunnelLimit,
        Self::BadRequest,
        Self::HeadTooLarge,
        Self::RequestTimeout,
        Self::BadBody,
        Self::NoRoute,
        Self::UpstreamUnreachable,
        Self::UpstreamBroken,
        Self::UpstreamTimeout,
        Self::Accept,
    ];

    /// The cause's name in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProxyHeader => "proxy_header",
            Self::ProxyHeaderTimeout => "proxy_header_timeout",
            Self::Untrusted => "untrusted",
            Self::ClientLimit => "client_limit",
            Self::TunnelLimit => "tunnel_limit",
            Self::BadRequest => "bad_request",
            Self::HeadTooLarge => "head_too_large",
            Self::RequestTimeout => "request_timeout",
            Self::BadBody => "bad_body",
            Self::NoRoute => "no_route",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamBroken => "upstream_broken",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::Accept => "accept",
        }
    }

    pub(super) fn index(self) -> usize {
        Self::ALL.iter().position(|cause| *cause == self).unwrap_or(0)
    }
}

/// Standard error, with a budget for each cause.
#[derive(Debug, Default)]
pub struct Diagnostics {
    windows: Mutex<[Window; Reject::ALL.len()]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    since: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl Diagnostics {
    /// Writes a reject, unless its cause had its share.
    pub fn reject(&self, cause: Reject, peer: impl Display, detail: impl Display) {
        let Some(suppressed) = self.admit(cause) else { return };
        let more = if suppressed > 0 { format!(" ({suppressed} more not shown)") } else { String::new() };
        self.line(format_args!("rejected {}: {peer}: {detail}{more}", cause.as_str()));
    }

    /// Writes a line.
    pub fn line(&self, text: impl Display) {
        // Standard error may be closed; there is nobody else to tell.
        let _ = writeln!(std::io::stderr().lock(), "elbws-proxy: {text}");
    }

    /// How many lines of the cause went unseen before this one; `None` when this one does too.
    fn admit(&self, cause: Reject) -> Option<u64> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get_mut(cause.index())?;
        if window.since.is_none_or(|since| since.elapsed() > WINDOW) {
            let suppressed = window.suppressed;
            *window = Window { since: Some(Instant::now()), lines: 1, suppressed: 0 };
            return Some(suppressed);
        }
        if window.lines < LINES {
            window.lines += 1;
            return Some(0);
        }
        window.suppressed += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_floods_is_cut_off_and_others_are_not() {
        let diagnostics = Diagnostics::default();
        let shown = (0..50).filter(|_| diagnostics.admit(Reject::BadRequest).is_some()).count();
        assert_eq!(shown, 10);
        assert_eq!(diagnostics.admit(Reject::NoRoute), Some(0));
    }
}
