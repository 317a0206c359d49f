//! The lowest version of TLS that a predefined policy admits, by the policy's name; pure.

use crate::probe::TlsVersion;

/// Returns that version: `…-TLS-1-2-2017-01` and `…-TLS13-1-2-2021-06` say it, those that are named for a date
/// alone begin at 1.0.
/// AWS: "Predefined SSL security policies for Classic Load Balancers" and "Security policies for your
/// Application Load Balancer".
pub(in crate::promise) fn lowest_version(policy: &str) -> TlsVersion {
    let rest = policy.strip_prefix("ELBSecurityPolicy-").unwrap_or(policy);
    let version = ["TLS13-", "TLS-", "FS-"].iter().find_map(|kind| rest.strip_prefix(kind));
    match version {
        Some(version) if version.starts_with("1-3-") => TlsVersion::Tls13,
        Some(version) if version.starts_with("1-2-") => TlsVersion::Tls12,
        Some(version) if version.starts_with("1-1-") => TlsVersion::Tls11,
        Some(_) | None => TlsVersion::Tls10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policys_name_says_its_lowest_version() {
        for (policy, version) in [
            ("ELBSecurityPolicy-TLS-1-2-2017-01", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS-1-1-2017-01", TlsVersion::Tls11),
            ("ELBSecurityPolicy-2016-08", TlsVersion::Tls10),
            ("ELBSecurityPolicy-FS-2018-06", TlsVersion::Tls10),
            ("ELBSecurityPolicy-FS-1-2-Res-2020-10", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS13-1-3-2021-06", TlsVersion::Tls13),
            ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", TlsVersion::Tls12),
        ] {
            assert_eq!(lowest_version(policy), version, "{policy}");
        }
    }
}
