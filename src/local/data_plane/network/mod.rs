//! Network Load Balancers: connections over TCP, with or without TLS, to one target each.

mod route;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::atomic::Ordering;

use self::route::{Route, agreed};
pub(super) use self::route::{enter, tenure};
use super::access_log::Record;
use super::backend::{self, Target, Way};
use super::group::Member;
use super::listener::Client;
use crate::local::proxy_header;
use crate::proxy::stream::Transport as _;
use crate::proxy::tunnel::Relay;

/// Carries a connection to its end. What the target refuses, the client is refused too: the load balancer does
/// not try another one.
pub(super) async fn serve(client: Client) {
    let turn = client.shared.turn.fetch_add(1, Ordering::Relaxed);
    let route = Route::of(&client.plane.account.lock(), &client.front, client.address.ip(), turn);
    // A listener that is gone takes this task along.
    let Ok(route) = route else { return };
    let (name, port) = (&client.front.name, client.front.port);
    let Some(Member { target, healthy, .. }) = choose(&route, client.address.ip(), turn) else {
        client.plane.say(format!(
            "load balancer {name} closes a connection to port {port}: there is no target that a rule lets it reach"
        ));
        client.link.abort();
        return;
    };
    // What the client speaks, a target that has TLS is offered.
    let alpn = client.handshake.as_ref().and_then(|handshake| agreed(handshake.alpn.as_deref()?));
    let mut backend = match backend::connect(Way { alpn, ..route.way }, target).await {
        Ok(backend) => backend,
        Err(error) => {
            let Target { id, address, .. } = target;
            client.plane.say(format!("load balancer {name} cannot connect to {id} at {address}: {error}"));
            client.link.abort();
            return;
        }
    };
    if route.proxy_protocol {
        // With the client's first bytes, and not before.
        backend.begin_with(proxy_header::of_client(client.address, client.destination));
    }
    let registration = client.plane.connections.register(&client.front, target, !healthy);
    // Only connections with TLS are logged.
    let handshake = client.handshake.as_ref();
    let mut record =
        handshake.map(|agreed| Record::new(&client.plane, &client.front, client.address, Some(agreed)));
    if let Some(record) = &mut record {
        record.destination = Some(client.destination);
    }
    let ended = Relay::new(client.link, backend, Vec::new(), Vec::new(), registration).await;
    if let Some(record) = &mut record {
        (record.received, record.sent) = (ended.up, ended.down);
    }
}

/// Whose turn it is; or, with stickiness, always the same one for a client as long as that one is there.
fn choose(route: &Route, client: IpAddr, turn: usize) -> Option<&Member> {
    let members = &route.members;
    if route.sticky {
        // The one with the highest draw, so that others leaving or coming seldom changes it.
        return members.iter().max_by_key(|Member { target, .. }| {
            let mut hasher = DefaultHasher::new();
            (client, &target.id, target.port).hash(&mut hasher);
            hasher.finish()
        });
    }
    members.get((turn / route.nodes) % members.len().max(1))
}
