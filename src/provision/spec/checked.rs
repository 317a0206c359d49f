//! Health checks beside what answers on the instances: a check of anything else fails for ever.

use std::collections::BTreeSet;

use super::item::Item;
use super::load_balancer::{
    AlpnPolicy, ClassicLoadBalancer, ClassicProtocol, LoadBalancer, NetworkLoadBalancer, Protocol,
    TargetHealthCheck, XffMode,
};
use super::problem::{Problems, Refusal};
use super::proxy::{Accept, Bind, HEALTHZ, Proxy};

/// A check of a load balancer of any type.
struct Check<'a> {
    /// Where the port and the path are written, if they are.
    port_item: Option<&'a Item>,
    path_item: Option<&'a Item>,
    port: u16,
    asks: Asks<'a>,
    /// What the proxy's health port answers, in the words of the type.
    proper: String,
    /// Ports on which targets are known to answer.
    own_ports: BTreeSet<u16>,
}

/// How a check asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks<'a> {
    Connection,
    Plain(&'a str),
    Encrypted,
}

/// Reports checks that nothing would answer.
pub(super) fn check(
    root: &Item,
    item: &Item,
    balancer: &LoadBalancer,
    proxy: Option<&Proxy>,
    problems: &mut Problems,
) {
    if let LoadBalancer::Classic(classic) = balancer {
        check_header(item, classic, proxy, problems);
    }
    let Some(proxy) = proxy else { return };
    if let LoadBalancer::Application(application) = balancer
        && proxy.accept == Accept::Off
        && application.xff_header_processing_mode != XffMode::Append
    {
        let refusal =
            Refusal::new("the proxy takes the visitor's address from what the load balancer appends")
                .hint("remove it for the default, append");
        item.at("xff_header_processing_mode").report(problems, refusal);
    }
    if let LoadBalancer::Network(network) = balancer {
        check_alpn(item, network, proxy, problems);
    }
    let health = |group: &str| item.get("target_groups")?.get(group)?.get("health_check");
    let checks: Vec<Check<'_>> = match balancer {
        LoadBalancer::Classic(classic) => vec![of_classic(item, classic, proxy)],
        LoadBalancer::Application(balancer) => {
            let groups = balancer.target_groups.iter();
            groups
                .filter_map(|(name, group)| {
                    let ports = group.targets.ports_or(group.port);
                    of_group(health(name.as_str()), &group.health_check, ports)
                })
                .collect()
        }
        LoadBalancer::Network(balancer) => {
            let groups = balancer.target_groups.iter();
            groups
                .filter_map(|(name, group)| {
                    let ports = group.targets.ports_or(group.port);
                    of_group(health(name.as_str()), &group.health_check, ports)
                })
                .collect()
        }
    };
    for check in &checks {
        check_answered(check, proxy, problems);
    }
    check_reachable(root, &checks, proxy, problems);
}

fn of_classic<'a>(item: &'a Item, classic: &'a ClassicLoadBalancer, proxy: &Proxy) -> Check<'a> {
    let target = &classic.health_check.target;
    let place = item.get("health_check").and_then(|check| check.get("target"));
    Check {
        port_item: place,
        path_item: place,
        port: target.port,
        asks: match target.protocol {
            ClassicProtocol::Tcp => Asks::Connection,
            ClassicProtocol::Http => Asks::Plain(target.path.as_deref().unwrap_or_default()),
            ClassicProtocol::Ssl | ClassicProtocol::Https => Asks::Encrypted,
        },
        proper: format!("HTTP:{}{HEALTHZ}", proxy.health.port),
        own_ports: BTreeSet::new(),
    }
}

/// A check without a port asks where visitors are sent, so that there is nothing to doubt.
fn of_group<'a>(
    item: Option<&'a Item>,
    check: &'a TargetHealthCheck,
    own_ports: BTreeSet<u16>,
) -> Option<Check<'a>> {
    Some(Check {
        port_item: item.map(|item| item.at("port")),
        path_item: item.map(|item| item.get("path").unwrap_or(item.at("protocol"))),
        port: check.port?,
        asks: match check.protocol {
            Protocol::Tcp => Asks::Connection,
            Protocol::Http => Asks::Plain(check.path.as_deref().unwrap_or_default()),
            Protocol::Https | Protocol::Tls => Asks::Encrypted,
        },
        proper: format!("path: {HEALTHZ}"),
        own_ports,
    })
}

fn check_answered(check: &Check<'_>, proxy: &Proxy, problems: &mut Problems) {
    let Check { port, proper, .. } = check;
    if *port == proxy.health.port {
        let answers = match check.asks {
            Asks::Connection => true,
            Asks::Plain(path) => path == HEALTHZ,
            Asks::Encrypted => false,
        };
        if let Some(place) = check.path_item.filter(|_| !answers) {
            let refusal =
                Refusal::new(format!("the proxy answers {HEALTHZ} over plain HTTP alone on port {port}"));
            place.report(problems, refusal.hint(format!("write {proper}")));
        }
        return;
    }
    let upstream = || {
        let port = port.to_string();
        let mut upstreams = proxy.routes.iter().flat_map(|route| &route.upstream);
        upstreams.any(|upstream| upstream.rsplit_once(':').is_some_and(|(_, found)| found == port))
    };
    let known =
        proxy.listen.iter().any(|bind| bind.port == *port) || check.own_ports.contains(port) || upstream();
    if let Some(place) = check.port_item.filter(|_| !known) {
        let health = proxy.health.port;
        let refusal =
            Refusal::new(format!("nothing answers on port {port}: the proxy's health port is {health}"));
        let instead = if check.own_ports.is_empty() { proper.clone() } else { format!("port: {health}") };
        place.report(problems, refusal.hint(format!("write {instead}, or set proxy.health")));
    }
}

/// The checks come from outside: an address of the instance's loopback would never be asked.
fn check_reachable(root: &Item, checks: &[Check<'_>], proxy: &Proxy, problems: &mut Problems) {
    let Bind { address, port } = proxy.health;
    let asked = checks.iter().any(|check| check.port == port);
    if asked && address.is_some_and(|address| address.is_loopback()) {
        let refusal =
            Refusal::new(format!("the load balancer cannot reach {} to check the proxy", proxy.health))
                .hint(format!("write the port alone: {port}"));
        root.at("proxy").at("health").report(problems, refusal);
    }
}

/// An HTTP check of a Classic load balancer carries no PROXY header, and a port that requires one refuses it.
/// A Network load balancer's checks carry one.
fn check_header(item: &Item, classic: &ClassicLoadBalancer, proxy: Option<&Proxy>, problems: &mut Problems) {
    let target = &classic.health_check.target;
    let served = proxy.is_none_or(|proxy| {
        proxy.health.port != target.port && proxy.listen.iter().any(|bind| bind.port == target.port)
    });
    if served && target.protocol != ClassicProtocol::Tcp && classic.proxy_protocol.contains(&target.port) {
        let refusal = Refusal::new(format!(
            "the check carries no PROXY header, and instance port {} requires one",
            target.port
        ))
        .hint(format!("check another port, or merely connect: TCP:{}", target.port));
        let place = item.get("health_check").map_or(item, |check| check.at("target"));
        place.report(problems, refusal);
    }
}

/// The proxy speaks HTTP/1.1, which WebSockets begin as.
fn check_alpn(item: &Item, network: &NetworkLoadBalancer, proxy: &Proxy, problems: &mut Problems) {
    let items = item.get("listeners").and_then(|list| list.as_list().ok()).unwrap_or_default();
    for (listener, item) in network.listeners.iter().zip(items) {
        let newer = matches!(listener.alpn_policy, AlpnPolicy::Http2Preferred | AlpnPolicy::Http2Only);
        let Some(group) = network.target_groups.get(&listener.target_group) else { continue };
        let ports = group.targets.ports_or(group.port);
        if newer && proxy.listen.iter().any(|bind| ports.contains(&bind.port)) {
            let refusal = Refusal::new("visitors would speak HTTP/2 to the proxy, which speaks HTTP/1.1")
                .hint("write http1_only or http2_optional, or remove it");
            item.at("alpn_policy").report(problems, refusal);
        }
    }
}
