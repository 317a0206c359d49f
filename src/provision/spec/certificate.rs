//! `certificate:`, what ssl, https and tls listeners present.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::item::{Invalid, Item, Read};
use super::shape::{Choice, Field, Kind, Need, Object};
use super::text;

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

const ONE: Need =
    Need::ExactlyOne(&["arn", "domain", "files"], "for example certificate: { domain: chat.example.com }");

const ARN: Field =
    Field::new("arn", Kind::Text(&text::CERTIFICATE_ARN), "An ACM certificate or an IAM server certificate.");
const DOMAIN: Field = Field::new(
    "domain",
    Kind::Text(&text::DOMAIN),
    "The issued ACM certificate that covers this domain, wildcards included, and expires last.",
);
const FILES: Field = Field::new(
    "files",
    Kind::Object(&FILES_OBJECT),
    "PEM files, imported, and imported again when they change.",
);

pub(super) static CERTIFICATE: Object = Object {
    name: "certificate",
    need: ONE,

    fields: &[
        ARN,
        DOMAIN,
        FILES,
        Field::new(
            "additional",
            Kind::List { of: &Kind::Object(&ADDITIONAL), min: 0, max: 25 },
            "More certificates of the same forms, served by SNI; a Classic load balancer has no SNI.",
        ),
    ],
};

static ADDITIONAL: Object =
    Object { name: "additional_certificate", need: ONE, fields: &[ARN, DOMAIN, FILES] };

static FILES_OBJECT: Object = Object {
    name: "certificate_files",
    need: Need::Nothing,

    fields: &[
        Field::new(
            "certificate",
            Kind::Text(&text::FILE),
            "The certificate, optionally followed by its chain.",
        )
        .required(),
        Field::new("private_key", Kind::Text(&text::FILE), "Its private key, not encrypted.").required(),
        Field::new("chain", Kind::Text(&text::FILE), "The chain, when it stands in a file of its own."),
        Field::new("store", Kind::Choice(&STORE), "Where the files are imported to.").default("acm"),
    ],
};

static STORE: Choice = Choice { values: &["acm", "iam"], hints: &[] };

pub(super) fn decode(item: &Item, base_dir: &Path) -> Read<Certificate> {
    let source = source(item, base_dir);
    let additional: Vec<_> = match item.get("additional") {
        None => Vec::new(),
        Some(list) => list.as_list()?.iter().map(|item| self::source(item, base_dir)).collect(),
    };
    Ok(Certificate { source: source?, additional: additional.into_iter().collect::<Read<_>>()? })
}

fn source(item: &Item, base_dir: &Path) -> Read<CertificateSource> {
    if let Some(arn) = item.text("arn")? {
        return Ok(CertificateSource::Arn(arn.to_owned()));
    }
    if let Some(domain) = item.text("domain")? {
        return Ok(CertificateSource::Domain(domain.to_ascii_lowercase()));
    }
    let files = item.get("files").ok_or(Invalid)?;
    let path = |name| Ok(files.text(name)?.map(|path| base_dir.join(path)));
    Ok(CertificateSource::Files(CertificateFiles {
        certificate: path("certificate")?.ok_or(Invalid)?,
        private_key: path("private_key")?.ok_or(Invalid)?,
        chain: path("chain")?,
        store: match files.text("store")? {
            Some("iam") => CertificateStore::Iam,
            Some(_) | None => CertificateStore::Acm,
        },
    }))
}
