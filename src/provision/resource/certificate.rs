//! Server certificates in ACM and IAM.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Tags;

/// Where AWS keeps a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateStore {
    /// AWS Certificate Manager.
    Acm,
    /// IAM server certificates.
    Iam,
}

/// The PEM files that a certificate is imported from, and what they held when they were read.
///
/// The private key itself is no part of it: the key is read when it is sent, and only if the
/// certificate still has this fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The PEM file of the leaf certificate.
    pub certificate: PathBuf,
    /// The PEM file of its private key.
    pub private_key: PathBuf,
    /// The PEM file of the intermediate certificates.
    pub chain: Option<PathBuf>,
    /// Where to import it.
    pub store: CertificateStore,
    /// The SHA-256 of the leaf's DER form, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The names that the leaf is for.
    pub domains: Vec<String>,
    /// The type and size of its key in ACM's words, `EC_prime256v1`.
    pub key_algorithm: String,
}

/// A certificate in ACM or IAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its ARN.
    pub arn: String,
    /// Where it is kept.
    pub store: CertificateStore,
    /// Whether ACM holds it `ISSUED` (IAM: always).
    pub issued: bool,
    /// Its subject and alternative names, wildcards included.
    pub domains: Vec<String>,
    /// The type and size of its key in ACM's words, `EC_prime256v1`; unknown for IAM.
    pub key_algorithm: Option<String>,
    /// When it expires, in seconds since the Unix epoch.
    pub not_after: Option<i64>,
    /// The SHA-256 of the leaf's DER form in lower-case hexadecimal; read only for certificates of the stack.
    pub fingerprint: Option<String>,
    /// Its tags; read only for imported certificates.
    pub tags: Tags,
}

impl Certificate {
    /// Says whether the certificate is valid for `domain`: by an equal name, or by a wildcard in place of the
    /// first label (RFC 9525, section 6.3). Case does not matter.
    #[must_use]
    pub fn covers(&self, domain: &str) -> bool {
        self.domains.iter().any(|name| name_covers(name, domain))
    }
}

fn name_covers(name: &str, domain: &str) -> bool {
    if name.eq_ignore_ascii_case(domain) {
        return true;
    }
    let (Some(suffix), Some((label, rest))) = (name.strip_prefix("*."), domain.split_once('.')) else {
        return false;
    };
    !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label_only() {
        for (name, domain, covers) in [
            ("chat.example.com", "chat.example.com", true),
            ("Chat.Example.com", "chat.example.COM", true),
            ("*.example.com", "chat.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.chat.example.com", false),
            ("*.example.com", "*.example.com", true),
            ("example.com", "chat.example.com", false),
            ("*.example.com", ".example.com", false),
        ] {
            assert_eq!(name_covers(name, domain), covers, "{name} for {domain}");
        }
    }
}
