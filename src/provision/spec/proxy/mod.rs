//! `proxy:`, the bundled proxy on every instance.

mod decode;
mod fields;
mod fronted;
mod routes;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

pub(super) use decode::{HEALTHZ, behind, decode};
pub(super) use fields::PROXY;

use super::{Hsts, Seconds};

/// The bundled proxy: the configuration it is given, and how it reaches the instances.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proxy {
    /// Where it serves; default: the instance ports of the load balancer.
    pub listen: Vec<Bind>,
    /// Where it answers `GET /healthz` over plain HTTP, with or without a PROXY header.
    pub health: Bind,
    /// Where Prometheus reads; `None` when metrics are off.
    pub metrics: Option<Bind>,
    /// Whether visitors that came in over plain http get a 301 to https.
    pub redirect_http: bool,
    /// Which path goes where; the longest prefix wins. Not empty, each path once.
    pub routes: Vec<Route>,
    /// The PROXY header that connections must begin with.
    pub accept: Accept,
    /// Peers that are believed: with a PROXY header the only ones that are served (empty for all), without those
    /// whose `X-Forwarded-*` is believed (empty for none).
    pub trusted: Vec<IpNet>,
    /// The scheme a visitor used, by the load balancer's port.
    pub scheme_by_port: BTreeMap<u16, UrlScheme>,
    /// The port that redirects to https name, where it is not the https port of `scheme_by_port`.
    pub https_port: Option<u16>,
    /// What `Strict-Transport-Security` says to visitors over https.
    pub hsts: Option<Hsts>,
    /// How long a tunnel may be silent; by default longer than the load balancer lets it be.
    pub tunnel_idle: Seconds,
    /// Silence after which a tunnel's client is sent a ping, less than the load balancer's idle timeout; `None`
    /// for never.
    pub ping_interval: Option<Seconds>,
    /// How long a connection waits for its next request; by default longer than the load balancer keeps it.
    pub keep_alive: Seconds,
    /// How long a request's head may take.
    pub header_timeout: Option<Seconds>,
    /// How long an upstream may take to answer.
    pub request_timeout: Option<Seconds>,
    /// How long connecting to an upstream may take.
    pub connect_timeout: Option<Seconds>,
    /// Whether upstreams are sent pings as well as clients.
    pub ping_backend: bool,
    /// The longest head of a request or an answer, in bytes.
    pub max_head: Option<u32>,
    /// How long connections are given to end once it stops.
    pub drain: Seconds,
    /// Worker threads; `None` for one a core.
    pub workers: Option<u16>,
    /// The number of connections served at once; `None` for the proxy's own limit.
    pub max_connections: Option<u32>,
    /// The number of connections of one client address; `None` for no such limit.
    pub max_connections_per_client: Option<u32>,
    /// The number of WebSockets; `None` for no such limit.
    pub max_tunnels: Option<u32>,
    /// Where requests are logged.
    pub access_log: AccessLog,
    /// How they are written.
    pub access_log_format: AccessLogFormat,
    /// What health checks are told while it drains.
    pub health_while_draining: DrainingHealth,
    /// Whether its own answers say why.
    pub reason_header: bool,
    /// How it gets onto the instances.
    pub deploy: Deploy,
}

impl Proxy {
    /// Returns whether connections without a PROXY header are refused.
    #[must_use]
    pub fn demands_header(&self) -> bool {
        match self.accept {
            Accept::V1 | Accept::V2 | Accept::Any => true,
            Accept::Off => false,
        }
    }
}

/// A port on every address, or `ip:port`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Bind {
    /// The address; `None` for all.
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Bind {
    /// Returns whether the two cannot both be listened on.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let every = |bind: &Self| bind.address.is_none_or(|address| address.is_unspecified());
        self.port == other.port && (self.address == other.address || every(self) || every(other))
    }
}

/// Writes `8081`, `127.0.0.1:9145` or `[::1]:9145`.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            None => write!(f, "{}", self.port),
            Some(address) => write!(f, "{}", std::net::SocketAddr::new(address, self.port)),
        }
    }
}

impl From<Bind> for String {
    fn from(bind: Bind) -> Self {
        bind.to_string()
    }
}

/// A prefix of paths and the application behind it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Route {
    /// The prefix, with its leading slash.
    pub path: String,
    /// The only host that it serves, in lower case; `None` for every host.
    pub host: Option<String>,
    /// The applications, at least one: `host:port`, `ip:port` or `unix:/path`.
    pub upstream: Vec<String>,
    /// How one of several is chosen.
    pub balance: Balance,
    /// The PROXY header that they are sent, if any.
    pub proxy_protocol: Option<UpstreamHeader>,
    /// Whether its visitors over plain http are sent to https; `None` for what the proxy does.
    pub redirect_http: Option<bool>,
}

/// How one of several upstreams is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn.
    RoundRobin,
    /// The one with the fewest connections.
    LeastConnections,
}

/// The PROXY header that an upstream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamHeader {
    /// Version 1.
    V1,
    /// Version 2.
    V2,
}

/// How requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// One JSON object a line.
    Json,
    /// The combined log format.
    Combined,
}

/// What health checks are told while the proxy drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainingHealth {
    /// 200: a Network load balancer cuts the connections of a target that fails.
    Pass,
    /// 503.
    Fail,
}

/// The PROXY header that connections must begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Accept {
    /// Version 1, as a Classic load balancer sends.
    V1,
    /// Version 2, as a Network load balancer sends.
    V2,
    /// Either, required.
    Any,
    /// None.
    Off,
}

/// The scheme of a visitor's URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UrlScheme {
    /// `http` and `ws`.
    Http,
    /// `https` and `wss`.
    Https,
}

/// Where requests are logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// Nowhere.
    Off,
    /// Standard output, which systemd's journal reads.
    Stdout,
    /// A file, by its absolute path.
    Path(String),
}

/// How the proxy gets onto the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "via", rename_all = "lowercase")]
pub enum Deploy {
    /// Not by us: `elbws user-data` prints what installs it.
    None,
    /// By SSM, from an artifact in S3.
    Ssm {
        /// The bucket that holds the artifact.
        bucket: String,
    },
}
