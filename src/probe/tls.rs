//! The TLS handshake, and what the certificate says, also where it is refused.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error as TlsError, InvalidMessage,
    ProtocolVersion, RootCertStore, SignatureScheme,
};
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::PATIENCE;
use super::outcome::{Finding, Problem};
use super::versions::TlsVersion;

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those of the authorities that this machine trusts.
    System,
    /// Those of the authorities in this PEM file, and no others.
    File(PathBuf),
    /// Those of the authorities in this PEM text, and no others.
    Pem(String),
}

/// There is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file is no PEM file of certificates.
    #[error("no certificate can be read from {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Option<rustls::pki_types::pem::Error>,
    },
    /// The text is no PEM text of certificates.
    #[error("no certificate can be read from the PEM text given")]
    Pem,
    /// The system has none.
    #[error("this machine has no trusted certificate authorities")]
    System,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Setup(#[from] TlsError),
}

impl Trust {
    /// Checks that the authorities can be read.
    pub fn check(&self) -> Result<(), TrustError> {
        roots(self).map(drop)
    }
}

/// Reads the authorities.
pub(super) fn roots(trust: &Trust) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::Pem(text) => {
            for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
                let certificate = certificate.map_err(|_| TrustError::Pem)?;
                roots.add(certificate).map_err(|_| TrustError::Pem)?;
            }
            if roots.is_empty() {
                return Err(TrustError::Pem);
            }
        }
        Trust::File(path) => {
            let refuse = |source| TrustError::File { path: path.clone(), source };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refuse(Some(error)))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| refuse(Some(error)))?;
                roots.add(certificate).map_err(|_| refuse(None))?;
            }
            if roots.is_empty() {
                return Err(refuse(None));
            }
        }
    }
    Ok(roots)
}

/// Does the handshake as a browser would, and reads the certificate.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    roots: RootCertStore,
) -> Result<(Finding, TlsStream<TcpStream>), Problem> {
    let failed = |error: TlsError| Problem::Handshake { error: error.to_string() };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    // Without any authority there is no verifier; then nothing is trusted.
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let inner = inner.build().map_err(|_| Problem::NotTrusted { issuer: "any authority".to_owned() })?;
    let verifier = Arc::new(Recorder { inner, leaf: Mutex::default() });
    let mut config = config(provider, Arc::clone(&verifier)).map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Problem::Handshake { error: error.to_string() })?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let result =
        timeout(PATIENCE, connecting).await.map_err(|_| Problem::Timeout { what: "the TLS handshake" })?;
    let leaf = verifier.leaf.lock().unwrap_or_else(PoisonError::into_inner).take();
    let certificate = leaf.as_deref().and_then(Certificate::read);
    let stream = result.map_err(|error| problem(&error, host, certificate.clone()))?;
    let connection = stream.get_ref().1;
    let certificate = certificate
        .ok_or_else(|| Problem::Handshake { error: "the certificate cannot be read".to_owned() })?;
    let finding = Finding::Tls {
        version: version(connection.protocol_version()).to_string(),
        cipher: connection.negotiated_cipher_suite().map(|suite| cipher(suite.suite())).unwrap_or_default(),
        subject: certificate.subject,
        names: certificate.names,
        issuer: certificate.issuer,
        expires: certificate.expires,
        days_left: (certificate.expires - OffsetDateTime::now_utc()).whole_days(),
    };
    Ok((finding, stream))
}

fn version(agreed: Option<ProtocolVersion>) -> TlsVersion {
    match agreed {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
        // The only other one that rustls speaks.
        _ => TlsVersion::Tls12,
    }
}

/// The name that IANA has registered; rustls has one of its own for those of TLS 1.3.
fn cipher(suite: CipherSuite) -> String {
    suite.as_str().map(|name| name.replacen("TLS13_", "TLS_", 1)).unwrap_or_default()
}

fn config(provider: Arc<CryptoProvider>, verifier: Arc<Recorder>) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// What a failed handshake means.
fn problem(error: &std::io::Error, host: &str, certificate: Option<Certificate>) -> Problem {
    let tls = error.get_ref().and_then(|error| error.downcast_ref::<TlsError>());
    let names = || certificate.clone().map(|certificate| certificate.names).unwrap_or_default();
    match tls {
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Problem::WrongName { host: host.to_owned(), names: names() },
        Some(TlsError::InvalidCertificate(
            error @ (CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }),
        )) => Problem::NotInForce { error: error.to_string() },
        // A bad signature is that of an authority which has the name of a trusted one, and another key: two
        // local AWSs, say.
        Some(TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        )) => Problem::NotTrusted { issuer: certificate.map(|found| found.issuer).unwrap_or_default() },
        Some(TlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => Problem::NoTls,
        Some(error) => Problem::Handshake { error: error.to_string() },
        None if is_end(error) => Problem::ClosedWithoutAnswer { to: "the TLS handshake" },
        None => Problem::Handshake { error: error.to_string() },
    }
}

fn is_end(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// What is told of a certificate.
#[derive(Debug, Clone)]
struct Certificate {
    subject: String,
    names: Vec<String>,
    issuer: String,
    expires: OffsetDateTime,
}

impl Certificate {
    fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let alternative = certificate.subject_alternative_name().ok().flatten();
        let names = alternative.map(|names| names.value.general_names.iter().filter_map(name).collect());
        Some(Self {
            subject: certificate.subject().to_string(),
            names: names.unwrap_or_default(),
            issuer: certificate.issuer().to_string(),
            expires: certificate.validity().not_after.to_datetime(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(std::net::IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(std::net::IpAddr::from));
            ip.ok().map(|ip| ip.to_string())
        }
        _ => None,
    }
}

/// Verifies as usual, and keeps the certificate, so that a refusal can name what was refused.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    leaf: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let mut leaf = self.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        *leaf = Some(end_entity.clone().into_owned());
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
