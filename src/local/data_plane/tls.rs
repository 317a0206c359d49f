//! TLS towards clients: the listener's certificates, and what its policy allows.
//!
//! rustls has neither what is older than TLS 1.2 nor suites without forward secrecy, so that of a policy's
//! suites the ECDHE ones with GCM are served, and those of TLS 1.3.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256,
    TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::Acceptor;
use rustls::sign::CertifiedKey;
use rustls::{
    NamedGroup, ProtocolVersion, ServerConfig, ServerConnection, SignatureScheme, SupportedCipherSuite,
};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::local::certificate::{Facts, KeyPair};

/// The suites that there are, by AWS's names, in the order of its policies.
static SUITES: [(&str, SupportedCipherSuite); 7] = [
    ("TLS_AES_128_GCM_SHA256", TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", TLS13_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// What a secure listener shows and allows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    /// Certificates by ARN; the first is for clients that ask for no name that another has.
    pub(super) certificates: Vec<(String, KeyPair)>,
    /// By AWS's names.
    pub(super) suites: Vec<&'static str>,
    pub(super) server_order: bool,
    /// The application protocols that are offered, the preferred one first.
    pub(super) alpn: Vec<&'static str>,
}

/// What a handshake agreed on.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    /// AWS's name of the suite.
    pub(super) cipher: Option<&'static str>,
    /// `TLSv1.2` and the like.
    pub(super) version: &'static str,
    /// The group of the key exchange, as IANA's registry of TLS Supported Groups names it.
    pub(super) key_exchange: Option<&'static str>,
    pub(super) alpn: Option<String>,
    /// The name that the client asked for.
    pub(super) server_name: Option<String>,
    /// The ARN of the certificate that it was shown.
    pub(super) certificate: String,
    pub(super) took: Duration,
}

/// Why no handshake can be offered.
#[derive(Debug, thiserror::Error)]
pub(super) enum TermsError {
    /// Nothing in common.
    #[error(
        "its policy allows no protocol and cipher that the local AWS has (TLS 1.2 with ECDHE and GCM, or TLS 1.3)"
    )]
    Nothing,
    /// There is no certificate.
    #[error("it has no certificate")]
    NoCertificate,
    /// The stored PEM is not what it was.
    #[error("its certificate or key cannot be read")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// rustls will not have it.
    #[error("its certificate cannot be served")]
    Rustls(#[from] rustls::Error),
}

/// The names of the suites of a version of TLS.
pub(super) fn suites(
    version: &'static rustls::SupportedProtocolVersion,
) -> impl Iterator<Item = &'static str> {
    SUITES.iter().filter(move |(_, suite)| suite.version() == version).map(|(name, _)| *name)
}

/// A certificate that can be shown.
#[derive(Debug)]
struct Offer {
    arn: String,
    facts: Facts,
    key: CertifiedKey,
    config: Arc<ServerConfig>,
}

/// What the terms come to.
#[derive(Debug)]
pub(super) struct Offers(Vec<Offer>);

impl Terms {
    fn offers(&self) -> Result<Offers, TermsError> {
        let chosen = SUITES.iter().filter(|(name, _)| self.suites.contains(name));
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites = chosen.map(|(_, suite)| *suite).collect();
        if provider.cipher_suites.is_empty() {
            return Err(TermsError::Nothing);
        }
        let provider = Arc::new(provider);
        let offers = self.certificates.iter().map(|(arn, key_pair)| self.offer(arn, key_pair, &provider));
        let offers = offers.collect::<Result<Vec<_>, _>>()?;
        if offers.is_empty() { Err(TermsError::NoCertificate) } else { Ok(Offers(offers)) }
    }

    fn offer(
        &self,
        arn: &str,
        key_pair: &KeyPair,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Offer, TermsError> {
        let chain = key_pair.chain.as_deref().unwrap_or_default();
        let certificates = CertificateDer::pem_slice_iter(key_pair.body.as_bytes())
            .chain(CertificateDer::pem_slice_iter(chain.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(key_pair.private_key.as_bytes())?;
        let certified = CertifiedKey::from_der(certificates.clone(), key.clone_key(), provider)?;
        let mut versions: Vec<&rustls::SupportedProtocolVersion> = Vec::new();
        for suite in &provider.cipher_suites {
            if !versions.contains(&suite.version()) {
                versions.push(suite.version());
            }
        }
        let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&versions)?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        config.ignore_client_order = self.server_order;
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let facts = key_pair.facts.clone();
        Ok(Offer { arn: arn.to_owned(), facts, key: certified, config: Arc::new(config) })
    }
}

impl Offers {
    /// Shakes hands with a client.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> std::io::Result<(TlsStream<TcpStream>, Handshake)> {
        let begun = Instant::now();
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let (offer, server_name) = {
            let hello = start.client_hello();
            let name = hello.server_name();
            (self.choose(name, hello.signature_schemes()), name.map(str::to_owned))
        };
        let Some(offer) = offer else { return Err(std::io::ErrorKind::NotFound.into()) };
        let stream = start.into_stream(Arc::clone(&offer.config)).await?;
        let agreed = stream.get_ref().1;
        let handshake = Handshake {
            cipher: suite_name(agreed),
            version: match agreed.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            key_exchange: agreed.negotiated_key_exchange_group().and_then(|group| group_name(group.name())),
            alpn: agreed.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            server_name,
            certificate: offer.arn.clone(),
            took: begun.elapsed(),
        };
        Ok((stream, handshake))
    }

    /// The certificate for a name: of those that have it, rather than a wildcard for it, that which the client
    /// can check and AWS would prefer (ECDSA, the longer key, the later end). The default one if none has it.
    ///
    /// <https://aws.amazon.com/blogs/aws/new-application-load-balancer-sni/>
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Offer> {
        let default = self.0.first();
        let Some(name) = name else { return default };
        let usable = |offer: &&Offer| offer.key.key.choose_scheme(schemes).is_some();
        let mut best: Option<&Offer> = None;
        for offer in self.0.iter().filter(usable) {
            let rank = offer.rank(name);
            if rank > best.and_then(|best| best.rank(name)) {
                best = Some(offer);
            }
        }
        best.or(default)
    }
}

/// How well a certificate fits; the greater, the better.
type Rank = (bool, bool, u32, time::OffsetDateTime);

impl Offer {
    fn rank(&self, name: &str) -> Option<Rank> {
        let facts = &self.facts;
        let mut names = facts.names.iter().chain(&facts.common_name);
        let exact = names.clone().any(|own| own.eq_ignore_ascii_case(name));
        let fits = exact || names.any(|own| covers(own, name));
        let digits: String = facts.key_algorithm.chars().filter(char::is_ascii_digit).collect();
        let is_elliptic = facts.key_algorithm.starts_with("EC");
        // `EC_prime256v1` and `EC_secp384r1` end in a version.
        let length = digits.get(..digits.len().min(if is_elliptic { 3 } else { 5 }));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        fits.then_some((exact, is_elliptic, length, facts.not_after))
    }
}

/// Whether a wildcard is for a name: it stands for the first label alone.
fn covers(pattern: &str, name: &str) -> bool {
    let rest = pattern.strip_prefix("*.");
    let parent = name.split_once('.').map(|(_, parent)| parent);
    rest.zip(parent).is_some_and(|(rest, parent)| rest.eq_ignore_ascii_case(parent))
}

/// AWS's name of the suite that a handshake agreed on.
fn suite_name(connection: &ServerConnection) -> Option<&'static str> {
    let agreed = connection.negotiated_cipher_suite()?;
    SUITES.iter().find(|(_, suite)| *suite == agreed).map(|(name, _)| *name)
}

/// IANA's name of a key exchange group that rustls may agree on.
fn group_name(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519 => Some("x25519"),
        NamedGroup::secp256r1 => Some("secp256r1"),
        NamedGroup::secp384r1 => Some("secp384r1"),
        _ => None,
    }
}

/// What was last made of a listener's terms.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Terms, Arc<Offers>)>>);

impl Cache {
    /// What is made of these terms; made anew when they are others than the last.
    pub(super) fn offers(&self, terms: &Terms) -> Result<Arc<Offers>, TermsError> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, offers)) = &*cached
            && of == terms
        {
            return Ok(Arc::clone(offers));
        }
        let offers = Arc::new(terms.offers()?);
        *cached = Some((terms.clone(), Arc::clone(&offers)));
        Ok(offers)
    }
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (pattern, name, expected) in [
            ("*.example.com", "chat.example.com", true),
            ("*.EXAMPLE.com", "chat.example.COM", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.chat.example.com", false),
            ("chat.example.com", "chat.example.com", false),
        ] {
            assert_eq!(covers(pattern, name), expected, "{pattern} {name}");
        }
    }
}
