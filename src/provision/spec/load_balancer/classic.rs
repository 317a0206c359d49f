//! `load_balancer:` with `type: classic`.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use super::{HealthCheck, Scheme};
use crate::provision::spec::{LoadBalancerName, Seconds};

/// A Classic load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassicLoadBalancer {
    /// Its name; the stack's unless the spec gives another.
    pub name: LoadBalancerName,
    /// Who can reach it.
    pub scheme: Scheme,
    /// What its own security group admits; not empty, no host bits, no duplicates.
    pub ingress: Vec<IpNet>,
    /// How long a connection may be silent: 1 s–4000 s.
    pub idle_timeout: Seconds,
    /// Whether every node spreads over the targets of all zones.
    pub cross_zone: bool,
    /// Where access logs go, if anywhere.
    pub access_logs: Option<AccessLogs>,
    /// Its listeners, in the spec's order; not empty, each on a port of its own.
    pub listeners: Vec<ClassicListener>,
    /// The instance ports on which PROXY protocol v1 is spoken.
    pub proxy_protocol: BTreeSet<u16>,
    /// How long a deregistered instance keeps its connections: 1 s–3600 s; `None` when draining is off.
    pub connection_draining: Option<Seconds>,
    /// How instances are checked.
    pub health_check: HealthCheck,
}

impl ClassicLoadBalancer {
    /// Returns the instance ports of its listeners, each once, in ascending order.
    #[must_use]
    pub fn instance_ports(&self) -> BTreeSet<u16> {
        self.listeners.iter().map(|listener| listener.instance_port).collect()
    }
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassicListener {
    /// The port that visitors connect to.
    pub port: u16,
    /// What visitors speak.
    pub protocol: ClassicProtocol,
    /// The port on the instances.
    pub instance_port: u16,
    /// What the instances speak; of the same layer as `protocol`.
    pub instance_protocol: ClassicProtocol,
    /// The predefined SSL negotiation policy; `Some` exactly for ssl and https.
    pub ssl_policy: Option<String>,
}

/// The protocols of a Classic listener and of its health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassicProtocol {
    /// TCP.
    Tcp,
    /// TLS over TCP, passed on as bytes.
    Ssl,
    /// HTTP; cannot carry WebSockets.
    Http,
    /// HTTP over TLS; cannot carry WebSockets.
    Https,
}

impl ClassicProtocol {
    /// Returns whether it needs a certificate on the visitors' side.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Ssl | Self::Https)
    }

    /// Returns whether it is of the HTTP layer; a listener's two sides must agree on it.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Returns the name that AWS uses: `TCP`, `SSL`, `HTTP` or `HTTPS`.
    #[must_use]
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Ssl => "SSL",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

/// Writes the spec's spelling: `tcp`, `ssl`, `http` or `https`.
impl fmt::Display for ClassicProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Access logs in S3.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessLogs {
    /// The bucket.
    pub bucket: String,
    /// The prefix of the objects' keys, without slashes at its ends.
    pub prefix: Option<String>,
    /// How often they are written, in minutes: 5 or 60.
    pub interval_minutes: u8,
}
