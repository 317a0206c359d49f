//! TLS towards clients: the listener's certificate, and what its negotiation policy allows.
//!
//! Classic load balancers speak TLS 1.2 at most. rustls has neither what is older nor suites without forward
//! secrecy, so that of a policy's suites the ECDHE ones with GCM are served.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, SupportedCipherSuite};

use crate::local::certificate::KeyPair;
use crate::local::state::elb::{Listener, LoadBalancer};

const NEGOTIATION: &str = "SSLNegotiationPolicyType";

/// The suites that there are, by AWS's names, in the order of its policies.
static SUITES: [(&str, SupportedCipherSuite); 4] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
];

/// AWS's name of the suite that a handshake agreed on.
pub(super) fn suite_name(connection: &ServerConnection) -> Option<&'static str> {
    let agreed = connection.negotiated_cipher_suite()?;
    SUITES.iter().find(|(_, suite)| *suite == agreed).map(|(name, _)| *name)
}

/// What a secure listener shows and allows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    key_pair: KeyPair,
    /// By AWS's names; empty where the policy does not allow TLS 1.2.
    suites: Vec<&'static str>,
    server_order: bool,
}

/// Why no handshake can be offered.
#[derive(Debug, thiserror::Error)]
pub(super) enum TermsError {
    /// Nothing in common.
    #[error(
        "its negotiation policy allows no protocol and cipher that the local AWS has (TLS 1.2 with ECDHE and GCM)"
    )]
    Nothing,
    /// The stored PEM is not what it was.
    #[error("its certificate or key cannot be read")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// rustls will not have it.
    #[error("its certificate cannot be served")]
    Rustls(#[from] rustls::Error),
}

impl Terms {
    /// Those of a listener with that certificate.
    pub(super) fn of(load_balancer: &LoadBalancer, listener: &Listener, key_pair: &KeyPair) -> Self {
        let policies = listener.policies.iter().filter_map(|name| load_balancer.policies.get(name));
        let mut negotiation = policies.filter(|policy| policy.type_name == NEGOTIATION);
        let policy = negotiation.next();
        let allows = |name: &str| {
            policy.is_some_and(|policy| {
                policy
                    .attributes
                    .iter()
                    .any(|attribute| attribute.name == name && attribute.value.eq_ignore_ascii_case("true"))
            })
        };
        let mut suites: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
        suites.retain(|name| allows("Protocol-TLSv1.2") && allows(name));
        Self { key_pair: key_pair.clone(), suites, server_order: allows("Server-Defined-Cipher-Order") }
    }

    fn config(&self) -> Result<Arc<ServerConfig>, TermsError> {
        let suites = SUITES.iter().filter(|(name, _)| self.suites.contains(name));
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites = suites.map(|(_, suite)| *suite).collect();
        if provider.cipher_suites.is_empty() {
            return Err(TermsError::Nothing);
        }
        let chain = self.key_pair.chain.as_deref().unwrap_or_default();
        let certificates = CertificateDer::pem_slice_iter(self.key_pair.body.as_bytes())
            .chain(CertificateDer::pem_slice_iter(chain.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pair.private_key.as_bytes())?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(certificates, key)?;
        config.ignore_client_order = self.server_order;
        Ok(Arc::new(config))
    }
}

/// The configuration that was last made for a listener.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Option<(Terms, Arc<ServerConfig>)>>);

impl Cache {
    /// The configuration for these terms; made anew when they are others than the last.
    pub(super) fn config(&self, terms: &Terms) -> Result<Arc<ServerConfig>, TermsError> {
        let mut cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, config)) = &*cached
            && of == terms
        {
            return Ok(Arc::clone(config));
        }
        let config = terms.config()?;
        *cached = Some((terms.clone(), Arc::clone(&config)));
        Ok(config)
    }
}
