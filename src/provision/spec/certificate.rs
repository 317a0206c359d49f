//! `certificate:`, what ssl, https and tls listeners present.

use std::path::PathBuf;

use serde::Serialize;

/// The default certificate and those that are served by SNI besides it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// The default certificate.
    pub source: CertificateSource,
    /// More certificates, served by SNI; always empty for a Classic load balancer, which has no SNI.
    pub additional: Vec<CertificateSource>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSource {
    /// An ACM certificate or an IAM server certificate that exists.
    Arn(String),
    /// The issued ACM certificate that covers this domain and expires last. Lower case.
    Domain(String),
    /// PEM files, imported and imported again when they change.
    Files(CertificateFiles),
}

/// PEM files of a certificate; paths are joined to the spec's folder already.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CertificateFiles {
    /// The certificate, optionally followed by its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The chain, when it stands in a file of its own.
    pub chain: Option<PathBuf>,
    /// Where it is imported to.
    pub store: CertificateStore,
}

/// Where certificate files are imported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateStore {
    /// AWS Certificate Manager.
    Acm,
    /// IAM server certificates.
    Iam,
}
