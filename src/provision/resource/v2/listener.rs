//! Listeners, their rules and what these do with a request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::provision::resource::Tags;

/// What a listener, a target group or a health check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// TCP.
    Tcp,
    /// TLS, passed on as bytes.
    Tls,
}

impl Protocol {
    /// Returns AWS's name of it, `HTTPS`.
    #[must_use]
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Returns the protocol that AWS calls so; none for those that elbws does not make, such as `UDP`.
    #[must_use]
    pub fn from_aws(name: &str) -> Option<Self> {
        [Self::Http, Self::Https, Self::Tcp, Self::Tls].into_iter().find(|protocol| protocol.as_aws() == name)
    }

    /// Says whether clients must be shown a certificate.
    #[must_use]
    pub fn is_secure(self) -> bool {
        match self {
            Self::Https | Self::Tls => true,
            Self::Http | Self::Tcp => false,
        }
    }
}

/// Writes the spec's spelling: `https`.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

/// Weights, 0–999, by target group: its name in the spec where it is desired, its ARN where it is observed. A single
/// group has the weight 1.
pub type Weights = BTreeMap<String, u16>;

/// Which target groups get a request, or a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward<G = Weights> {
    /// The groups with their weights.
    pub groups: G,
    /// Seconds for which a client stays with its group; none where it does not.
    pub stickiness: Option<u32>,
}

/// What is done with a request, with the target groups named in one way or another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action<G = Weights> {
    /// It goes to a target.
    Forward(Forward<G>),
    /// It is sent elsewhere; every part is AWS's, `#{host}` included.
    Redirect {
        /// `HTTP`, `HTTPS` or `#{protocol}`.
        protocol: String,
        /// The host, default `#{host}`.
        host: String,
        /// The port, default `#{port}`.
        port: String,
        /// The path with its slash, default `/#{path}`.
        path: String,
        /// The query, default `#{query}`.
        query: String,
        /// 301 or 302.
        status: u16,
    },
    /// The load balancer answers by itself.
    FixedResponse {
        /// The status, 2xx, 4xx or 5xx.
        status: u16,
        /// The media type of the body.
        content_type: Option<String>,
        /// The body, 1024 bytes at most.
        body: Option<String>,
    },
    /// Something that elbws never makes, such as an authentication; observed only.
    Other(String),
}

impl<G> Action<G> {
    /// Returns the same action with its groups named in another way.
    ///
    /// # Errors
    ///
    /// That of `name`, where a group has no such name.
    pub fn rename<H, E>(&self, name: impl FnOnce(&G) -> Result<H, E>) -> Result<Action<H>, E> {
        Ok(match self {
            Self::Forward(Forward { groups, stickiness }) => {
                Action::Forward(Forward { groups: name(groups)?, stickiness: *stickiness })
            }
            Self::Redirect { protocol, host, port, path, query, status } => Action::Redirect {
                protocol: protocol.clone(),
                host: host.clone(),
                port: port.clone(),
                path: path.clone(),
                query: query.clone(),
                status: *status,
            },
            Self::FixedResponse { status, content_type, body } => Action::FixedResponse {
                status: *status,
                content_type: content_type.clone(),
                body: body.clone(),
            },
            Self::Other(kind) => Action::Other(kind.clone()),
        })
    }
}

/// What a rule asks of a request. Every condition must hold, and one of its values suffices.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// `path-pattern`.
    Path(BTreeSet<String>),
    /// `host-header`, in lower case.
    Host(BTreeSet<String>),
    /// Something that elbws never makes; observed only.
    Other(String),
}

/// A rule as it is desired; its place in the listener's list is its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRule {
    /// Its conditions, sorted.
    pub conditions: Vec<Condition>,
    /// What is done where they hold.
    pub action: Action,
}

/// A rule as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its ARN.
    pub arn: String,
    /// 1–50000; the lowest that fits decides.
    pub priority: u16,
    /// Its conditions, sorted.
    pub conditions: Vec<Condition>,
    /// What is done where they hold.
    pub action: Action,
    /// Its tags.
    pub tags: Tags,
}

/// A listener as it is desired. A secure one serves the stack's certificate, and by SNI its additional ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredListener {
    /// What clients speak to it.
    pub protocol: Protocol,
    /// The predefined security policy; `Some` exactly for `https` and `tls`.
    pub ssl_policy: Option<String>,
    /// AWS's name of the ALPN policy, `HTTP2Preferred`; `tls` only.
    pub alpn_policy: Option<String>,
    /// What is done with a request that no rule fits.
    pub default_action: Action,
    /// Its rules, the first that fits decides; `http` and `https` only.
    pub rules: Vec<DesiredRule>,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
}

/// A listener as it is observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its ARN.
    pub arn: String,
    /// AWS's name of what clients speak to it, `HTTPS`.
    pub protocol: String,
    /// The predefined security policy.
    pub ssl_policy: Option<String>,
    /// AWS's name of the ALPN policy; none stands for `None`, too.
    pub alpn_policy: Option<String>,
    /// The ARN of the certificate that clients without SNI are shown.
    pub certificate: Option<String>,
    /// The ARNs of those that are chosen by SNI, without the default one.
    pub additional_certificates: BTreeSet<String>,
    /// What is done with a request that no rule fits.
    pub default_action: Action,
    /// Its rules by ascending priority, without the default one.
    pub rules: Vec<Rule>,
    /// Its attributes, by AWS's keys.
    pub attributes: BTreeMap<String, String>,
    /// Its tags.
    pub tags: Tags,
}
