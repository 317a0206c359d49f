//! Spec → what it promises at each listener; pure.

use crate::probe::TlsVersion;
use crate::provision::spec::{ClassicListener, ClassicLoadBalancer, LoadBalancer, Proxy, Spec};

/// What a spec promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promised {
    /// At each listener.
    pub(super) doors: Vec<Door>,
    /// For how many seconds a connection may be silent.
    pub(super) idle_timeout: u32,
}

/// A listener as a visitor meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    /// Its port.
    pub(super) port: u16,
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    /// What it does with what it reads.
    pub(super) layer: Layer,
    /// The port on the instances.
    pub(super) instance_port: u16,
    /// The policy of its TLS.
    pub(super) ssl_policy: Option<String>,
    /// Whether the instances get a PROXY header.
    pub(super) header: bool,
    /// Whether the bundled proxy is behind it, and what it makes of PROXY headers.
    pub(super) proxy: BehindIt,
    /// Whether visitors are sent to https.
    pub(super) redirects: bool,
    /// The paths to try.
    pub(super) paths: Vec<Path>,
}

/// What a listener does with what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// It passes bytes on.
    Stream,
    /// It reads HTTP, and takes Upgrade away.
    Http,
}

/// What is behind a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BehindIt {
    /// The bundled proxy, which demands a PROXY header.
    DemandingProxy,
    /// The bundled proxy, which takes none.
    PlainProxy,
    /// Something of the user's own.
    Other,
}

/// A path to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The path, with its query.
    pub(super) text: String,
    /// What must become of it.
    pub(super) must: Must,
}

/// What must become of an upgrade at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// The user says that it is a WebSocket.
    Open,
    /// It is some application's answer.
    BeAnswered,
}

impl Promised {
    /// Returns what a spec of a Classic load balancer promises; `paths` are the user's.
    pub(super) fn of(spec: &Spec, paths: &[String]) -> Option<Self> {
        let LoadBalancer::Classic(balancer) = &spec.load_balancer else { return None };
        let proxy = spec.proxy.as_ref();
        let doors = balancer.listeners.iter().map(|listener| door(balancer, listener, proxy, paths));
        Some(Self { doors: doors.collect(), idle_timeout: balancer.idle_timeout.get() })
    }
}

fn door(
    balancer: &ClassicLoadBalancer,
    listener: &ClassicListener,
    proxy: Option<&Proxy>,
    paths: &[String],
) -> Door {
    let proxy = proxy.filter(|proxy| proxy.listen.iter().any(|bind| bind.port == listener.instance_port));
    let secure = listener.protocol.is_secure();
    let any_secure = balancer.listeners.iter().any(|listener| listener.protocol.is_secure());
    let redirects = !secure && any_secure && proxy.is_some_and(|proxy| proxy.redirect_http);
    let path = |text: &str, must| Path { text: text.to_owned(), must };
    let paths = if !paths.is_empty() {
        paths.iter().map(|text| path(text, Must::Open)).collect()
    } else if let Some(proxy) = proxy {
        proxy.routes.iter().map(|route| path(&route.path, Must::BeAnswered)).collect()
    } else {
        vec![path("/", Must::BeAnswered)]
    };
    Door {
        port: listener.port,
        secure,
        layer: if listener.protocol.is_http() { Layer::Http } else { Layer::Stream },
        instance_port: listener.instance_port,
        ssl_policy: listener.ssl_policy.clone(),
        header: !listener.protocol.is_http() && balancer.proxy_protocol.contains(&listener.instance_port),
        proxy: match proxy {
            Some(proxy) if proxy.demands_header() => BehindIt::DemandingProxy,
            Some(_) => BehindIt::PlainProxy,
            None => BehindIt::Other,
        },
        redirects,
        paths,
    }
}

/// Returns the lowest TLS version that a predefined policy admits, by its name: `…-TLS-1-2-2017-01` and
/// `…-TLS13-1-2-2021-06` say it, those that are named for a date alone begin at 1.0.
/// AWS: "Predefined SSL security policies for Classic Load Balancers" and "Security policies for your
/// Application Load Balancer".
pub(super) fn lowest_version(policy: &str) -> TlsVersion {
    let rest = policy.strip_prefix("ELBSecurityPolicy-").unwrap_or(policy);
    let version = ["TLS13-", "TLS-", "FS-"].iter().find_map(|kind| rest.strip_prefix(kind));
    match version {
        Some(version) if version.starts_with("1-3-") => TlsVersion::Tls13,
        Some(version) if version.starts_with("1-2-") => TlsVersion::Tls12,
        Some(version) if version.starts_with("1-1-") => TlsVersion::Tls11,
        Some(_) | None => TlsVersion::Tls10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn promised(file: &str, paths: &[&str]) -> Promised {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let spec = crate::provision::spec::parse(file, &text, &root).unwrap();
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        Promised::of(&spec, &paths).unwrap()
    }

    #[test]
    fn the_classic_stack_promises_a_redirect_and_its_routes_behind_a_header() {
        let promised = promised("classic.yaml", &[]);
        assert_eq!(promised.idle_timeout, 3600);
        let [https, http] = &promised.doors[..] else { panic!("two doors: {promised:?}") };
        assert!(https.secure && https.header && !https.redirects && https.layer == Layer::Stream);
        assert_eq!(https.proxy, BehindIt::DemandingProxy);
        let paths: Vec<_> = https.paths.iter().map(|path| (path.text.as_str(), path.must)).collect();
        assert_eq!(paths, [("/ws/", Must::BeAnswered), ("/", Must::BeAnswered)]);
        assert!(!http.secure && http.redirects);
    }

    #[test]
    fn listeners_beside_the_proxy_are_told_from_those_before_it() {
        let promised = promised("classic-http.yaml", &[]);
        let seen: Vec<_> = promised.doors.iter().map(|door| (door.port, door.layer, door.proxy)).collect();
        assert_eq!(
            seen,
            [
                (80, Layer::Http, BehindIt::Other),
                (443, Layer::Http, BehindIt::Other),
                (8443, Layer::Stream, BehindIt::DemandingProxy),
            ]
        );
        assert!(promised.doors.iter().all(|door| !door.redirects));
    }

    #[test]
    fn paths_of_the_user_must_open() {
        let promised = promised("own-proxy.yaml", &["/socket"]);
        let path = Path { text: "/socket".to_owned(), must: Must::Open };
        assert!(
            promised.doors.iter().all(|door| door.paths == [path.clone()] && door.proxy == BehindIt::Other)
        );
    }

    #[test]
    fn a_policys_name_says_its_lowest_version() {
        for (policy, version) in [
            ("ELBSecurityPolicy-TLS-1-2-2017-01", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS-1-1-2017-01", TlsVersion::Tls11),
            ("ELBSecurityPolicy-2016-08", TlsVersion::Tls10),
            ("ELBSecurityPolicy-FS-2018-06", TlsVersion::Tls10),
            ("ELBSecurityPolicy-FS-1-2-Res-2020-10", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", TlsVersion::Tls12),
            ("ELBSecurityPolicy-TLS13-1-3-2021-06", TlsVersion::Tls13),
            ("ELBSecurityPolicy-TLS-1-2-Ext-2018-06", TlsVersion::Tls12),
        ] {
            assert_eq!(lowest_version(policy), version, "{policy}");
        }
    }
}
