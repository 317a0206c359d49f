//! The types that policies are of, their attributes, and what each may be put on.

use super::predefined::{CIPHERS, PROTOCOLS, REFERENCE, SERVER_ORDER, SSL_NEGOTIATION};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// A policy type.
pub(super) struct PolicyType {
    pub(super) name: &'static str,
    description: &'static str,
    pub(super) attributes: &'static [AttributeType],
    pub(super) place: Place,
}

/// An attribute of a policy type.
pub(super) struct AttributeType {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) cardinality: Cardinality,
}

/// What a policy may be put on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Instance ports.
    BackendServer,
    /// HTTP and HTTPS listeners.
    HttpListener,
    /// HTTPS and SSL listeners.
    SecureListener,
    /// Nothing: it is part of other policies.
    Nowhere,
}

/// What an attribute's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Long,
    Text,
    PolicyName,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "Boolean",
            Self::Long => "Long",
            Self::Text => "String",
            Self::PolicyName => "PolicyName",
        }
    }
}

/// How often an attribute may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    One,
    ZeroOrOne,
    OneOrMore,
}

impl Cardinality {
    fn name(self) -> &'static str {
        match self {
            Self::One => "ONE",
            Self::ZeroOrOne => "ZERO_OR_ONE",
            Self::OneOrMore => "ONE_OR_MORE",
        }
    }

    /// Whether an attribute may be given so many times.
    pub(super) fn admits(self, count: usize) -> bool {
        match self {
            Self::One => count == 1,
            Self::ZeroOrOne => count <= 1,
            Self::OneOrMore => count >= 1,
        }
    }
}

pub(super) const PROXY_PROTOCOL: &str = "ProxyProtocolPolicyType";
pub(super) const PUBLIC_KEY: &str = "PublicKeyPolicyType";
pub(super) const APP_COOKIE: &str = "AppCookieStickinessPolicyType";
pub(super) const LB_COOKIE: &str = "LBCookieStickinessPolicyType";
pub(super) const BACKEND_AUTHENTICATION: &str = "BackendServerAuthenticationPolicyType";

const TYPES: [PolicyType; 6] = [
    PolicyType {
        name: PROXY_PROTOCOL,
        description: "Policy that controls whether to include the IP address and port of the originating request for TCP messages. This policy operates on TCP/SSL listeners only",
        attributes: &[one("ProxyProtocol", Kind::Boolean)],
        place: Place::BackendServer,
    },
    PolicyType {
        name: PUBLIC_KEY,
        description: "Policy containing a list of public keys to accept when authenticating the back-end server(s). This policy cannot be applied directly to back-end servers or listeners but must be part of a BackendServerAuthenticationPolicyType.",
        attributes: &[one("PublicKey", Kind::Text)],
        place: Place::Nowhere,
    },
    PolicyType {
        name: APP_COOKIE,
        description: "Stickiness policy with session lifetimes controlled by the lifetime of the application-generated cookie. This policy can be associated only with HTTP/HTTPS listeners.",
        attributes: &[one("CookieName", Kind::Text)],
        place: Place::HttpListener,
    },
    PolicyType {
        name: LB_COOKIE,
        description: "Stickiness policy with session lifetimes controlled by the browser (user-agent) or a specified expiration period. This policy can be associated only with HTTP/HTTPS listeners.",
        attributes: &[AttributeType {
            name: "CookieExpirationPeriod",
            kind: Kind::Long,
            cardinality: Cardinality::ZeroOrOne,
        }],
        place: Place::HttpListener,
    },
    PolicyType {
        name: SSL_NEGOTIATION,
        description: "Listener policy that defines the ciphers and protocols that will be accepted by the load balancer. This policy can be associated only with HTTPS/SSL listeners.",
        attributes: &NEGOTIATION_ATTRIBUTES,
        place: Place::SecureListener,
    },
    PolicyType {
        name: BACKEND_AUTHENTICATION,
        description: "Policy that controls authentication to back-end server(s) and contains one or more policies, such as an instance of a PublicKeyPolicyType. This policy can be associated only with back-end servers that are using HTTPS/SSL.",
        attributes: &[AttributeType {
            name: "PublicKeyPolicyName",
            kind: Kind::PolicyName,
            cardinality: Cardinality::OneOrMore,
        }],
        place: Place::BackendServer,
    },
];

const fn one(name: &'static str, kind: Kind) -> AttributeType {
    AttributeType { name, kind, cardinality: Cardinality::One }
}

const fn switch(name: &'static str) -> AttributeType {
    AttributeType { name, kind: Kind::Boolean, cardinality: Cardinality::ZeroOrOne }
}

const NEGOTIATION_ATTRIBUTES: [AttributeType; 2 + PROTOCOLS.len() + CIPHERS.len()] = {
    let mut attributes = [const { switch(SERVER_ORDER) }; 2 + PROTOCOLS.len() + CIPHERS.len()];
    attributes[0] = AttributeType { name: REFERENCE, kind: Kind::Text, cardinality: Cardinality::ZeroOrOne };
    let mut index = 0;
    while index < PROTOCOLS.len() {
        attributes[2 + index] = switch(PROTOCOLS[index]);
        index += 1;
    }
    let mut index = 0;
    while index < CIPHERS.len() {
        attributes[2 + PROTOCOLS.len() + index] = switch(CIPHERS[index]);
        index += 1;
    }
    attributes
};

/// The policy type of that name.
pub(super) fn find(name: &str) -> Result<&'static PolicyType, ApiError> {
    static ALL: [PolicyType; 6] = TYPES;
    ALL.iter().find(|policy_type| policy_type.name == name).ok_or_else(|| {
        ApiError::bad_request("PolicyTypeNotFound", format!("There is no policy type with name {name}"))
    })
}

/// `DescribeLoadBalancerPolicyTypes`.
pub(super) fn describe(params: &Params) -> Result<Members, ApiError> {
    let names = params.list("PolicyTypeNames");
    let types: Vec<&PolicyType> = if names.is_empty() {
        TYPES.iter().map(|policy_type| find(policy_type.name)).collect::<Result<_, _>>()?
    } else {
        names.iter().map(|name| find(name)).collect::<Result<_, _>>()?
    };
    let described = types.into_iter().map(|policy_type| {
        let attributes = policy_type.attributes.iter().map(|attribute| {
            Members::new()
                .text("AttributeName", attribute.name)
                .text("AttributeType", attribute.kind.name())
                .text("Cardinality", attribute.cardinality.name())
        });
        Members::new()
            .text("PolicyTypeName", policy_type.name)
            .text("Description", policy_type.description)
            .structures("PolicyAttributeTypeDescriptions", "member", attributes)
    });
    Ok(Members::new().structures("PolicyTypeDescriptions", "member", described))
}
