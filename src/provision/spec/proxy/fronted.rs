//! What must hold between the proxy and the load balancer in front of it, and among the proxy's addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{Accept, Bind, Proxy};
use crate::provision::spec::item::{Item, Read};
use crate::provision::spec::load_balancer::Front;
use crate::provision::spec::problem::{Problems, Refusal};

/// The proxy's section beside what stands in front of it.
pub(super) struct Fronted<'a> {
    pub(super) item: &'a Item,
    pub(super) front: &'a Front,
    pub(super) listen: &'a [Bind],
}

impl Fronted<'_> {
    /// Resolves `accept:`; the proxy expects the same on all of its ports, so the load balancer must send the
    /// same to all of them.
    pub(super) fn accept(&self, problems: &mut Problems) -> Read<Accept> {
        let reached: Vec<u16> = self
            .listen
            .iter()
            .map(|bind| bind.port)
            .filter(|port| self.front.listeners.iter().any(|listener| listener.instance_port == *port))
            .collect();
        if reached.is_empty() {
            let ports: BTreeSet<_> =
                self.front.listeners.iter().map(|listener| listener.instance_port).collect();
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            let refusal =
                Refusal::new("no listener of the load balancer forwards to a port that the proxy listens on")
                    .hint(format!("its instance ports are {}", ports.join(", ")));
            self.item.at("listen").report(problems, refusal);
        }
        let (with, without): (Vec<u16>, Vec<u16>) =
            reached.iter().partition(|port| self.front.proxy_protocol.contains(*port));
        if let (Some(with), Some(without)) = (with.first(), without.first()) {
            let refusal = Refusal::new(format!(
                "the load balancer sends a PROXY header to instance port {with} and none to {without}, \
                 but the proxy expects the same on both"
            ))
            .hint("name the ports that the proxy serves in proxy.listen, all of one kind");
            self.item.at("listen").report(problems, refusal);
        }
        let sent = if with.is_empty() { Accept::Off } else { Accept::V1 };
        let Some(asked) = self.item.text("accept")? else { return Ok(sent) };
        let accept = match asked {
            "v1" => Accept::V1,
            "v2" => Accept::V2,
            "any" => Accept::Any,
            _ => Accept::Off,
        };
        let fits =
            matches!((sent, accept), (Accept::Off, Accept::Off) | (Accept::V1, Accept::V1 | Accept::Any));
        if !fits && !reached.is_empty() {
            let sends = if with.is_empty() { "no PROXY header" } else { "a PROXY header of version 1" };
            let refusal =
                Refusal::new(format!("the load balancer sends {sends}, with {asked} every connection fails"))
                    .hint("remove accept, or change load_balancer.proxy_protocol");
            self.item.at("accept").report(problems, refusal);
        }
        Ok(accept)
    }

    /// Resolves `redirect_http:`, which needs somewhere to redirect to and a way to tell who came in where.
    pub(super) fn redirect_http(&self, problems: &mut Problems) -> Read<bool> {
        let secure = self.front.listeners.iter().any(|listener| listener.protocol.is_secure());
        let tells = self
            .front
            .listeners
            .iter()
            .all(|l| l.protocol.is_http() || self.front.proxy_protocol.contains(&l.instance_port));
        let asked = self.item.get("redirect_http");
        let redirect = asked.map_or(Ok(secure && tells), Item::as_boolean)?;
        if let Some(item) = asked.filter(|_| redirect) {
            if !secure {
                let refusal = Refusal::new("the load balancer has no ssl or https listener to redirect to")
                    .hint("give it a certificate and an ssl listener, or write false");
                item.report(problems, refusal);
            } else if !tells {
                let refusal = Refusal::new(
                    "without a PROXY header the proxy cannot tell http visitors from https ones",
                )
                .hint("set load_balancer.proxy_protocol: true, or write false");
                item.report(problems, refusal);
            }
        }
        Ok(redirect)
    }
}

/// Checks that the proxy's own addresses do not clash, and that no route leads back into it.
pub(super) fn check_addresses(item: &Item, proxy: &Proxy, problems: &mut Problems) {
    for bind in &proxy.listen {
        if bind.overlaps(&proxy.health) {
            let refusal = Refusal::new(format!(
                "the proxy serves visitors on {bind}, health needs an address of its own"
            ));
            item.at("health").report(problems, refusal.hint("the default is 8081"));
        }
    }
    let others = || proxy.listen.iter().chain([&proxy.health]);
    let clash = proxy.metrics.as_ref().and_then(|metrics| others().find(|other| other.overlaps(metrics)));
    if let Some(other) = clash {
        let refusal = Refusal::new(format!("{other} is taken already, metrics need an address of their own"));
        item.at("metrics").report(problems, refusal.hint("the default is 127.0.0.1:9145"));
    }
    for (at, route) in proxy.routes.iter().enumerate() {
        let Some(upstream) = loopback(&route.upstream) else { continue };
        if proxy.listen.iter().any(|bind| bind.overlaps(&upstream)) {
            let route_item = item.get("routes").and_then(|list| list.as_list().ok()?.get(at)).unwrap_or(item);
            let refusal =
                Refusal::new(format!("{} is the proxy itself, requests would go round", route.upstream))
                    .hint("name the address of the application");
            route_item.at("upstream").report(problems, refusal);
        }
    }
}

/// The upstream as an address of this host, if it is one.
fn loopback(upstream: &str) -> Option<Bind> {
    let address: SocketAddr = match upstream.strip_prefix("localhost:") {
        Some(port) => SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), port.parse().ok()?),
        None => upstream.parse().ok()?,
    };
    address.ip().is_loopback().then(|| Bind { address: Some(address.ip()), port: address.port() })
}
