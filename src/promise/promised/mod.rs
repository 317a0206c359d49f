//! Spec → what it promises at each listener; pure.

mod application;
mod classic;
mod network;
mod pattern;
mod version;

use std::collections::BTreeSet;

use crate::provision::spec::{LoadBalancer, Proxy, Spec};

pub(super) use version::lowest_version;

/// A listener as a visitor meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    /// Its port.
    pub(super) port: u16,
    /// Whether it speaks TLS.
    pub(super) secure: bool,
    /// What it does with what it reads.
    pub(super) layer: Layer,
    /// The policy of its TLS.
    pub(super) ssl_policy: Option<String>,
    /// For how many seconds a connection may be silent.
    pub(super) idle_timeout: u32,
    /// Who sends visitors to https, if anybody does.
    pub(super) redirects: Option<Redirector>,
    /// Where it sends what comes, unless a path says otherwise.
    pub(super) backend: Backend,
    /// How the instances learn who the visitor is.
    pub(super) tells: Tells,
    /// The paths to try.
    pub(super) paths: Vec<Path>,
}

/// What a listener does with what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// It passes bytes on.
    Stream,
    /// It reads HTTP, and takes Upgrade away: a Classic load balancer.
    Http,
    /// It reads HTTP, and knows WebSockets: an Application load balancer.
    Requests,
}

/// Who sends visitors to https.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirector {
    /// The proxy on the instances.
    Proxy,
    /// The load balancer.
    LoadBalancer,
}

/// How the instances learn who the visitor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// By a PROXY header.
    Header,
    /// By `X-Forwarded-For`.
    Forwarded,
    /// By the packets' own source address.
    Packets,
    /// Not in a way that is promised.
    Nothing,
}

/// Where a listener sends what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) to: To,
    /// Whether the bundled proxy is there, and what it makes of PROXY headers.
    pub(super) proxy: BehindIt,
}

/// Who gets what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    /// The instances on this port.
    Port(u16),
    /// The targets of these groups, by their names in the spec; nobody where there is none.
    Groups(BTreeSet<String>),
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

impl BehindIt {
    fn of(proxy: Option<&Proxy>) -> Self {
        match proxy {
            Some(proxy) if proxy.demands_header() => Self::DemandingProxy,
            Some(_) => Self::PlainProxy,
            None => Self::Other,
        }
    }
}

/// A path to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// The path, with its query.
    pub(super) text: String,
    /// The host to ask for, where it is not that of the others.
    pub(super) host: Option<String>,
    /// What must become of it.
    pub(super) must: Must,
    /// Who answers it.
    pub(super) backend: Backend,
}

/// What must become of an upgrade at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Must {
    /// The user says that it is a WebSocket.
    Open,
    /// It is some application's answer.
    BeAnswered,
    /// The load balancer itself answers with this status.
    Say(u16),
}

/// Returns what a spec promises at each listener; `paths` are the user's.
pub(super) fn doors(spec: &Spec, paths: &[String]) -> Vec<Door> {
    let proxy = spec.proxy.as_ref();
    match &spec.load_balancer {
        LoadBalancer::Classic(balancer) => classic::doors(balancer, proxy, paths),
        LoadBalancer::Application(balancer) => application::doors(balancer, proxy, paths),
        LoadBalancer::Network(balancer) => network::doors(balancer, proxy, paths),
    }
}

/// The proxy, if it serves one of these ports.
fn serving<'a>(proxy: Option<&'a Proxy>, ports: &BTreeSet<u16>) -> Option<&'a Proxy> {
    proxy.filter(|proxy| proxy.listen.iter().any(|bind| ports.contains(&bind.port)))
}

/// The paths to try where all of them go to one place: the user's, or the proxy's routes, or the root.
fn paths_of(backend: &Backend, proxy: Option<&Proxy>, asked: &[String]) -> Vec<Path> {
    let path = |text: &str, must| Path { text: text.to_owned(), host: None, must, backend: backend.clone() };
    if !asked.is_empty() {
        return asked.iter().map(|text| path(text, Must::Open)).collect();
    }
    match proxy {
        Some(proxy) => proxy.routes.iter().map(|route| path(&route.path, Must::BeAnswered)).collect(),
        None => vec![path("/", Must::BeAnswered)],
    }
}

#[cfg(test)]
fn promised(file: &str, paths: &[&str]) -> Vec<Door> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let text = std::fs::read_to_string(root.join(file)).unwrap();
    let spec = crate::provision::spec::parse(file, &text, &root).unwrap();
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    doors(&spec, &paths)
}
