//! TCP and SSL listeners: bytes from the client to one instance and back, behind a PROXY header where the
//! instance port has that policy.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::route::Route;
use crate::local::data_plane::access_log::Record;
use crate::local::data_plane::backend::{self, Target};
use crate::local::data_plane::link::Link;
use crate::local::data_plane::listener::Client;
use crate::proxy::proxy_protocol::{Addresses, encode_v1};
use crate::proxy::tunnel::Relay;

/// How long an instance may take to make room for the header of a new connection.
const HEADER: Duration = Duration::from_secs(10);

/// Carries a connection to its end.
pub(in crate::local::data_plane) async fn serve(client: Client) {
    let turn = client.shared.turn.fetch_add(1, Ordering::Relaxed);
    let route = Route::of(&client.plane.account.lock(), &client.front, turn);
    // A listener that is gone takes this task along.
    let Ok(route) = route else { return };
    let mut record = Record::new(&client.plane, &client.front, client.address, client.handshake.as_ref());
    let Some((mut backend, target)) = connect(&client, &route, turn).await else { return };
    record.dispatch(&target);
    if route.proxy_protocol {
        let addresses = Addresses { source: client.address, destination: client.destination };
        let header = encode_v1(Some(&addresses));
        if !matches!(timeout(HEADER, backend.write_all(&header)).await, Ok(Ok(()))) {
            return;
        }
    }
    let registration = client.plane.connections.register(&client.front, &target, false);
    let (from_backend, to_client) = (backend.marks(), client.link.marks());
    let ended = Relay::new(client.link, backend, Vec::new(), Vec::new(), registration).await;
    (record.received, record.sent) = (ended.up, ended.down);
    record.times.answered = from_backend.read.get().copied();
    record.times.returned = to_client.written.get().copied();
}

/// Goes round the instances in service, and on to the next where one cannot be reached.
async fn connect(client: &Client, route: &Route, turn: usize) -> Option<(Link, Target)> {
    let name = &client.front.name;
    if route.targets.is_empty() {
        client.plane.say(format!(
            "load balancer {name} closes a connection to port {}: no instance is in service that a rule lets it reach",
            client.front.port
        ));
    }
    let first = turn / route.nodes;
    for step in 0..route.targets.len() {
        let target = &route.targets[first.wrapping_add(step) % route.targets.len()];
        match backend::connect(route.way, target).await {
            Ok(link) => return Some((link, target.clone())),
            Err(error) => client.plane.say(format!(
                "load balancer {name} cannot connect to {} at {}: {error}",
                target.id, target.address
            )),
        }
    }
    None
}
