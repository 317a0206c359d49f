//! One health check: a connection, with a handshake and a request where those are asked for.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::newer;
use crate::local::state::elbv2::ProtocolVersion;

/// What is asked of a target.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    /// Where; an address that cannot be had fails every check.
    pub(super) address: Option<SocketAddr>,
    /// Whom the target sees, where that is not this machine's choice.
    pub(super) source: Option<Ipv4Addr>,
    /// What comes before all else: a PROXY header, or nothing.
    pub(super) preface: Vec<u8>,
    /// Whether there is a handshake.
    pub(super) secure: bool,
    /// What is asked then, if that was not enough.
    pub(super) request: Option<Request>,
}

/// A request, and which answers pass.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) version: ProtocolVersion,
    pub(super) path: String,
    /// `Host` and `User-Agent` as the checker words them.
    pub(super) host: String,
    pub(super) agent: &'static str,
    pub(super) codes: Vec<RangeInclusive<u16>>,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// An answer of another code than those that pass.
    Code(u16),
    /// Nothing in time.
    Timeout,
    /// No connection, or no answer that makes sense.
    Failed,
}

impl Probe {
    /// Asks the target, however long that takes: the caller sets the deadline.
    pub(super) async fn ask(&self) -> Outcome {
        self.attempt().await.unwrap_or(Outcome::Failed)
    }

    async fn attempt(&self) -> std::io::Result<Outcome> {
        let Some(address) = self.address else { return Ok(Outcome::Failed) };
        let mut stream = self.connect(address).await?;
        stream.write_all(&self.preface).await?;
        match (self.secure, &self.request) {
            (false, None) => Ok(Outcome::Passed),
            (false, Some(request)) => request.send(stream).await,
            (true, None) => handshake(stream, address, None).await.map(|_| Outcome::Passed),
            (true, Some(request)) => {
                let alpn = match request.version {
                    ProtocolVersion::Http1 => None,
                    ProtocolVersion::Http2 | ProtocolVersion::Grpc => Some("h2"),
                };
                request.send(handshake(stream, address, alpn).await?).await
            }
        }
    }

    async fn connect(&self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let Some(source) = self.source else { return TcpStream::connect(address).await };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        socket.connect(address).await
    }
}

impl Request {
    async fn send<S>(&self, stream: S) -> std::io::Result<Outcome>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let code = match self.version {
            ProtocolVersion::Http1 => self.ask(stream).await?,
            ProtocolVersion::Http2 => newer::status(self, stream).await,
            ProtocolVersion::Grpc => newer::grpc_status(self, stream).await,
        };
        Ok(match code {
            Some(code) if self.codes.iter().any(|range| range.contains(&code)) => Outcome::Passed,
            Some(code) => Outcome::Code(code),
            None => Outcome::Failed,
        })
    }

    /// The code of the answer in HTTP/1.
    async fn ask(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<Option<u16>> {
        let Self { path, host, agent, .. } = self;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut status = [0; "HTTP/1.1 200".len()];
        stream.read_exact(&mut status).await?;
        Ok(std::str::from_utf8(&status).ok().and_then(|status| {
            let (version, code) = status.split_once(' ')?;
            let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
            code.parse().ok().filter(|_| version.starts_with("HTTP/1.") && digits)
        }))
    }
}

/// The codes that a matcher names: `200`, `200,202` or `200-299`.
pub(super) fn codes(matcher: &str) -> Vec<RangeInclusive<u16>> {
    let ranges = matcher.split(',').filter_map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse().ok()?..=to.trim().parse().ok()?)
    });
    ranges.collect()
}

/// Shakes hands with a target, whatever certificate it shows: a Classic load balancer checks none unless a
/// backend authentication policy says so, and the others never do. One application protocol may be offered.
pub(crate) async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    alpn: Option<&str>,
) -> std::io::Result<TlsStream<TcpStream>> {
    static CONFIG: LazyLock<Option<ClientConfig>> = LazyLock::new(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        Some(config)
    });
    let mut config = CONFIG.clone().ok_or(std::io::ErrorKind::Unsupported)?;
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config)).connect(ServerName::IpAddress(address.ip().into()), stream).await
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

    async fn ask(address: SocketAddr, secure: bool, codes: &str) -> Outcome {
        let request = Request {
            version: ProtocolVersion::Http1,
            path: "/healthz".to_owned(),
            host: "x".to_owned(),
            agent: "test",
            codes: super::codes(codes),
        };
        let request = (!codes.is_empty()).then_some(request);
        let preface = Vec::new();
        Probe { address: Some(address), source: None, preface, secure, request }.ask().await
    }

    #[tokio::test]
    async fn the_code_decides_on_an_answer() {
        for (answer, codes, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", "200", Outcome::Passed),
            ("HTTP/1.0 200 Fine\r\n\r\n", "200", Outcome::Passed),
            ("HTTP/1.1 204 No Content\r\n\r\n", "200", Outcome::Code(204)),
            ("HTTP/1.1 204 No Content\r\n\r\n", "200-299", Outcome::Passed),
            ("HTTP/1.1 301 Moved\r\n\r\n", "200,301", Outcome::Passed),
            ("HTTP/1.1 301 Moved\r\n\r\n", "200,302", Outcome::Code(301)),
            ("HTTP/1.1 +20 Odd\r\n\r\n", "1-999", Outcome::Failed),
            ("SSH-2.0-x-y-z\r\n", "200", Outcome::Failed),
            ("", "200", Outcome::Failed),
        ] {
            assert_eq!(ask(serve(None, answer).await, false, codes).await, expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn any_certificate_will_do() {
        assert_eq!(ask(serve(Some(acceptor()), "").await, true, "").await, Outcome::Passed);
        let address = serve(Some(acceptor()), "HTTP/1.1 200 OK\r\n\r\n").await;
        assert_eq!(ask(address, true, "200").await, Outcome::Passed);
        let address = serve(None, "HTTP/1.1 200 OK\r\n\r\n").await;
        assert_eq!(ask(address, true, "200").await, Outcome::Failed, "no TLS there");
    }

    #[tokio::test]
    async fn tcp_wants_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(ask(address, false, "").await, Outcome::Passed);
        drop(listener);
        assert_eq!(ask(address, false, "").await, Outcome::Failed);
    }
}
