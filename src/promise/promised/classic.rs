//! What the listeners of a Classic load balancer promise.

use std::collections::BTreeSet;

use super::{Backend, BehindIt, Door, Layer, Redirector, Tells, To, paths_of, serving};
use crate::provision::spec::{ClassicListener, ClassicLoadBalancer, Proxy};

pub(super) fn doors(balancer: &ClassicLoadBalancer, proxy: Option<&Proxy>, paths: &[String]) -> Vec<Door> {
    balancer.listeners.iter().map(|listener| door(balancer, listener, proxy, paths)).collect()
}

fn door(
    balancer: &ClassicLoadBalancer,
    listener: &ClassicListener,
    proxy: Option<&Proxy>,
    paths: &[String],
) -> Door {
    let proxy = serving(proxy, &BTreeSet::from([listener.instance_port]));
    let secure = listener.protocol.is_secure();
    let any_secure = balancer.listeners.iter().any(|listener| listener.protocol.is_secure());
    let redirects = !secure && any_secure && proxy.is_some_and(|proxy| proxy.redirect_http);
    let is_http = listener.protocol.is_http();
    let header = !is_http && balancer.proxy_protocol.contains(&listener.instance_port);
    let backend = Backend { to: To::Port(listener.instance_port), proxy: BehindIt::of(proxy) };
    Door {
        port: listener.port,
        secure,
        layer: if is_http { Layer::Http } else { Layer::Stream },
        ssl_policy: listener.ssl_policy.clone(),
        idle_timeout: balancer.idle_timeout.get(),
        redirects: redirects.then_some(Redirector::Proxy),
        tells: if header { Tells::Header } else { Tells::Nothing },
        paths: if redirects { Vec::new() } else { paths_of(&backend, proxy, paths) },
        backend,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Must, Path, promised};
    use super::*;

    #[test]
    fn the_classic_stack_promises_a_redirect_and_its_routes_behind_a_header() {
        let doors = promised("classic.yaml", &[]);
        let [https, http] = &doors[..] else { panic!("two doors: {doors:?}") };
        assert_eq!((https.idle_timeout, https.tells, https.layer), (3600, Tells::Header, Layer::Stream));
        assert!(https.secure && https.redirects.is_none());
        assert_eq!(https.backend.proxy, BehindIt::DemandingProxy);
        let paths: Vec<_> = https.paths.iter().map(|path| (path.text.as_str(), path.must)).collect();
        assert_eq!(paths, [("/ws/", Must::BeAnswered), ("/", Must::BeAnswered)]);
        assert_eq!((http.secure, http.redirects), (false, Some(Redirector::Proxy)));
    }

    #[test]
    fn listeners_beside_the_proxy_are_told_from_those_before_it() {
        let doors = promised("classic-http.yaml", &[]);
        let seen: Vec<_> = doors.iter().map(|door| (door.port, door.layer, door.backend.proxy)).collect();
        assert_eq!(
            seen,
            [
                (80, Layer::Http, BehindIt::Other),
                (443, Layer::Http, BehindIt::Other),
                (8443, Layer::Stream, BehindIt::DemandingProxy),
            ]
        );
        assert!(doors.iter().all(|door| door.redirects.is_none()));
    }

    #[test]
    fn paths_of_the_user_must_open() {
        for door in promised("own-proxy.yaml", &["/socket"]) {
            let (backend, text) = (door.backend, "/socket".to_owned());
            assert_eq!(backend.proxy, BehindIt::Other);
            assert_eq!(door.paths, [Path { text, host: None, must: Must::Open, backend }]);
        }
    }
}
