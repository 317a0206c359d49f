//! What a load balancer of any type offers to the proxy behind it.

use std::collections::BTreeSet;

use crate::provision::spec::Seconds;
use crate::provision::spec::proxy::Bind;

/// The load balancer as the proxy sees it, known before the rest of either is read.
#[derive(Debug)]
pub(in crate::provision::spec) struct Front {
    pub(in crate::provision::spec) listeners: Vec<FrontListener>,
    /// The instance ports that get a PROXY header.
    pub(in crate::provision::spec) header: BTreeSet<u16>,
    pub(in crate::provision::spec) sends: Sends,
}

impl Front {
    /// Returns the ports that visitors are forwarded to, each once, in ascending order.
    pub(in crate::provision::spec) fn instance_ports(&self) -> BTreeSet<u16> {
        self.listeners.iter().flat_map(|listener| &listener.instance_ports).copied().collect()
    }
}

/// A listener as far as the proxy cares.
#[derive(Debug)]
pub(in crate::provision::spec) struct FrontListener {
    pub(in crate::provision::spec) port: u16,
    /// Whether visitors speak TLS to it.
    pub(in crate::provision::spec) secure: bool,
    /// Whether it is of the HTTP layer, so that it adds `X-Forwarded-*`.
    pub(in crate::provision::spec) http: bool,
    /// The ports it forwards to; none where it answers by itself.
    pub(in crate::provision::spec) instance_ports: BTreeSet<u16>,
    /// How long a connection may be silent.
    pub(in crate::provision::spec) idle: Seconds,
}

/// How the load balancer tells who the visitor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provision::spec) enum Sends {
    /// PROXY protocol version 1.
    V1,
    /// PROXY protocol version 2.
    V2,
    /// `X-Forwarded-*` alone.
    Forwarded,
}

/// Who answers on the instances, as far as the load balancer's defaults depend on it.
#[derive(Debug)]
pub(in crate::provision::spec) enum Behind {
    /// Programs that we know nothing of.
    Unknown,
    /// The bundled proxy.
    Proxy {
        /// Where it answers health checks.
        health: Bind,
        /// The ports that it serves; none where they are those of the load balancer.
        listen: Option<BTreeSet<u16>>,
    },
}

impl Behind {
    /// Returns the port that targets are reached on where the spec names none.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Proxy { listen: Some(ports), .. } => ports.first().copied().unwrap_or(80),
            Self::Proxy { listen: None, .. } | Self::Unknown => 80,
        }
    }

    /// Returns where the proxy answers health checks, if it serves any of `ports`.
    pub(super) fn health_of(&self, ports: &BTreeSet<u16>) -> Option<&Bind> {
        match self {
            Self::Proxy { health, listen } => {
                let serves = listen.as_ref().is_none_or(|served| !served.is_disjoint(ports));
                serves.then_some(health)
            }
            Self::Unknown => None,
        }
    }
}
