//! `listeners:` of a Network load balancer: reading them and what must hold among them.

use serde::Serialize;

use super::NetworkTargetGroup;
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::load_balancer::target_group::Groups;
use crate::provision::spec::load_balancer::{
    HasCertificate, Protocol, TargetGroupName, settings, ssl_policy,
};
use crate::provision::spec::problem::{Problems, Refusal};

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkListener {
    /// The port that visitors connect to.
    pub port: u16,
    /// `tls` or `tcp`.
    pub protocol: Protocol,
    /// The predefined security policy; `Some` exactly for tls.
    pub ssl_policy: Option<String>,
    /// Which HTTP is offered in the TLS handshake; always [`AlpnPolicy::None`] for tcp.
    pub alpn_policy: AlpnPolicy,
    /// Who serves.
    pub target_group: TargetGroupName,
    /// How long a connection may be silent: 60 s–6000 s; `Some` exactly for tcp, with tls it is [`TLS_IDLE`].
    pub idle_timeout: Option<Seconds>,
}

impl NetworkListener {
    /// Returns how long a connection may be silent.
    #[must_use]
    pub fn idle(&self) -> Seconds {
        self.idle_timeout.unwrap_or(TLS_IDLE)
    }
}

/// AWS: the idle timeout of tls listeners, which cannot be changed.
pub const TLS_IDLE: Seconds = Seconds(350);

/// Which HTTP visitors are offered in the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlpnPolicy {
    /// Nothing is negotiated.
    None,
    /// HTTP/1.
    Http1Only,
    /// HTTP/1, else HTTP/2.
    Http2Optional,
    /// HTTP/2, else HTTP/1.
    Http2Preferred,
    /// HTTP/2.
    Http2Only,
}

impl AlpnPolicy {
    /// Returns the name that AWS uses: `HTTP2Preferred`.
    #[must_use]
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Http1Only => "HTTP1Only",
            Self::Http2Optional => "HTTP2Optional",
            Self::Http2Preferred => "HTTP2Preferred",
            Self::Http2Only => "HTTP2Only",
        }
    }
}

/// What listeners go by.
pub(super) struct Scene<'a> {
    pub(super) certificate: HasCertificate,
    /// The load balancer's idle timeout.
    pub(super) idle: Seconds,
    pub(super) groups: &'a Groups<'a, NetworkTargetGroup>,
}

/// Reads `listeners:` of the load balancer.
pub(super) fn decode(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<Vec<NetworkListener>> {
    let Some(list) = item.get("listeners") else { return defaults(item, scene, problems) };
    let items = list.as_list()?;
    let listeners: Vec<_> = items.iter().map(|item| listener(item, scene, problems)).collect();
    let sound =
        || listeners.iter().zip(items).enumerate().filter_map(|(at, (l, i))| Some((at, i, l.as_ref().ok()?)));
    settings::check_ports(sound().map(|(at, item, listener)| (at, item, listener.port)), problems);
    let listeners: Vec<_> = listeners.into_iter().collect::<Read<_>>()?;
    let secure = listeners.iter().any(|listener| listener.protocol.is_secure());
    if scene.certificate == HasCertificate::Yes && !secure {
        let refusal = Refusal::new("no listener is tls, so nobody is served the certificate")
            .hint("add { port: 443, protocol: tls }, or remove the certificate");
        list.report(problems, refusal);
    }
    if let Some(idle) = item.get("idle_timeout")
        && listeners.iter().all(|listener| listener.protocol.is_secure())
    {
        idle.report(problems, fixed_idle());
    }
    if listeners.is_empty() { Err(Invalid) } else { Ok(listeners) }
}

fn fixed_idle() -> Refusal {
    Refusal::new(format!("the idle timeout of tls listeners is {TLS_IDLE} and cannot be changed"))
        .hint("remove it; the proxy keeps WebSockets alive with pings, see proxy.ping_interval")
}

fn listener(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<NetworkListener> {
    let port = item.number("port")?.ok_or(Invalid)?;
    let protocol = Protocol::read(item, "protocol")?.ok_or(Invalid)?;
    let ssl_policy = ssl_policy::decode(item, protocol, scene.certificate, problems);
    let target_group = target_group(item, scene, problems);
    if let Ok(name) = &target_group {
        check_group(item, protocol, name, scene, problems);
    }
    let alpn_policy = match item.text("alpn_policy")? {
        None | Some("none") => AlpnPolicy::None,
        Some("http1_only") => AlpnPolicy::Http1Only,
        Some("http2_optional") => AlpnPolicy::Http2Optional,
        Some("http2_preferred") => AlpnPolicy::Http2Preferred,
        Some(_) => AlpnPolicy::Http2Only,
    };
    if alpn_policy != AlpnPolicy::None && !protocol.is_secure() {
        let refusal = Refusal::new("a tcp listener has no TLS handshake to negotiate in");
        item.at("alpn_policy").report(problems, refusal.hint("remove it, or write protocol: tls"));
    }
    let idle_timeout = match item.get("idle_timeout") {
        Some(idle) if protocol.is_secure() => {
            idle.report(problems, fixed_idle());
            None
        }
        Some(idle) => Some(idle.as_seconds()?),
        None => (!protocol.is_secure()).then_some(scene.idle),
    };
    Ok(NetworkListener {
        port,
        protocol,
        ssl_policy: ssl_policy?,
        alpn_policy,
        target_group: target_group?,
        idle_timeout,
    })
}

fn target_group(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<TargetGroupName> {
    if let Some(name) = item.get("target_group") {
        let text = name.as_text()?;
        scene.groups.check_name(text, name, problems);
        return Ok(TargetGroupName::new(text));
    }
    if let Some(name) = scene.groups.implied() {
        return Ok(name.clone());
    }
    scene.groups.report_ambiguous(item, "target_group: NAME", problems);
    Err(Invalid)
}

/// A group must fit each of its listeners.
fn check_group(
    item: &Item,
    protocol: Protocol,
    name: &TargetGroupName,
    scene: &Scene<'_>,
    problems: &mut Problems,
) {
    let Some(group) = scene.groups.get(name) else { return };
    if protocol == Protocol::Tcp && group.protocol == Protocol::Tls {
        let refusal =
            Refusal::new(format!("a tcp listener cannot forward to {name}, whose targets speak tls"))
                .hint("let the target group speak tcp, which carries the visitors' own TLS as well");
        item.at("target_group").report(problems, refusal);
    }
    if protocol == Protocol::Tls && group.stickiness {
        let refusal = Refusal::new(format!("a tls listener cannot forward to {name}, which is sticky"))
            .hint("AWS keeps visitors with a target behind tcp listeners only");
        item.at("target_group").report(problems, refusal);
    }
}

fn defaults(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<Vec<NetworkListener>> {
    let Some(group) = scene.groups.implied() else {
        scene.groups.report_ambiguous(
            item.at("target_groups"),
            "listeners, each with target_group: NAME",
            problems,
        );
        return Err(Invalid);
    };
    let place = item.at("target_groups");
    let listener = |port, protocol: Protocol| NetworkListener {
        port,
        protocol,
        ssl_policy: protocol.is_secure().then(|| ssl_policy::DEFAULT.to_owned()),
        alpn_policy: AlpnPolicy::None,
        target_group: group.clone(),
        idle_timeout: (!protocol.is_secure()).then_some(scene.idle),
    };
    let mut listeners = vec![listener(80, Protocol::Tcp)];
    if scene.certificate == HasCertificate::Yes {
        listeners.insert(0, listener(443, Protocol::Tls));
    }
    for listener in &listeners {
        check_group(place, listener.protocol, group, scene, problems);
    }
    Ok(listeners)
}
