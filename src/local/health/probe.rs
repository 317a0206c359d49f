//! One health check: TCP connects, SSL shakes hands, HTTP and HTTPS want `200` for a GET.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::local::state::elb::Protocol;

/// What is asked of an instance.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Where; an address that cannot be had fails every check.
    pub(super) address: Option<SocketAddr>,
    pub(super) protocol: Protocol,
    /// Of HTTP and HTTPS.
    pub(super) path: String,
}

impl Probe {
    /// Whether the instance passes, however long that takes: the caller sets the deadline.
    pub(super) async fn passes(&self) -> bool {
        let Some(address) = self.address else { return false };
        let Ok(stream) = TcpStream::connect(address).await else { return false };
        match self.protocol {
            Protocol::Tcp => true,
            Protocol::Http => self.answers(stream, address).await.unwrap_or(false),
            Protocol::Ssl => handshake(stream, address).await.is_ok(),
            Protocol::Https => match handshake(stream, address).await {
                Ok(stream) => self.answers(stream, address).await.unwrap_or(false),
                Err(_) => false,
            },
        }
    }

    async fn answers(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        address: SocketAddr,
    ) -> std::io::Result<bool> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: ELB-HealthChecker/1.0\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            self.path,
            address.ip()
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status).await?;
        Ok(status.starts_with(b"HTTP/1.") && status.ends_with(b" 200"))
    }
}

/// Shakes hands with an instance, whatever certificate it shows: a Classic load balancer checks none unless a
/// backend authentication policy says so.
pub(crate) async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    static CONNECTOR: LazyLock<Option<TlsConnector>> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Some(TlsConnector::from(Arc::new(config)))
    });
    let connector = CONNECTOR.as_ref().ok_or(std::io::ErrorKind::Unsupported)?;
    connector.connect(ServerName::IpAddress(address.ip().into()), stream).await
}

/// Accepts whatever certificate an instance shows, as a Classic load balancer does without a backend
/// authentication policy.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Serves one connection, with TLS or without, and answers what is asked with `answer`.
    async fn serve(acceptor: Option<TlsAcceptor>, answer: &'static str) -> SocketAddr {
        async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => respond(stream, answer).await,
                    Err(error) => panic!("{error}"),
                },
                None => respond(stream, answer).await,
            }
        });
        address
    }

    fn acceptor() -> TlsAcceptor {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["x".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    async fn passes(address: SocketAddr, protocol: Protocol) -> bool {
        Probe { address: Some(address), protocol, path: "/healthz".to_owned() }.passes().await
    }

    #[tokio::test]
    async fn http_wants_exactly_200() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 200 Fine\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", false),
            ("HTTP/1.1 301 Moved\r\n\r\n", false),
            ("SSH-2.0-x\r\n", false),
            ("", false),
        ] {
            assert_eq!(passes(serve(None, answer).await, Protocol::Http).await, expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn any_certificate_will_do() {
        assert!(passes(serve(Some(acceptor()), "").await, Protocol::Ssl).await);
        let address = serve(Some(acceptor()), "HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(passes(address, Protocol::Https).await);
        let address = serve(None, "HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(!passes(address, Protocol::Https).await, "no TLS there");
    }

    #[tokio::test]
    async fn tcp_wants_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(passes(address, Protocol::Tcp).await);
        drop(listener);
        assert!(!passes(address, Protocol::Tcp).await);
    }
}
