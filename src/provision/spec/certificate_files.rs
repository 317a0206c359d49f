//! Certificate files read from disk: well-formed PEM, a key that fits, and what the certificate says of itself.

use std::fmt;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::CertificateFiles;

/// The longest file that is read; AWS takes certificates and keys of some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// A certificate with its key, as it is imported.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedCertificate {
    /// The SHA-256 of the certificate's DER, in lower-case hex.
    pub leaf_fingerprint_sha256: String,
    /// The same of each certificate of the chain, in order.
    pub chain_fingerprints_sha256: Vec<String>,
    /// The DNS names it covers, in its own order and lower case: the alternative names, or without any the
    /// common name.
    pub domains: Vec<String>,
    /// Until when it is valid.
    pub not_after: OffsetDateTime,
    /// The type and size of its key in ACM's words: `RSA_2048`, `EC_prime256v1`.
    pub key_algorithm: String,
    /// The certificate alone, PEM.
    pub certificate_pem: String,
    /// The chain, PEM; from the certificate's file and the chain's, in this order.
    pub chain_pem: Option<String>,
    /// The private key.
    pub private_key: PrivateKeyPem,
}

/// A private key, PEM. Its `Debug` form is masked and it has no other; ask for it by [`PrivateKeyPem::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKeyPem(String);

impl PrivateKeyPem {
    /// Returns the key itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKeyPem(***)")
    }
}

/// Which of the files a problem is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// `certificate`.
    Certificate,
    /// `private_key`.
    PrivateKey,
    /// `chain`.
    Chain,
}

impl FileRole {
    /// Returns the field of the spec that names the file.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private_key",
            Self::Chain => "chain",
        }
    }
}

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct CertificateFilesError {
    /// Which file.
    pub role: FileRole,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: FileProblem,
}

/// What is wrong with a certificate file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It is longer than any certificate.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is not text.
    #[error("is not PEM text")]
    NotText,
    /// It has no certificate.
    #[error("has no PEM block `CERTIFICATE`")]
    NoCertificate,
    /// It has no key.
    #[error("has no PEM block `PRIVATE KEY`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`")]
    NoKey,
    /// The key has a passphrase.
    #[error("has an encrypted private key")]
    Encrypted,
    /// A PEM block is broken.
    #[error("has a broken PEM block: {0}")]
    Pem(String),
    /// A certificate is no X.509.
    #[error("has a certificate that is not X.509: {0}")]
    X509(String),
    /// A key is of no kind that can be checked.
    #[error("has a private key other than RSA of 2048 bits or more, P-256 or P-384")]
    UnsupportedKey,
    /// The key belongs to another certificate.
    #[error("does not belong to the certificate")]
    KeyMismatch,
}

impl FileProblem {
    /// What the user may do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Read(_) => Some("paths are relative to the folder of the spec"),
            Self::Encrypted => Some("AWS takes keys without a passphrase: openssl pkey -in KEY -out PLAIN"),
            Self::KeyMismatch => Some("name the key that the certificate was requested with"),
            Self::NotText => Some("convert DER by: openssl x509 -inform der -in CERT -out CERT.pem"),
            Self::TooLarge
            | Self::NoCertificate
            | Self::NoKey
            | Self::Pem(_)
            | Self::X509(_)
            | Self::UnsupportedKey => None,
        }
    }
}

impl CertificateFiles {
    /// Reads the files and checks that they are well formed and fit each other.
    pub fn load(&self) -> Result<LoadedCertificate, CertificateFilesError> {
        let (role, path) = (FileRole::Certificate, &self.certificate);
        let fail = |problem| CertificateFilesError { role, path: path.clone(), problem };
        let mut blocks = certificates(&read_text(path).map_err(fail)?).map_err(fail)?.into_iter();
        let leaf = blocks.next().ok_or(FileProblem::NoCertificate).map_err(fail)?;
        let Described { domains, not_after, key_algorithm } = described(&leaf).map_err(fail)?;
        let mut chain: Vec<_> = blocks.collect();
        if let Some(path) = &self.chain {
            let fail = |problem| CertificateFilesError { role: FileRole::Chain, path: path.clone(), problem };
            let more = certificates(&read_text(path).map_err(fail)?).map_err(fail)?;
            if more.is_empty() {
                return Err(fail(FileProblem::NoCertificate));
            }
            chain.extend(more);
        }
        let private_key = load_key(&self.private_key, &leaf).map_err(|problem| CertificateFilesError {
            role: FileRole::PrivateKey,
            path: self.private_key.clone(),
            problem,
        })?;
        Ok(LoadedCertificate {
            leaf_fingerprint_sha256: fingerprint(&leaf),
            chain_fingerprints_sha256: chain.iter().map(|block| fingerprint(block)).collect(),
            domains,
            not_after,
            key_algorithm,
            certificate_pem: pem(&leaf),
            chain_pem: if chain.is_empty() {
                None
            } else {
                Some(chain.iter().map(|block| pem(block)).collect())
            },
            private_key,
        })
    }
}

fn read_text(path: &Path) -> Result<String, FileProblem> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(FileProblem::Read)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(FileProblem::Read)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileProblem::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FileProblem::NotText)
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, FileProblem> {
    let blocks: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let blocks = blocks.map_err(|error| FileProblem::Pem(error.to_string()))?;
    for block in &blocks {
        described(block)?;
    }
    Ok(blocks)
}

/// What is read out of a certificate.
struct Described {
    domains: Vec<String>,
    not_after: OffsetDateTime,
    key_algorithm: String,
}

fn described(der: &CertificateDer<'_>) -> Result<Described, FileProblem> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| FileProblem::X509(error.to_string()))?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| FileProblem::X509(error.to_string()))?
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default();
    let mut domains: Vec<_> = names
        .iter()
        .filter_map(|name| {
            if let GeneralName::DNSName(name) = name { Some(name.to_ascii_lowercase()) } else { None }
        })
        .collect();
    if domains.is_empty() {
        let common = certificate.subject().iter_common_name();
        domains.extend(common.filter_map(|name| Some(name.as_str().ok()?.to_ascii_lowercase())));
    }
    let not_after = certificate.validity().not_after.to_datetime();
    Ok(Described { domains, not_after, key_algorithm: key_algorithm(&certificate) })
}

/// The type and size of a certificate's key, as ACM's `KeyAlgorithm` says it.
fn key_algorithm(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA_{}", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match point.key_size() {
            256 => "EC_prime256v1".to_owned(),
            bits => format!("EC_secp{bits}r1"),
        },
        Ok(_) | Err(_) => key.algorithm.algorithm.to_id_string(),
    }
}

fn load_key(path: &Path, leaf: &CertificateDer<'static>) -> Result<PrivateKeyPem, FileProblem> {
    let text = read_text(path)?;
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(FileProblem::Encrypted);
    }
    let der = match PrivateKeyDer::from_pem_slice(text.as_bytes()) {
        Ok(der) => der,
        Err(rustls_pki_types::pem::Error::NoItemsFound) => return Err(FileProblem::NoKey),
        Err(error) => return Err(FileProblem::Pem(error.to_string())),
    };
    let key =
        rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| FileProblem::UnsupportedKey)?;
    CertifiedKey::new(vec![leaf.clone()], key).keys_match().map_err(|_| FileProblem::KeyMismatch)?;
    Ok(PrivateKeyPem(text))
}

fn fingerprint(der: &[u8]) -> String {
    Sha256::digest(der).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Writes DER as PEM, so that what is imported does not depend on the file's comments and line ends.
fn pem(der: &[u8]) -> String {
    let letters = BASE64_STANDARD.encode(der);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::provision::spec::CertificateStore;

    /// A certificate of its own making and its key, PEM.
    fn made() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["Chat.example.com", "*.chat.example.com"].map(str::to_owned);
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2040, 5, 6);
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn load(
        certificate: &str,
        key: &str,
        chain: Option<&str>,
    ) -> Result<LoadedCertificate, CertificateFilesError> {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        CertificateFiles {
            certificate: write("cert.pem", certificate),
            private_key: write("key.pem", key),
            chain: chain.map(|text| write("chain.pem", text)),
            store: CertificateStore::Acm,
        }
        .load()
    }

    fn refused(certificate: &str, key: &str, chain: Option<&str>) -> (FileRole, String) {
        let error = load(certificate, key, chain).unwrap_err();
        (error.role, error.problem.to_string())
    }

    #[test]
    fn a_pair_is_read() {
        let (certificate, key) = made();
        let loaded = load(&certificate, &key, None).unwrap();
        assert_eq!(loaded.domains, ["chat.example.com", "*.chat.example.com"]);
        assert_eq!(loaded.certificate_pem, certificate);
        assert_eq!(loaded.chain_pem, None);
        assert_eq!(loaded.leaf_fingerprint_sha256.len(), 64);
        assert_eq!(loaded.private_key.reveal(), key);
        assert_eq!(loaded.not_after.date().to_string(), "2040-05-06");
    }

    #[test]
    fn the_chain_may_stand_in_either_file() {
        let (certificate, key) = made();
        let both = format!("leaf\n{certificate}issuer\r\n{}", certificate.replace('\n', "\r\n"));
        let one = load(&both, &key, None).unwrap();
        let two = load(&certificate, &key, Some(&certificate)).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.chain_pem.as_deref(), Some(certificate.as_str()));
        assert_eq!(one.chain_fingerprints_sha256, std::slice::from_ref(&one.leaf_fingerprint_sha256));
    }

    #[test]
    fn a_key_is_never_shown() {
        let (certificate, key) = made();
        let shown = format!("{:?}", load(&certificate, &key, None).unwrap());
        assert!(shown.contains("PrivateKeyPem(***)") && !shown.contains("BEGIN PRIVATE"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (certificate, key) = made();
        let with_key = |text: &str| refused(&certificate, text, None);
        let (other, other_key) = made();
        let mismatch = (FileRole::PrivateKey, FileProblem::KeyMismatch.to_string());
        assert_eq!(with_key(&other_key), mismatch);
        assert_eq!(refused(&other, &key, None), mismatch);
        assert_eq!(with_key("-----BEGIN ENCRYPTED PRIVATE KEY-----").1, FileProblem::Encrypted.to_string());
        assert_eq!(with_key(&certificate).1, FileProblem::NoKey.to_string());
        let none = FileProblem::NoCertificate.to_string();
        assert_eq!(refused(&key, &key, None), (FileRole::Certificate, none.clone()));
        assert_eq!(refused(&certificate, &key, Some("")), (FileRole::Chain, none));
        let broken = certificate.replacen("MII", "MIJ", 1);
        assert!(refused(&broken, &key, None).1.starts_with("has a certificate that is not X.509"));
        let cut = certificate.replace("-----END CERTIFICATE-----", "");
        assert!(refused(&cut, &key, None).1.starts_with("has a broken PEM block"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let files = CertificateFiles {
            certificate: "nowhere/cert.pem".into(),
            private_key: "nowhere/key.pem".into(),
            chain: None,
            store: CertificateStore::Iam,
        };
        let error = files.load().unwrap_err();
        assert!(error.to_string().starts_with("nowhere/cert.pem: cannot be read: "), "{error}");
    }
}
