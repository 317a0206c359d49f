//! The security policies that AWS defines for HTTPS and TLS listeners.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>. Those for
//! RFC 9151 are not here. The listeners' TLS has no post-quantum key exchange and is not certified, so that a policy
//! with `PQ` or `FIPS` in its name differs from the one without by its ciphers at most.

use super::describe::at_most_20;
use super::{one_of, page};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The policy of a secure listener that names none.
pub(super) const DEFAULT: &str = "ELBSecurityPolicy-2016-08";

const TLS13: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// Ciphers of TLS 1.2 and below in the order of preference, each with the groups of policies that have it.
const CIPHERS: &[(&str, Set)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", Set::Gcm),
    ("ECDHE-RSA-AES128-GCM-SHA256", Set::Gcm),
    ("ECDHE-ECDSA-AES128-SHA256", Set::Cbc),
    ("ECDHE-RSA-AES128-SHA256", Set::Cbc),
    ("ECDHE-ECDSA-AES128-SHA", Set::Sha1),
    ("ECDHE-RSA-AES128-SHA", Set::Sha1),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", Set::Gcm),
    ("ECDHE-RSA-AES256-GCM-SHA384", Set::Gcm),
    ("ECDHE-ECDSA-AES256-SHA384", Set::Cbc),
    ("ECDHE-RSA-AES256-SHA384", Set::Cbc),
    ("ECDHE-RSA-AES256-SHA", Set::Sha1),
    ("ECDHE-ECDSA-AES256-SHA", Set::Sha1),
    ("AES128-GCM-SHA256", Set::Rsa),
    ("AES128-SHA256", Set::Rsa),
    ("AES128-SHA", Set::RsaSha1),
    ("AES256-GCM-SHA384", Set::Rsa),
    ("AES256-SHA256", Set::Rsa),
    ("AES256-SHA", Set::RsaSha1),
    ("DES-CBC3-SHA", Set::TripleDes),
];

/// A group of ciphers that policies have all of or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// Ephemeral keys, and encryption with authentication.
    Gcm,
    /// Ephemeral keys, SHA-2.
    Cbc,
    /// Ephemeral keys, SHA-1.
    Sha1,
    /// Without forward secrecy.
    Rsa,
    /// Without forward secrecy, SHA-1.
    RsaSha1,
    TripleDes,
}

/// A policy.
struct Policy {
    name: &'static str,
    /// Newest first.
    protocols: &'static [&'static str],
    sets: &'static [Set],
}

const FORWARD: &[Set] = &[Set::Gcm, Set::Cbc];
const FORWARD_SHA1: &[Set] = &[Set::Gcm, Set::Cbc, Set::Sha1];
const MODERN: &[Set] = &[Set::Gcm, Set::Cbc, Set::Rsa];
const ALL: &[Set] = &[Set::Gcm, Set::Cbc, Set::Sha1, Set::Rsa, Set::RsaSha1];

const TLS_1_3: &[&str] = &["TLSv1.3"];
const FROM_1_2_TO_1_3: &[&str] = &["TLSv1.3", "TLSv1.2"];
const FROM_1_1_TO_1_3: &[&str] = &["TLSv1.3", "TLSv1.2", "TLSv1.1"];
const FROM_1_0_TO_1_3: &[&str] = &["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"];
const TLS_1_2: &[&str] = &["TLSv1.2"];
const FROM_1_1_TO_1_2: &[&str] = &["TLSv1.2", "TLSv1.1"];
const FROM_1_0_TO_1_2: &[&str] = &["TLSv1.2", "TLSv1.1", "TLSv1"];

/// By name.
const POLICIES: &[Policy] = &[
    Policy { name: "ELBSecurityPolicy-2015-05", protocols: FROM_1_0_TO_1_2, sets: ALL },
    Policy { name: DEFAULT, protocols: FROM_1_0_TO_1_2, sets: ALL },
    Policy { name: "ELBSecurityPolicy-FS-1-1-2019-08", protocols: FROM_1_1_TO_1_2, sets: FORWARD_SHA1 },
    Policy { name: "ELBSecurityPolicy-FS-1-2-2019-08", protocols: TLS_1_2, sets: FORWARD_SHA1 },
    Policy { name: "ELBSecurityPolicy-FS-1-2-Res-2019-08", protocols: TLS_1_2, sets: FORWARD },
    Policy { name: "ELBSecurityPolicy-FS-1-2-Res-2020-10", protocols: TLS_1_2, sets: &[Set::Gcm] },
    Policy { name: "ELBSecurityPolicy-FS-2018-06", protocols: FROM_1_0_TO_1_2, sets: FORWARD_SHA1 },
    Policy {
        name: "ELBSecurityPolicy-TLS-1-0-2015-04",
        protocols: FROM_1_0_TO_1_2,
        sets: &[Set::Gcm, Set::Cbc, Set::Sha1, Set::Rsa, Set::RsaSha1, Set::TripleDes],
    },
    Policy { name: "ELBSecurityPolicy-TLS-1-1-2017-01", protocols: FROM_1_1_TO_1_2, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS-1-2-2017-01", protocols: TLS_1_2, sets: MODERN },
    Policy { name: "ELBSecurityPolicy-TLS-1-2-Ext-2018-06", protocols: TLS_1_2, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-0-2021-06", protocols: FROM_1_0_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-0-FIPS-2023-04", protocols: FROM_1_0_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-0-FIPS-PQ-2025-09", protocols: FROM_1_0_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09", protocols: FROM_1_0_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-1-2021-06", protocols: FROM_1_1_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-1-FIPS-2023-04", protocols: FROM_1_1_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-2021-06", protocols: FROM_1_2_TO_1_3, sets: FORWARD },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-2023-04",
        protocols: FROM_1_2_TO_1_3,
        sets: FORWARD_SHA1,
    },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-PQ-2025-09",
        protocols: FROM_1_2_TO_1_3,
        sets: FORWARD_SHA1,
    },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", protocols: FROM_1_2_TO_1_3, sets: MODERN },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-2023-04",
        protocols: FROM_1_2_TO_1_3,
        sets: MODERN,
    },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-PQ-2025-09",
        protocols: FROM_1_2_TO_1_3,
        sets: MODERN,
    },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09", protocols: FROM_1_2_TO_1_3, sets: MODERN },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06", protocols: FROM_1_2_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-2023-04", protocols: FROM_1_2_TO_1_3, sets: ALL },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-PQ-2025-09",
        protocols: FROM_1_2_TO_1_3,
        sets: ALL,
    },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09", protocols: FROM_1_2_TO_1_3, sets: ALL },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", protocols: FROM_1_2_TO_1_3, sets: FORWARD },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-FIPS-PQ-2025-09", protocols: FROM_1_2_TO_1_3, sets: FORWARD },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09", protocols: FROM_1_2_TO_1_3, sets: FORWARD },
    Policy { name: "ELBSecurityPolicy-TLS13-1-2-Res-2021-06", protocols: FROM_1_2_TO_1_3, sets: &[Set::Gcm] },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
        protocols: FROM_1_2_TO_1_3,
        sets: &[Set::Gcm],
    },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09",
        protocols: FROM_1_2_TO_1_3,
        sets: &[Set::Gcm],
    },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
        protocols: FROM_1_2_TO_1_3,
        sets: &[Set::Gcm],
    },
    Policy { name: "ELBSecurityPolicy-TLS13-1-3-2021-06", protocols: TLS_1_3, sets: &[] },
    Policy { name: "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04", protocols: TLS_1_3, sets: &[] },
    Policy { name: "ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09", protocols: TLS_1_3, sets: &[] },
    Policy { name: "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", protocols: TLS_1_3, sets: &[] },
];

/// Whether AWS defines a policy of that name.
pub(super) fn exists(name: &str) -> bool {
    POLICIES.iter().any(|policy| policy.name == name)
}

/// `DescribeSSLPolicies`: all, or those that are named.
pub(super) fn describe(params: &Params) -> Result<Members, ApiError> {
    let names = params.list("Names");
    at_most_20(&names, "SSL policy names")?;
    one_of(params, "LoadBalancerType", "loadBalancerType", &["application", "network", "gateway"])?;
    if let Some(unknown) = names.iter().find(|name| !exists(name)) {
        let message = format!("SSL policy '{unknown}' not found");
        return Err(ApiError::bad_request("SSLPolicyNotFound", message));
    }
    let asked_for =
        POLICIES.iter().filter(|policy| names.is_empty() || names.iter().any(|name| name == policy.name));
    let page = page(params, asked_for.map(|policy| (policy.name, policy)))?;
    let described = page.items.into_iter().map(members);
    Ok(Members::new().structures("SslPolicies", "member", described).optional("NextMarker", page.next))
}

fn members(policy: &Policy) -> Members {
    let newest = TLS13.iter().filter(|name| {
        // ChaCha20 is not one of FIPS.
        policy.protocols.contains(&"TLSv1.3") && !(policy.name.contains("FIPS") && name.contains("CHACHA20"))
    });
    let older = CIPHERS.iter().filter(|(_, set)| policy.sets.contains(set)).map(|(name, _)| name);
    let ciphers = newest.chain(older).zip(1..);
    let ciphers =
        ciphers.map(|(name, priority)| Members::new().text("Name", name).text("Priority", priority));
    Members::new()
        .texts("SslProtocols", "member", policy.protocols)
        .structures("Ciphers", "member", ciphers)
        .text("Name", policy.name)
        .texts("SupportedLoadBalancerTypes", "member", ["application", "network"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_in_the_order_of_pages() {
        assert!(POLICIES.is_sorted_by_key(|policy| policy.name));
        assert!(exists(DEFAULT));
        assert!(!exists("ELBSecurityPolicy-2011-08"));
    }
}
