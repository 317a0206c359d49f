//! Certificates: what ACM and IAM check before they take one, and what they read out of it.
//!
//! PEM, X.509 and keys are read by rustls and x509-parser; there is no ASN.1 of our own here.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

/// A certificate with its key, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyPair {
    /// The certificate, PEM.
    pub(crate) body: String,
    /// Those that lead from its issuer towards a root, PEM.
    pub(crate) chain: Option<String>,
    /// Its key, PEM.
    pub(crate) private_key: String,
    /// What the certificate says.
    pub(crate) facts: Facts,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// `CN=chat.example.com` and what else there is.
    pub(crate) subject: String,
    /// The common name.
    pub(crate) common_name: Option<String>,
    /// The issuer's organisation, or else its common name.
    pub(crate) issuer: String,
    /// Hexadecimal bytes with colons between them.
    pub(crate) serial: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) not_after: OffsetDateTime,
    /// `RSA_2048`, `EC_prime256v1` and so on.
    pub(crate) key_algorithm: String,
    /// `SHA256WITHRSA` and so on.
    pub(crate) signature_algorithm: String,
    /// The DNS names that it is for.
    pub(crate) names: Vec<String>,
    /// `DIGITAL_SIGNATURE` and so on.
    pub(crate) key_usages: Vec<String>,
    /// `TLS_WEB_SERVER_AUTHENTICATION` and so on.
    pub(crate) extended_key_usages: Vec<String>,
}

/// Why a certificate is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// No PEM, or no X.509 within it.
    #[error("Unable to parse certificate. Please ensure the certificate is in PEM format.")]
    Body,
    /// More than one where one is asked for.
    #[error(
        "The certificate field contains more than one certificate. You can specify only one certificate in this field."
    )]
    Several,
    /// The key is no PEM, or behind a password.
    #[error("Unable to parse private key. Please ensure the private key is unencrypted and in PEM format.")]
    Key,
    /// The key is of a kind that is not served.
    #[error("The private key is not supported.")]
    KeyKind,
    /// The key is another certificate's.
    #[error("The certificate and the private key do not match.")]
    Mismatch,
    /// The certificate at that place of the chain is not the issuer of the one before it, or no certificate.
    #[error(
        "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any intermediaries in order. The index within the chain of the invalid certificate is: {0}"
    )]
    Chain(usize),
}

impl KeyPair {
    /// Checks that a certificate, a key and a chain belong together.
    pub(crate) fn check(
        body: &str,
        private_key: &str,
        chain: Option<&str>,
    ) -> Result<Self, CertificateError> {
        let mut bodies = CertificateDer::pem_slice_iter(body.as_bytes());
        let der = bodies.next().and_then(Result::ok).ok_or(CertificateError::Body)?;
        if bodies.next().is_some() {
            return Err(CertificateError::Several);
        }
        let certificate = parse(&der).ok_or(CertificateError::Body)?;
        let facts = Facts::read(&certificate).ok_or(CertificateError::Body)?;

        let key = PrivateKeyDer::from_pem_slice(private_key.as_bytes()).map_err(|_| CertificateError::Key)?;
        let key = any_supported_type(&key).map_err(|_| CertificateError::KeyKind)?;
        let public_key = key.public_key().ok_or(CertificateError::KeyKind)?;
        if public_key.as_ref() != certificate.public_key().raw {
            return Err(CertificateError::Mismatch);
        }
        if let Some(chain) = chain {
            check_chain(&certificate, chain)?;
        }
        Ok(Self {
            body: body.to_owned(),
            chain: chain.map(str::to_owned),
            private_key: private_key.to_owned(),
            facts,
        })
    }
}

/// Each certificate of the chain must have signed the one before it.
fn check_chain(certificate: &X509Certificate<'_>, chain: &str) -> Result<(), CertificateError> {
    let links: Vec<Option<CertificateDer<'static>>> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::ok).collect();
    if links.is_empty() {
        return Err(CertificateError::Chain(0));
    }
    let mut issuers = Vec::new();
    for (index, link) in links.iter().enumerate() {
        let link = link.as_ref().and_then(|link| parse(link));
        issuers.push(link.ok_or(CertificateError::Chain(index))?);
    }
    let mut subject = certificate;
    for (index, issuer) in issuers.iter().enumerate() {
        let signed = subject.issuer().as_raw() == issuer.subject().as_raw()
            && subject.verify_signature(Some(issuer.public_key())).is_ok();
        if !signed {
            return Err(CertificateError::Chain(index));
        }
        subject = issuer;
    }
    Ok(())
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(certificate)
}

impl Facts {
    fn read(certificate: &X509Certificate<'_>) -> Option<Self> {
        let validity = certificate.validity();
        let names = certificate.subject_alternative_name().ok()?.into_iter().flat_map(|extension| {
            extension.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            })
        });
        Some(Self {
            subject: certificate.subject().to_string(),
            common_name: common_name(certificate.subject()),
            issuer: organisation(certificate.issuer())
                .or_else(|| common_name(certificate.issuer()))
                .unwrap_or_default(),
            serial: certificate.raw_serial_as_string(),
            not_before: validity.not_before.to_datetime(),
            not_after: validity.not_after.to_datetime(),
            key_algorithm: key_algorithm(certificate)?,
            signature_algorithm: signature_algorithm(certificate),
            names: names.collect(),
            key_usages: key_usages(certificate),
            extended_key_usages: extended_key_usages(certificate),
        })
    }

    /// The name that a certificate is listed under.
    pub(crate) fn domain(&self) -> Option<&str> {
        self.common_name.as_deref().or_else(|| self.names.first().map(String::as_str))
    }
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

fn organisation(name: &X509Name<'_>) -> Option<String> {
    name.iter_organization().next()?.as_str().ok().map(str::to_owned)
}

fn key_algorithm(certificate: &X509Certificate<'_>) -> Option<String> {
    let info = certificate.public_key();
    match info.parsed().ok()? {
        PublicKey::RSA(key) => Some(format!("RSA_{}", key.key_size())),
        PublicKey::EC(_) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            let name = match curve.as_str() {
                "1.2.840.10045.3.1.7" => "EC_prime256v1",
                "1.3.132.0.34" => "EC_secp384r1",
                "1.3.132.0.35" => "EC_secp521r1",
                _ => return None,
            };
            Some(name.to_owned())
        }
        _ => None,
    }
}

/// RFC 3279, 4055 and 5758 give the object identifiers.
fn signature_algorithm(certificate: &X509Certificate<'_>) -> String {
    let identifier = certificate.signature_algorithm.algorithm.to_id_string();
    let name = match identifier.as_str() {
        "1.2.840.113549.1.1.5" => "SHA1WITHRSA",
        "1.2.840.113549.1.1.11" => "SHA256WITHRSA",
        "1.2.840.113549.1.1.12" => "SHA384WITHRSA",
        "1.2.840.113549.1.1.13" => "SHA512WITHRSA",
        "1.2.840.10045.4.3.2" => "SHA256WITHECDSA",
        "1.2.840.10045.4.3.3" => "SHA384WITHECDSA",
        "1.2.840.10045.4.3.4" => "SHA512WITHECDSA",
        _ => return identifier,
    };
    name.to_owned()
}

fn key_usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = certificate.key_usage() else { return Vec::new() };
    let usage = usage.value;
    let all = [
        (usage.digital_signature(), "DIGITAL_SIGNATURE"),
        (usage.non_repudiation(), "NON_REPUDIATION"),
        (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
        (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
        (usage.key_agreement(), "KEY_AGREEMENT"),
        (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (usage.crl_sign(), "CRL_SIGNING"),
        (usage.encipher_only(), "ENCIPHER_ONLY"),
        (usage.decipher_only(), "DECIPHER_ONLY"),
    ];
    chosen(&all)
}

fn extended_key_usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(usage)) = certificate.extended_key_usage() else { return Vec::new() };
    let usage = usage.value;
    let all = [
        (usage.server_auth, "TLS_WEB_SERVER_AUTHENTICATION"),
        (usage.client_auth, "TLS_WEB_CLIENT_AUTHENTICATION"),
        (usage.code_signing, "CODE_SIGNING"),
        (usage.email_protection, "EMAIL_PROTECTION"),
        (usage.time_stamping, "TIME_STAMPING"),
        (usage.ocsp_signing, "OCSP_SIGNING"),
        (usage.any, "ANY"),
        (!usage.other.is_empty(), "CUSTOM"),
    ];
    chosen(&all)
}

fn chosen(all: &[(bool, &str)]) -> Vec<String> {
    all.iter().filter(|(given, _)| *given).map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::authority::{Authority, KeyAlgorithm};
    use time::macros::datetime;

    #[test]
    fn what_belongs_together_is_taken_and_read() {
        let now = datetime!(2026-02-03 04:05:06 UTC);
        let authority = Authority::generate(now).unwrap();
        let names = ["chat.example.com".to_owned(), "*.chat.example.com".to_owned()];
        let issued = authority.issue(&names, KeyAlgorithm::EcPrime256v1, now).unwrap();
        let facts = &issued.facts;
        assert_eq!(facts.domain(), Some("chat.example.com"));
        assert_eq!(facts.names, names);
        assert_eq!(facts.key_algorithm, "EC_prime256v1");
        assert_eq!(facts.signature_algorithm, "SHA256WITHECDSA");
        assert_eq!(facts.extended_key_usages, ["TLS_WEB_SERVER_AUTHENTICATION"]);
        assert!(facts.not_before <= now && now < facts.not_after);

        let check = |body: &str, key: &str, chain: Option<&str>| KeyPair::check(body, key, chain).map(|_| ());
        let other = authority.issue(&names, KeyAlgorithm::EcPrime256v1, now).unwrap();
        let chain = issued.chain.clone().unwrap();
        assert_eq!(check(&issued.body, &issued.private_key, Some(&chain)), Ok(()));
        assert_eq!(check(&issued.body, &other.private_key, None), Err(CertificateError::Mismatch));
        assert_eq!(check("no", &issued.private_key, None), Err(CertificateError::Body));
        assert_eq!(check(&issued.body, "no", None), Err(CertificateError::Key));
        let twice = format!("{}{}", issued.body, other.body);
        assert_eq!(check(&twice, &issued.private_key, None), Err(CertificateError::Several));
        let wrong = Some(other.body.as_str());
        assert_eq!(check(&issued.body, &issued.private_key, wrong), Err(CertificateError::Chain(0)));
        let longer = format!("{chain}{}", other.body);
        assert_eq!(check(&issued.body, &issued.private_key, Some(&longer)), Err(CertificateError::Chain(1)));
        let stranger = Authority::generate(now).unwrap();
        let same_name = Some(stranger.certificate.as_str());
        assert_eq!(check(&issued.body, &issued.private_key, same_name), Err(CertificateError::Chain(0)));
    }
}
