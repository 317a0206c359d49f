//! What the listeners of a Network load balancer promise.

use std::collections::BTreeSet;

use super::{Backend, BehindIt, Door, Layer, Redirector, Tells, To, paths_of, serving};
use crate::provision::spec::{NetworkListener, NetworkLoadBalancer, Proxy};

pub(super) fn doors(balancer: &NetworkLoadBalancer, proxy: Option<&Proxy>, paths: &[String]) -> Vec<Door> {
    balancer.listeners.iter().filter_map(|listener| door(balancer, listener, proxy, paths)).collect()
}

/// None for a listener whose target group is not there, which no spec has.
fn door(
    balancer: &NetworkLoadBalancer,
    listener: &NetworkListener,
    proxy: Option<&Proxy>,
    paths: &[String],
) -> Option<Door> {
    let group = balancer.target_groups.get(&listener.target_group)?;
    let proxy = serving(proxy, &group.targets.ports_or(group.port));
    let secure = listener.protocol.is_secure();
    let any_secure = balancer.listeners.iter().any(|listener| listener.protocol.is_secure());
    let redirects = !secure && any_secure && proxy.is_some_and(|proxy| proxy.redirect_http);
    let groups = BTreeSet::from([listener.target_group.to_string()]);
    let backend = Backend { to: To::Groups(groups), proxy: BehindIt::of(proxy) };
    let tells = match (group.proxy_protocol, group.preserve_client_ip) {
        (true, _) => Tells::Header,
        (false, true) => Tells::Packets,
        (false, false) => Tells::Nothing,
    };
    Some(Door {
        port: listener.port,
        secure,
        layer: Layer::Stream,
        ssl_policy: listener.ssl_policy.clone(),
        idle_timeout: listener.idle().get(),
        redirects: redirects.then_some(Redirector::Proxy),
        tells,
        paths: if redirects { Vec::new() } else { paths_of(&backend, proxy, paths) },
        backend,
    })
}

#[cfg(test)]
mod tests {
    use super::super::promised;
    use super::*;

    #[test]
    fn tls_listeners_are_idle_for_350_seconds_and_tcp_ones_redirect() {
        let doors = promised("network.yaml", &[]);
        let [tls, tcp] = &doors[..] else { panic!("two doors: {doors:?}") };
        assert_eq!((tls.idle_timeout, tls.tells, tls.redirects), (350, Tells::Header, None));
        assert_eq!(tls.backend.to, To::Groups(BTreeSet::from(["default".to_owned()])));
        assert_eq!(tls.backend.proxy, BehindIt::DemandingProxy);
        assert_eq!(tls.paths.len(), 2);
        assert_eq!((tcp.idle_timeout, tcp.redirects), (3600, Some(Redirector::Proxy)));
    }
}
