//! WebSockets: what a handshake needs, and the bytes that follow it.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Parts as Released, Upgraded};
use hyper::{Method, Version};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::local::data_plane::access_log::Record;
use crate::local::data_plane::backend::Target;
use crate::local::data_plane::http::Visit;
use crate::local::data_plane::http::pool::Lease;
use crate::local::data_plane::link::Link;
use crate::proxy::tunnel::Relay;

/// How long either end may take to hand its connection over; both have nothing left to wait for.
const HANDOVER: Duration = Duration::from_secs(10);

/// A handshake that the target has agreed to.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) backend: OnUpgrade,
    pub(super) target: Target,
    /// The request counts as outstanding as long as the WebSocket is open.
    pub(super) lease: Lease,
    /// Written when it has ended.
    pub(super) record: Option<Record>,
}

/// Whether a request wants to become a WebSocket.
pub(super) fn is_wanted(request: &Parts) -> bool {
    let lists = |name, word: &str| {
        let values = request.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|member| member.trim().eq_ignore_ascii_case(word))
    };
    request.method == Method::GET
        && request.version == Version::HTTP_11
        && lists(CONNECTION, "upgrade")
        && lists(UPGRADE, "websocket")
}

/// Puts back what was taken out as the concern of one connection.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

impl Tunnel {
    /// Carries the WebSocket to its end.
    pub(super) async fn run(self, visit: &Visit) {
        let Self { client, backend, target, lease, mut record } = self;
        let both = timeout(HANDOVER, async { tokio::try_join!(client, backend) }).await;
        let Ok(Ok((client, backend))) = both else { return };
        let (Some(client), Some(backend)) = (release(client), release(backend)) else { return };
        let registration = visit.plane.connections.register(&visit.front, &target, false);
        let (to_backend, to_client) = (client.read_buf.to_vec(), backend.read_buf.to_vec());
        let (client, backend) = (client.io.into_inner(), backend.io.into_inner());
        let ended = Relay::new(client, backend, to_backend, to_client, registration).await;
        if let Some(record) = &mut record {
            record.received += ended.up;
            record.sent += ended.down;
        }
        drop(lease);
    }
}

fn release(upgraded: Upgraded) -> Option<Released<TokioIo<Link>>> {
    upgraded.downcast().ok()
}
