//! What a probe found, as data.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepName {
    /// The name leads to addresses.
    Dns,
    /// One of them takes connections.
    Tcp,
    /// It has a certificate that fits.
    Tls,
    /// Plain http redirects to https.
    Redirect,
    /// The request becomes a WebSocket.
    Upgrade,
    /// Frames come through.
    Frame,
    /// Silence does not end it.
    Hold,
    /// It ends as it should.
    Close,
}

impl StepName {
    /// Every step, in order.
    pub const ALL: [Self; 8] = [
        Self::Dns,
        Self::Tcp,
        Self::Tls,
        Self::Redirect,
        Self::Upgrade,
        Self::Frame,
        Self::Hold,
        Self::Close,
    ];
}

/// What was found of one URL.
#[derive(Debug, Clone)]
pub struct Report {
    /// The URL.
    pub url: String,
    /// Every step, those that were not run as well.
    pub steps: Vec<Step>,
}

impl Report {
    /// Whether no step failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failure().is_none()
    }

    /// The problem of the step that failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Problem> {
        self.steps.iter().find_map(|step| match &step.outcome {
            Outcome::Failed(problem) => Some(problem),
            Outcome::Passed(_) | Outcome::Skipped(_) => None,
        })
    }
}

/// How one step went.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which.
    pub name: StepName,
    /// How long it took.
    pub elapsed: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// As it should.
    Passed(Finding),
    /// Not as it should.
    Failed(Problem),
    /// It was not run, and why.
    Skipped(&'static str),
}

/// What a step found that passed.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Finding {
    /// Of DNS.
    Dns {
        /// The name.
        host: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
        /// Whether the user gave the address.
        overridden: bool,
    },
    /// Of TCP.
    Tcp {
        /// Where it connected to.
        address: SocketAddr,
    },
    /// Of TLS.
    Tls {
        /// `TLS 1.3` or `TLS 1.2`.
        version: String,
        /// The cipher suite, by IANA's name.
        cipher: String,
        /// Who the certificate is for.
        subject: String,
        /// The names that it covers.
        names: Vec<String>,
        /// Who signed it.
        issuer: String,
        /// When it expires.
        #[serde(with = "time::serde::rfc3339")]
        expires: OffsetDateTime,
        /// The days until then.
        days_left: i64,
    },
    /// Of the redirect.
    Redirect {
        /// The HTTP status.
        status: u16,
        /// Where to.
        location: String,
    },
    /// Of the upgrade.
    Upgrade {
        /// The HTTP status.
        status: u16,
        /// What the server calls itself.
        server: Option<String>,
    },
    /// Of the first frame.
    Frame {
        /// `text`, `binary`, `echo` or `pong`; the latter is asked for where a server says nothing by itself.
        kind: &'static str,
        /// Its length.
        bytes: usize,
        /// The addresses that it names: a server that tells its visitors who they are names theirs.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        addresses: Vec<IpAddr>,
        /// Whether this client's own is among them.
        #[serde(skip_serializing_if = "Option::is_none")]
        names_client: Option<bool>,
    },
    /// Of the hold.
    Hold {
        /// For how long.
        seconds: f64,
        /// The frames that the server sent meanwhile, its pings among them.
        frames: u64,
    },
    /// Of the close.
    Close {
        /// The code that the server answered with.
        code: Option<u16>,
    },
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The name has no addresses.
    #[error("{host} does not resolve: {error}")]
    NoName {
        /// The name.
        host: String,
        /// What the resolver said.
        error: String,
    },
    /// Nothing listens there.
    #[error("{address} refuses connections")]
    Refused {
        /// Where.
        address: SocketAddr,
    },
    /// Nothing answers there.
    #[error("{address} does not answer")]
    ConnectTimeout {
        /// Where.
        address: SocketAddr,
    },
    /// There is no way there.
    #[error("{address} cannot be reached: {error}")]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: String,
    },
    /// Something else did not come in time.
    #[error("{what} did not come within 10 s")]
    Timeout {
        /// What.
        what: &'static str,
    },
    /// The certificate is for other names.
    #[error("the certificate covers {}, not {host}", names.join(", "))]
    WrongName {
        /// The name that was asked for.
        host: String,
        /// Those that it covers.
        names: Vec<String>,
    },
    /// The certificate is not or no longer in force.
    #[error("the certificate is not in force: {error}")]
    NotInForce {
        /// What is wrong with it.
        error: String,
    },
    /// Nobody who is trusted has signed the certificate.
    #[error("the certificate of {issuer} is not trusted")]
    NotTrusted {
        /// Who has.
        issuer: String,
    },
    /// What answers speaks no TLS.
    #[error("the other side does not speak TLS")]
    NoTls,
    /// The handshake failed otherwise.
    #[error("the TLS handshake failed: {error}")]
    Handshake {
        /// Why.
        error: String,
    },
    /// The connection was closed in place of an answer.
    #[error("the connection was closed without an answer to {to}")]
    ClosedWithoutAnswer {
        /// To what.
        to: &'static str,
    },
    /// The answer is no HTTP.
    #[error("the answer is not HTTP: {error}")]
    NotHttp {
        /// What is wrong with it.
        error: String,
    },
    /// Plain http does not redirect.
    #[error("plain http is answered with {status}, not with a redirect")]
    NoRedirect {
        /// The HTTP status.
        status: u16,
    },
    /// Plain http redirects to elsewhere.
    #[error("plain http redirects to {location:?}, which is not https of the same host")]
    WrongRedirect {
        /// Where to.
        location: String,
    },
    /// The request did not become a WebSocket.
    #[error("the upgrade is answered with {status}{}", reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
    NotUpgraded {
        /// The HTTP status.
        status: u16,
        /// Why, where elbws-proxy tells it.
        reason: Option<String>,
    },
    /// The answer to the upgrade breaks the protocol.
    #[error("the upgrade's answer has a wrong {header}")]
    WrongUpgrade {
        /// The header.
        header: &'static str,
    },
    /// The echo is not what was sent.
    #[error("the server answered with something else than what was sent")]
    WrongEcho,
    /// The WebSocket broke.
    #[error("the WebSocket broke: {error}")]
    Broken {
        /// How.
        error: String,
    },
    /// The WebSocket ended during the hold.
    #[error("the connection ended after {seconds:.1} s of silence{}", code.map(|code| format!(" with close code {code}")).unwrap_or_default())]
    HoldEnded {
        /// After how many seconds without a byte from either side.
        seconds: f64,
        /// With which code, if the server closed it properly.
        code: Option<u16>,
    },
    /// The WebSocket looked open after the hold, but nothing comes through it.
    #[error("after {seconds:.1} s of silence the connection looks open, and nothing comes through it")]
    HoldDead {
        /// How long it was held.
        seconds: f64,
    },
}
