//! Listeners of a Classic load balancer.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a listener speaks, on either side of the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Ssl,
    /// HTTP/1.
    Http,
    /// HTTP/1 over TLS.
    Https,
}

impl Protocol {
    /// Returns the name that the API takes and reads back.
    #[must_use]
    pub fn as_api(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Ssl => "SSL",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }

    /// Reads the API's name, whatever its case.
    #[must_use]
    pub fn from_api(name: &str) -> Option<Self> {
        [Self::Tcp, Self::Ssl, Self::Http, Self::Https]
            .into_iter()
            .find(|protocol| protocol.as_api().eq_ignore_ascii_case(name))
    }

    /// Says whether a front end of this protocol needs a certificate.
    #[must_use]
    pub fn is_secure(self) -> bool {
        match self {
            Self::Ssl | Self::Https => true,
            Self::Tcp | Self::Http => false,
        }
    }

    /// Says whether the load balancer relays bytes rather than HTTP requests.
    #[must_use]
    pub fn is_stream(self) -> bool {
        match self {
            Self::Tcp | Self::Ssl => true,
            Self::Http | Self::Https => false,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// A listener as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The port that the load balancer listens on; a listener's key.
    pub port: u16,
    /// What clients speak to it.
    pub protocol: Protocol,
    /// The port on the instances.
    pub instance_port: u16,
    /// What it speaks to the instances.
    pub instance_protocol: Protocol,
    /// The ARN of its certificate.
    pub certificate: Option<String>,
    /// The names of the policies on it.
    pub policies: Vec<String>,
}
