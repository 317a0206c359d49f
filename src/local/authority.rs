//! The certificate authority of the local AWS: it signs what ACM issues.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair as SigningKey, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey as _;
use rsa::rand_core::OsRng;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, Time};

use super::certificate::{CertificateError, KeyPair};

/// The authority's certificate and key, PEM. It comes into being when it is first needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Authority {
    pub(crate) certificate: String,
    private_key: String,
}

/// The kinds of keys that certificates are issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyAlgorithm {
    Rsa2048,
    EcPrime256v1,
    EcSecp384r1,
}

/// Why nothing could be issued: a fault of the local AWS, not of a request.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate could not be made.
    #[error("cannot sign a certificate")]
    Sign(#[from] rcgen::Error),
    /// No RSA key could be made.
    #[error("cannot make an RSA key")]
    Rsa(#[from] rsa::Error),
    /// The RSA key could not be written down.
    #[error("cannot encode an RSA key")]
    Encode(#[from] rsa::pkcs8::Error),
    /// What was made is not accepted by the checks of imports.
    #[error("the issued certificate is unusable")]
    Unusable(#[from] CertificateError),
}

impl Authority {
    /// A new authority, valid for ten years.
    pub(crate) fn generate(now: OffsetDateTime) -> Result<Self, AuthorityError> {
        let key = SigningKey::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "elbws local AWS");
        params.distinguished_name.push(DnType::CommonName, "elbws local AWS CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = midnight(now);
        params.not_after = midnight(now + Duration::days(3653));
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { certificate, private_key: key.serialize_pem() })
    }

    /// A certificate for these names, the first of which is its common name. It is valid for 395 days, whole
    /// days in UTC, as ACM's own are.
    pub(crate) fn issue(
        &self,
        names: &[String],
        algorithm: KeyAlgorithm,
        now: OffsetDateTime,
    ) -> Result<KeyPair, AuthorityError> {
        let key = algorithm.generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        // X.520 ends a common name at 64 characters; a longer name stands in the alternative names only.
        if let Some(name) = names.first().filter(|name| name.len() <= 64) {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = midnight(now);
        params.not_after = midnight(now + Duration::days(395)) + Duration::seconds(86_399);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, SigningKey::from_pem(&self.private_key)?)?;
        let body = params.signed_by(&key, &issuer)?.pem();
        Ok(KeyPair::check(&body, &key.serialize_pem(), Some(&self.certificate))?)
    }
}

impl KeyAlgorithm {
    fn generate(self) -> Result<SigningKey, AuthorityError> {
        match self {
            Self::Rsa2048 => {
                let der = RsaPrivateKey::new(&mut OsRng, 2048)?.to_pkcs8_der()?;
                Ok(SigningKey::try_from(&PrivatePkcs8KeyDer::from(der.as_bytes()))?)
            }
            Self::EcPrime256v1 => Ok(SigningKey::generate_for(&PKCS_ECDSA_P256_SHA256)?),
            Self::EcSecp384r1 => Ok(SigningKey::generate_for(&PKCS_ECDSA_P384_SHA384)?),
        }
    }
}

fn midnight(time: OffsetDateTime) -> OffsetDateTime {
    time.to_offset(time::UtcOffset::UTC).replace_time(Time::MIDNIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn every_kind_of_key_is_issued_for() {
        let now = datetime!(2026-02-03 04:05:06 UTC);
        let authority = Authority::generate(now).unwrap();
        for (algorithm, name) in [
            (KeyAlgorithm::Rsa2048, "RSA_2048"),
            (KeyAlgorithm::EcPrime256v1, "EC_prime256v1"),
            (KeyAlgorithm::EcSecp384r1, "EC_secp384r1"),
        ] {
            let issued = authority.issue(&["a.example".to_owned()], algorithm, now).unwrap();
            assert_eq!(issued.facts.key_algorithm, name);
            assert_eq!(issued.facts.not_after, datetime!(2027-03-05 23:59:59 UTC));
        }
    }
}
