//! What must hold between the proxy and the load balancer in front of it, and among the proxy's addresses.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::{Accept, Bind, Proxy};
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::{Front, FrontListener, Sends};
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
        let ports = self.front.instance_ports();
        let reached: Vec<u16> =
            self.listen.iter().map(|bind| bind.port).filter(|port| ports.contains(port)).collect();
        if reached.is_empty() {
            let refusal =
                Refusal::new("no listener of the load balancer forwards to a port that the proxy listens on");
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            let refusal = match ports.as_slice() {
                [] => refusal.hint("write proxy: false"),
                ports => refusal.hint(format!("its instance ports are {}", ports.join(", "))),
            };
            self.item.at("listen").report(problems, refusal);
        }
        let (with, without): (Vec<u16>, Vec<u16>) =
            reached.iter().partition(|port| self.front.header.contains(*port));
        if let (Some(with), Some(without)) = (with.first(), without.first()) {
            let refusal = Refusal::new(format!(
                "the load balancer sends a PROXY header to instance port {with} and none to {without}, \
                 but the proxy expects the same on both"
            ))
            .hint("name the ports that the proxy serves in proxy.listen, all of one kind");
            self.item.at("listen").report(problems, refusal);
        }
        let (sent, version) = match (with.is_empty(), self.front.sends) {
            (true, _) | (false, Sends::Forwarded) => (Accept::Off, "no PROXY header"),
            (false, Sends::V1) => (Accept::V1, "a PROXY header of version 1"),
            (false, Sends::V2) => (Accept::V2, "a PROXY header of version 2"),
        };
        let Some(asked) = self.item.text("accept")? else { return Ok(sent) };
        let accept = match asked {
            "v1" => Accept::V1,
            "v2" => Accept::V2,
            "any" => Accept::Any,
            _ => Accept::Off,
        };
        let fits = accept == sent || (accept == Accept::Any && sent != Accept::Off);
        if !fits && !reached.is_empty() {
            let hint = match self.front.sends {
                Sends::Forwarded => "remove accept: the visitor's address is in X-Forwarded-For",
                Sends::V1 | Sends::V2 => "remove accept, or change load_balancer.proxy_protocol",
            };
            let refusal = Refusal::new(format!(
                "the load balancer sends {version}, with {asked} every connection fails"
            ))
            .hint(hint);
            self.item.at("accept").report(problems, refusal);
        }
        Ok(accept)
    }

    /// Resolves `redirect_http:`, which needs somewhere to redirect to and a way to tell who came in where.
    pub(super) fn redirect_http(&self, problems: &mut Problems) -> Read<bool> {
        let listeners = &self.front.listeners;
        let secure = listeners.iter().any(|listener| listener.secure);
        let tells = listeners.iter().all(|l| l.http || l.instance_ports.is_subset(&self.front.header));
        // Where the load balancer redirects by itself nobody comes to the proxy over plain http.
        let needed = listeners.iter().any(|l| !l.secure && !l.instance_ports.is_empty())
            || self.front.sends != Sends::Forwarded;
        let asked = self.item.get("redirect_http");
        let redirect = asked.map_or(Ok(secure && tells && needed), Item::as_boolean)?;
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

    /// Resolves `ping_interval:`, which must come before the load balancer cuts what is silent.
    pub(super) fn ping_interval(&self, problems: &mut Problems) -> Read<Option<Seconds>> {
        let shortest = self.front.listeners.iter().map(|listener| listener.idle).min();
        let by_default = shortest.map(|idle| Seconds((idle.get() / 3).clamp(1, MAX_PING.get())));
        match self.item.get("ping_interval").map(|item| (item, &item.value)) {
            None | Some((_, Value::Boolean(true))) => Ok(by_default),
            Some((_, Value::Boolean(false))) => Ok(None),
            Some((item, _)) => {
                let interval = item.as_seconds()?;
                if let Some(idle) = shortest.filter(|idle| interval >= *idle) {
                    let refusal = Refusal::new(format!(
                        "the load balancer closes what is silent for {idle}, before a ping"
                    ));
                    let hint = "write less than that, or remove it for the default";
                    item.report(problems, refusal.hint(hint));
                }
                Ok(Some(interval))
            }
        }
    }

    /// Resolves `trusted:`. Behind listeners of the HTTP layer the load balancer's own addresses must be believed,
    /// which a VPC usually takes from the private ranges.
    pub(super) fn trusted(&self, problems: &mut Problems) -> Read<Vec<IpNet>> {
        let served = |listener: &&FrontListener| {
            self.listen.iter().any(|bind| listener.instance_ports.contains(&bind.port))
        };
        let forwarded = self.front.listeners.iter().filter(served).all(|listener| listener.http);
        let texts = self.item.texts("trusted", problems)?;
        let nets = if texts.is_empty() && forwarded {
            PRIVATE.iter().map(|text| text.parse()).collect::<Result<Vec<IpNet>, _>>()
        } else {
            texts.iter().map(|text| text.parse()).collect()
        };
        nets.map_err(|_| Invalid)
    }

    /// Longer than the load balancer keeps a silent tunnel, so that it is never the proxy that cuts.
    pub(super) fn tunnel_idle(&self) -> Seconds {
        Seconds(self.longest_idle().get().saturating_add(300))
    }

    /// Longer than the load balancer keeps a silent connection to the proxy: otherwise it may send a request into
    /// one that the proxy is closing, and answer the visitor 502.
    pub(super) fn keep_alive(&self) -> Seconds {
        Seconds(self.longest_idle().get().saturating_add(300))
    }

    fn longest_idle(&self) -> Seconds {
        self.front.listeners.iter().map(|listener| listener.idle).max().unwrap_or(Seconds(3600))
    }
}

/// Private addresses (RFC 1918, RFC 6598, RFC 4193), and the host itself, where only the instance's own programs are.
const PRIVATE: [&str; 7] =
    ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"];

/// NAT gateways and the connection tracking of newer instances forget what is silent for 350 seconds.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html>
const MAX_PING: Seconds = Seconds(300);

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
        let own = |upstream: &&String| {
            loopback(upstream).is_some_and(|to| proxy.listen.iter().any(|bind| bind.overlaps(&to)))
        };
        if let Some(upstream) = route.upstream.iter().find(own) {
            let route_item = item.get("routes").and_then(|list| list.as_list().ok()?.get(at)).unwrap_or(item);
            let refusal = Refusal::new(format!("{upstream} is the proxy itself, requests would go round"))
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
