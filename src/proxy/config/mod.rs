//! What a user may configure: YAML in, a checked [`Config`] out. Opens no socket and resolves no name.

mod error;
mod file;
mod optional_header;
mod scalar;
mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

pub use error::ConfigError;
pub use upstream::UpstreamAddress;

use super::proxy_protocol::Versions;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients (the load balancer) connect.
    pub listen: Vec<SocketAddr>,
    /// Where health checks are answered.
    pub health: Option<SocketAddr>,
    /// Where Prometheus metrics and `/status` are served.
    pub metrics: Option<SocketAddr>,
    /// Which header every connection must begin with, if any.
    pub accept: Accept,
    /// Whose word is taken: peers outside these networks are refused, or with [`Accept::Off`] their forwarded
    /// headers are dropped. Empty means every peer with a PROXY header, and none without.
    pub trusted: Vec<IpNet>,
    /// Until when a connection from [`Self::trusted`] may begin without the header that [`Self::accept`] asks for.
    pub header_optional_until: Option<SystemTime>,
    /// The visitor's scheme by the port that the visitor connected to.
    pub scheme_by_port: BTreeMap<u16, Scheme>,
    /// The port that visitors find https on, where it is not the load balancer's own.
    pub https_port: Option<u16>,
    /// The `Strict-Transport-Security` value for visitors that came over https.
    pub hsts: Option<String>,
    /// Where requests go; the longest path wins.
    pub routes: Vec<Route>,
    /// Times and sizes.
    pub limits: Limits,
    /// How many threads serve; `None` for one a core.
    pub workers: Option<NonZeroUsize>,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// How the access log is written.
    pub access_log_format: AccessLogFormat,
    /// What health checks are told while draining.
    pub health_while_draining: DrainingHealth,
    /// Whether answers of the proxy itself carry `X-Elbws-Reason`.
    pub reason_header: bool,
    /// The SHA-256 of the text that it was read from, in hex: which configuration this is.
    pub sha256: String,
}

/// Which PROXY header connections carry; it is required or forbidden, and optional only until
/// [`Config::header_optional_until`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// A header of these versions is required.
    Header(Versions),
    /// There is none: behind an ALB, or for direct clients.
    Off,
}

impl Accept {
    /// The word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header(Versions::V1) => "v1",
            Self::Header(Versions::V2) => "v2",
            Self::Header(Versions::Any) => "any",
            Self::Off => "off",
        }
    }
}

/// The scheme a visitor used towards the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The name as it stands in URLs and headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where requests below a path go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The prefix: with a trailing slash any path that begins with it, without one whole segments.
    pub path: String,
    /// The only host that this route serves, in lower case without port; `None` for every host.
    pub host: Option<String>,
    /// The backends, at least one.
    pub upstreams: Vec<UpstreamAddress>,
    /// How one of several is chosen.
    pub balance: Balance,
    /// The PROXY header that backends are sent, if any.
    pub proxy_protocol: Option<UpstreamHeader>,
    /// Whether visitors over plain http are redirected to https.
    pub redirect_http: bool,
}

/// How one of several upstreams is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// In turn.
    RoundRobin,
    /// The one with the fewest open connections.
    LeastConnections,
}

/// The version of the PROXY header sent to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamHeader {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// Times and sizes that bound what one client can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For the PROXY header, and again for each request head once its first byte came.
    pub header_timeout: Duration,
    /// For an upstream to begin its answer, and for a side to move any byte of a body.
    pub request_timeout: Duration,
    /// For connecting to an upstream.
    pub connect_timeout: Duration,
    /// How long a client's connection may wait for its next request; must outlast an ALB's idle timeout.
    pub keep_alive: Duration,
    /// How long a tunnel, or the body of an answer, may be silent.
    pub tunnel_idle: Duration,
    /// How long open tunnels may live after the drain began.
    pub drain: Duration,
    /// Silence after which a tunnel's peers are sent a ping; `None` for never.
    pub ping_interval: Option<Duration>,
    /// Whether backends are pinged as well as clients.
    pub ping_backend: bool,
    /// The longest request or answer head in bytes.
    pub max_head: usize,
    /// Client connections at a time, tunnels among them.
    pub max_connections: usize,
    /// Connections of one client address at a time; `None` for no such limit.
    pub max_connections_per_client: Option<u32>,
    /// Tunnels at a time; `None` for no such limit.
    pub max_tunnels: Option<usize>,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// To standard output.
    Stdout,
    /// To the end of this file, reopened at each reload.
    File(PathBuf),
}

/// How the access log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// The combined log format of Apache and nginx.
    Combined,
}

/// What health checks are told while draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainingHealth {
    /// 200: an NLB kills the live connections of a target that fails.
    Pass,
    /// 503.
    Fail,
}

impl Config {
    /// Reads and checks the file at `path`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(ConfigError::Read)?;
        Self::parse(&text)
    }

    /// Checks a configuration given as YAML.
    pub fn parse(yaml: &str) -> Result<Self, ConfigError> {
        file::parse(yaml, SystemTime::now())
    }

    /// What is valid but probably not meant any more.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let past = self.header_optional_until.is_some_and(|until| until <= SystemTime::now());
        let warning =
            "header_optional_until: this time is over, every connection must begin with its PROXY header";
        past.then(|| warning.to_owned()).into_iter().collect()
    }

    /// The port that redirects to https name in their URL; `None` where it is 443.
    #[must_use]
    pub fn https_port(&self) -> Option<u16> {
        if let Some(port) = self.https_port {
            return (port != 443).then_some(port);
        }
        let mut https = self.scheme_by_port.iter().filter(|(_, scheme)| **scheme == Scheme::Https);
        let ports = || self.scheme_by_port.get(&443) == Some(&Scheme::Https);
        if ports() { None } else { https.next().map(|(port, _)| *port) }
    }
}
