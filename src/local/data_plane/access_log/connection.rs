//! Connection logs of Application Load Balancers: a line for each client that got in.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html>

use std::net::SocketAddr;

use super::{Bucket, append, stamp};
use crate::local::data_plane::Plane;
use crate::local::data_plane::front::{Family, Front};
use crate::local::data_plane::tls::Handshake;

/// Writes the line of a connection that was accepted just now, if the load balancer logs it.
pub(in crate::local::data_plane) fn write(
    plane: &Plane,
    front: &Front,
    client: SocketAddr,
    handshake: Option<&Handshake>,
    id: &str,
) {
    let Some(directory) = &plane.access_logs else { return };
    let Family::Application { listener, .. } = &front.family else { return };
    let entry = {
        let inner = plane.account.lock();
        let region = inner.state.regions.get(&front.region);
        let found = region.and_then(|region| region.elbv2.listener(listener));
        let now = inner.clock.now();
        found.and_then(|(load_balancer, _)| {
            let bucket = Bucket::of("connection_logs", "conn_log_", load_balancer)?;
            Some((bucket.path(directory, front, now)?, line(front.port, client, handshake, id, &stamp(now))))
        })
    };
    let Some((path, line)) = entry else { return };
    if let Err(error) = append(&path, &line) {
        plane.say(format!("cannot write the connection log {}: {error}", path.display()));
    }
}

fn line(port: u16, client: SocketAddr, handshake: Option<&Handshake>, id: &str, now: &str) -> String {
    let (version, cipher, took, status) = match handshake {
        Some(agreed) => {
            let took = format!("{:.3}", agreed.took.as_secs_f64());
            (agreed.version, agreed.cipher.unwrap_or("-"), took, "Success")
        }
        None => ("-", "-", "-".to_owned(), "-"),
    };
    let (ip, from) = (client.ip(), client.port());
    // No certificate is asked of clients.
    format!("{now} {ip} {from} {port} {version} {cipher} {took} \"-\" - - {status} {id}\n")
}
