//! Listeners and their rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Action, Attributes, Condition};
use crate::local::state::Tags;

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listener {
    pub(crate) arn: String,
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    /// The certificate of clients that ask for no name, or for one that no certificate has.
    pub(crate) certificate: Option<String>,
    /// More certificates, chosen by the name that the client asks for (SNI).
    pub(crate) more_certificates: Vec<String>,
    /// The name of the policy of secure listeners.
    pub(crate) ssl_policy: Option<String>,
    /// `HTTP1Only`, `HTTP2Only`, `HTTP2Optional`, `HTTP2Preferred` or `None`; of TLS listeners.
    pub(crate) alpn_policy: Option<String>,
    /// What happens to what no rule takes.
    pub(crate) default_action: Action,
    pub(crate) default_rule_arn: String,
    /// By priority; the lowest is asked first.
    pub(crate) rules: BTreeMap<u16, Rule>,
    pub(crate) attributes: Attributes,
    pub(crate) tags: Tags,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) arn: String,
    /// All must hold.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) action: Action,
    pub(crate) tags: Tags,
}

/// A protocol of a listener, a target group or a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
    Udp,
    TcpUdp,
}

impl Protocol {
    /// The protocol of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Http, Self::Https, Self::Tcp, Self::Tls, Self::Udp, Self::TcpUdp];
        all.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Udp => "UDP",
            Self::TcpUdp => "TCP_UDP",
        }
    }

    /// Whether it is one of Application Load Balancers.
    pub(crate) fn is_application(self) -> bool {
        match self {
            Self::Http | Self::Https => true,
            Self::Tcp | Self::Tls | Self::Udp | Self::TcpUdp => false,
        }
    }

    /// Whether it is encrypted.
    pub(crate) fn is_secure(self) -> bool {
        match self {
            Self::Https | Self::Tls => true,
            Self::Http | Self::Tcp | Self::Udp | Self::TcpUdp => false,
        }
    }
}

impl Listener {
    /// The actions of the rules, and the default one last.
    pub(crate) fn actions(&self) -> impl Iterator<Item = &Action> {
        self.rules.values().map(|rule| &rule.action).chain([&self.default_action])
    }

    /// Every certificate, the default one first.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &str> {
        self.certificate.iter().chain(&self.more_certificates).map(String::as_str)
    }
}
