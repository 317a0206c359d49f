//! The policies that AWS defines: negotiation policies with their protocols and ciphers, and samples.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-security-policy-table.html>; those
//! older than 2015, which AWS no longer documents, are not here.

use crate::local::state::elb::{Policy, PolicyAttribute};

/// The policy that a secure listener gets when none is named.
pub(super) const DEFAULT: &str = "ELBSecurityPolicy-2016-08";

/// The type of negotiation policies.
pub(super) const SSL_NEGOTIATION: &str = "SSLNegotiationPolicyType";

/// Says of a policy that it is a copy of a predefined one.
pub(super) const REFERENCE: &str = "Reference-Security-Policy";

pub(super) const PROTOCOLS: [&str; 5] =
    ["Protocol-SSLv2", "Protocol-TLSv1", "Protocol-SSLv3", "Protocol-TLSv1.1", "Protocol-TLSv1.2"];

pub(super) const SERVER_ORDER: &str = "Server-Defined-Cipher-Order";

pub(super) const CIPHERS: [&str; 21] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
    "DHE-RSA-AES128-SHA",
    "DHE-DSS-AES128-SHA",
    "DES-CBC3-SHA",
];

/// Ciphers of policies from 2017 on that ask for TLS 1.2 at least: none that signs with SHA-1.
fn is_modern(cipher: &str) -> bool {
    cipher.ends_with("SHA256") || cipher.ends_with("SHA384")
}

/// A predefined policy.
#[derive(Clone, Copy)]
struct Predefined {
    name: &'static str,
    oldest_tls: &'static str,
    /// What it has beside the modern ciphers.
    others: &'static [&'static str],
}

const SHA1: &[&str] = &[
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-SHA",
    "AES256-SHA",
];

const NEGOTIATION: [Predefined; 6] = [
    Predefined { name: "ELBSecurityPolicy-TLS-1-2-2017-01", oldest_tls: "Protocol-TLSv1.2", others: &[] },
    Predefined { name: "ELBSecurityPolicy-TLS-1-1-2017-01", oldest_tls: "Protocol-TLSv1.1", others: &[] },
    Predefined { name: DEFAULT, oldest_tls: "Protocol-TLSv1", others: &[] },
    Predefined { name: "ELBSecurityPolicy-2015-05", oldest_tls: "Protocol-TLSv1", others: &["DES-CBC3-SHA"] },
    Predefined {
        name: "ELBSecurityPolicy-2015-03",
        oldest_tls: "Protocol-TLSv1",
        others: &["DHE-RSA-AES128-SHA", "DHE-DSS-AES128-SHA", "DES-CBC3-SHA"],
    },
    Predefined {
        name: "ELBSecurityPolicy-2015-02",
        oldest_tls: "Protocol-TLSv1",
        others: &["DHE-RSA-AES128-SHA", "DHE-DSS-AES128-SHA"],
    },
];

impl Predefined {
    fn has(self, attribute: &str) -> bool {
        if let Some(index) = TLS.iter().position(|protocol| *protocol == attribute) {
            return TLS
                .iter()
                .position(|protocol| *protocol == self.oldest_tls)
                .is_some_and(|oldest| index >= oldest);
        }
        let strict = self.oldest_tls == "Protocol-TLSv1.2";
        attribute == SERVER_ORDER
            || (CIPHERS.contains(&attribute) && is_modern(attribute))
            || (!strict && SHA1.contains(&attribute))
            || self.others.contains(&attribute)
    }

    /// Every attribute, on or off, behind the name that it refers to.
    fn attributes(self) -> Vec<PolicyAttribute> {
        let reference = PolicyAttribute { name: REFERENCE.to_owned(), value: self.name.to_owned() };
        let rest = PROTOCOLS
            .iter()
            .chain([&SERVER_ORDER])
            .chain(&CIPHERS)
            .map(|name| PolicyAttribute { name: (*name).to_owned(), value: self.has(name).to_string() });
        std::iter::once(reference).chain(rest).collect()
    }
}

/// The TLS versions, oldest first.
const TLS: [&str; 3] = ["Protocol-TLSv1", "Protocol-TLSv1.1", "Protocol-TLSv1.2"];

/// The attributes of a predefined negotiation policy.
pub(super) fn negotiation(name: &str) -> Option<Vec<PolicyAttribute>> {
    NEGOTIATION.iter().find(|policy| policy.name == name).map(|policy| policy.attributes())
}

/// The policy that secure listeners get by default, as the load balancer then has it.
pub(super) fn default_policy() -> Policy {
    Policy { type_name: SSL_NEGOTIATION.to_owned(), attributes: negotiation(DEFAULT).unwrap_or_default() }
}

/// Every policy that AWS defines, by name.
pub(super) fn all() -> Vec<(String, Policy)> {
    let negotiation = NEGOTIATION.iter().map(|policy| {
        let type_name = SSL_NEGOTIATION.to_owned();
        (policy.name.to_owned(), Policy { type_name, attributes: policy.attributes() })
    });
    let sample = |name: &str, type_name: &str, attribute: &str, value: &str| {
        let attributes = vec![PolicyAttribute { name: attribute.to_owned(), value: value.to_owned() }];
        (name.to_owned(), Policy { type_name: type_name.to_owned(), attributes })
    };
    let samples = [
        sample(
            "ELBSample-AppCookieStickinessPolicy",
            "AppCookieStickinessPolicyType",
            "CookieName",
            "ELBSampleAppCookie",
        ),
        sample(
            "ELBSample-LBCookieStickinessPolicy",
            "LBCookieStickinessPolicyType",
            "CookieExpirationPeriod",
            "600",
        ),
    ];
    negotiation.chain(samples).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(name: &str) -> Vec<String> {
        let on = |attribute: &PolicyAttribute| attribute.value == "true";
        negotiation(name).unwrap().into_iter().filter(on).map(|attribute| attribute.name).collect()
    }

    #[test]
    fn policies_have_the_protocols_and_as_many_ciphers_as_documented() {
        for (name, protocols, ciphers) in [
            ("ELBSecurityPolicy-TLS-1-2-2017-01", 1, 12),
            ("ELBSecurityPolicy-TLS-1-1-2017-01", 2, 18),
            ("ELBSecurityPolicy-2016-08", 3, 18),
            ("ELBSecurityPolicy-2015-05", 3, 19),
            ("ELBSecurityPolicy-2015-03", 3, 21),
            ("ELBSecurityPolicy-2015-02", 3, 20),
        ] {
            let enabled = enabled(name);
            let of_protocols = enabled.iter().filter(|attribute| attribute.starts_with("Protocol-")).count();
            assert_eq!((of_protocols, enabled.len() - of_protocols - 1), (protocols, ciphers), "{name}");
        }
    }
}
