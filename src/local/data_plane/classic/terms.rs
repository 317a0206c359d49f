//! What a Classic load balancer's handshake offers: its certificate, and what its negotiation policy allows.
//!
//! Classic load balancers speak TLS 1.2 at most.

use crate::local::certificate::KeyPair;
use crate::local::data_plane::tls::{Terms, suites};
use crate::local::state::elb::{Listener, LoadBalancer};

const NEGOTIATION: &str = "SSLNegotiationPolicyType";

/// The terms of a listener with that certificate.
pub(super) fn terms(
    load_balancer: &LoadBalancer,
    listener: &Listener,
    arn: &str,
    key_pair: &KeyPair,
) -> Terms {
    let policies = listener.policies.iter().filter_map(|name| load_balancer.policies.get(name));
    let mut negotiation = policies.filter(|policy| policy.type_name == NEGOTIATION);
    let policy = negotiation.next();
    let allows = |name: &str| {
        policy.is_some_and(|policy| {
            policy
                .attributes
                .iter()
                .any(|attribute| attribute.name == name && attribute.value.eq_ignore_ascii_case("true"))
        })
    };
    let known = suites(&rustls::version::TLS12);
    Terms {
        certificates: vec![(arn.to_owned(), key_pair.clone())],
        suites: known.filter(|name| allows("Protocol-TLSv1.2") && allows(name)).collect(),
        server_order: allows("Server-Defined-Cipher-Order"),
        alpn: Vec::new(),
    }
}
