//! What load balancers that understand HTTP share: bodies on their way, connections to targets that are kept,
//! and the fields of one connection. Which target a request goes to, and what is answered where there is none,
//! differs between them.

pub(super) mod body;
pub(super) mod dispatch;
pub(super) mod header;
pub(super) mod occupancy;
pub(super) mod pool;

use std::net::SocketAddr;
use std::sync::Arc;

use super::Plane;
use super::front::Front;
use super::listener::Shared;
use super::tls::Handshake;

/// What an exchange needs to know of the connection that its request came by.
pub(super) struct Visit {
    pub(super) client: SocketAddr,
    pub(super) handshake: Option<Handshake>,
    pub(super) front: Front,
    pub(super) shared: Arc<Shared>,
    pub(super) plane: Arc<Plane>,
}

impl Visit {
    /// What the client's connection speaks.
    pub(super) fn scheme(&self) -> &'static str {
        if self.front.is_secure() { "https" } else { "http" }
    }
}
