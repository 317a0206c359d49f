//! Policies of a Classic load balancer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The types of policy that a stack makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// `ProxyProtocolPolicyType`: the PROXY header in front of every connection to an instance port.
    ProxyProtocol,
    /// `SSLNegotiationPolicyType`: which TLS versions and ciphers a listener takes.
    SslNegotiation,
}

impl PolicyKind {
    /// Returns the policy type's name in the API.
    #[must_use]
    pub fn as_api(self) -> &'static str {
        match self {
            Self::ProxyProtocol => "ProxyProtocolPolicyType",
            Self::SslNegotiation => "SSLNegotiationPolicyType",
        }
    }
}

/// A policy as it is observed: any type, ours or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name, unique on its load balancer.
    pub name: String,
    /// The name of its type in the API.
    pub type_name: String,
    /// Its attributes. An SSL negotiation policy has over a hundred, of which only
    /// `Reference-Security-Policy` is kept.
    pub attributes: BTreeMap<String, String>,
}

impl Policy {
    /// Says whether the policy is of `kind`.
    #[must_use]
    pub fn is(&self, kind: PolicyKind) -> bool {
        self.type_name == kind.as_api()
    }

    /// Says whether the policy turns the PROXY header on. Values compare without case (`True`, `true`).
    #[must_use]
    pub fn turns_proxy_protocol_on(&self) -> bool {
        self.is(PolicyKind::ProxyProtocol)
            && self.attributes.get("ProxyProtocol").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Returns the predefined policy that an SSL negotiation policy refers to.
    #[must_use]
    pub fn reference(&self) -> Option<&str> {
        self.attributes.get("Reference-Security-Policy").map(String::as_str)
    }
}
