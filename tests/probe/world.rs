//! What is probed: ws-chat with and without TLS, and servers that answer as they are told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use elbws::demo::chat::Chat;
use elbws::probe::{Options, Outcome, Problem, Report, Trust, probe};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Starts ws-chat for as long as the test runs.
pub(crate) async fn chat() -> SocketAddr {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let chat = Chat::bind(any, any).await.unwrap();
    let address = chat.socket_address().unwrap();
    tokio::spawn(chat.serve(std::future::pending()));
    address
}

/// Answers every connection with these bytes after its request's head, then closes it.
pub(crate) async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// A front with TLS, as a load balancer's: what it decrypts goes to `backend`.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// The authority's certificate.
    pub(crate) ca: PathBuf,
    _directory: tempfile::TempDir,
}

impl Front {
    /// One for `domain`, whose certificate expires after so many days.
    pub(crate) async fn start(domain: &str, days: i64, backend: SocketAddr) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new(vec![domain.to_owned()]).unwrap();
        let now = time::OffsetDateTime::now_utc();
        leaf.not_before = now - time::Duration::days(90);
        leaf.not_after = now + time::Duration::days(days) + time::Duration::hours(1);
        let certificate = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, ca_certificate.pem()).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Clients that refuse the certificate leave here.
                    let Ok(mut client) = acceptor.accept(stream).await else { return };
                    let mut backend = TcpStream::connect(backend).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut backend).await;
                });
            }
        });
        Self { address, ca: path, _directory: directory }
    }
}

/// The options for a URL, and nothing more.
pub(crate) fn options(url: &str) -> Options {
    Options {
        target: url.parse().unwrap(),
        resolve: None,
        trust: Trust::System,
        hold: None,
        from_http: None,
        echo: None,
    }
}

/// Probes, and checks that what is told on the way is what is reported.
pub(crate) async fn run(options: &Options) -> Report {
    let mut told = Vec::new();
    let probing = probe(options, |step| told.push(step.name));
    let report = tokio::time::timeout(Duration::from_secs(30), probing).await.expect("within 30 s").unwrap();
    assert_eq!(told, report.steps.iter().map(|step| step.name).collect::<Vec<_>>());
    assert_eq!(report.steps.len(), 8);
    report
}

/// Probes what must fail, and returns why it did.
pub(crate) async fn failure(options: &Options) -> Problem {
    let report = run(options).await;
    let failed: Vec<_> =
        report.steps.iter().filter(|step| matches!(step.outcome, Outcome::Failed(_))).collect();
    assert_eq!(failed.len(), 1, "{report:?}");
    assert!(!report.passed());
    report.failure().unwrap().clone()
}
