//! The document: its fields, and what must hold between its sections.

use std::path::Path;

use super::item::{Invalid, Item, Read, Value};
use super::load_balancer::{Front, HasCertificate};
use super::problem::{Problems, Refusal};
use super::proxy::Bind;
use super::shape::{Field, Kind, Need, Object};
use super::{
    Certificate, CertificateSource, ClassicLoadBalancer, ClassicProtocol, HealthTarget, LoadBalancer, Proxy,
    Spec, StackName, certificate, instances, load_balancer, network, proxy, tags, text,
};

pub(super) static SPEC: Object = Object {
    name: "spec",
    need: Need::Nothing,
    gate: None,
    fields: &[
        Field::new("version", Kind::Integer { min: 1, max: 1 }, "The version of this format.").default("1"),
        Field::new(
            "stack",
            Kind::Text(&text::STACK),
            "The stack\'s name, 1 to 24 of a-z, 0-9 and -; names and ownership tags derive from it.",
        )
        .required(),
        Field::new("region", Kind::Text(&text::REGION), "The AWS region.").default("the usual AWS chain"),
        Field::new("tags", tags::OWN, "Tags on everything created.").default("none"),
        Field::new("network", Kind::Object(&network::NETWORK), "Where the load balancer stands."),
        Field::new(
            "instances",
            Kind::Object(&instances::INSTANCES),
            "Who serves: instances by id, by tag, or both.",
        )
        .required(),
        Field::new(
            "certificate",
            Kind::Object(&certificate::CERTIFICATE),
            "What ssl and https listeners present; exactly one of `arn`, `domain` and `files`.",
        )
        .default("none"),
        Field::new(
            "load_balancer",
            Kind::Object(&load_balancer::LOAD_BALANCER),
            "The load balancer, at least `{ type: classic }`.",
        )
        .required(),
        Field::new(
            "proxy",
            Kind::OneOf { what: "a mapping or false", forms: &[Kind::Boolean, Kind::Object(&proxy::PROXY)] },
            "The bundled proxy on every instance; `false` where another proxy does its work.",
        )
        .default("on, with its defaults"),
    ],
};

pub(super) fn spec(root: &Item, base_dir: &Path, problems: &mut Problems) -> Read<Spec> {
    root.as_map()?;
    let stack =
        root.text("stack").and_then(|text| text.ok_or(Invalid)).map(|text| StackName(text.to_owned()));
    let region = root.text("region").map(|text| text.map(str::to_owned));
    let tags = root.tags("tags");
    let network = network::decode(root.get("network"), problems);
    let instances = root.get("instances").ok_or(Invalid).and_then(|item| instances::decode(item, problems));
    let certificate = root.get("certificate").map(|item| certificate::decode(item, base_dir)).transpose();
    let load_balancer = root.get("load_balancer").ok_or(Invalid);

    let has_certificate =
        if root.get("certificate").is_some() { HasCertificate::Yes } else { HasCertificate::No };
    let front = load_balancer.and_then(|item| load_balancer::decode_front(item, has_certificate, problems));
    let listeners = load_balancer.map(|item| item.at("listeners"));
    let default_proxy = listeners.unwrap_or(root).defaults_from();
    let proxy_item = root.get("proxy").unwrap_or(&default_proxy);
    let proxy = proxy::decode(proxy_item, front.as_ref().map_err(|invalid| *invalid), problems);
    let check = default_check(proxy_item, &front);
    let classic = load_balancer.and_then(|item| {
        load_balancer::decode(item, stack.as_ref().map_err(|invalid| *invalid), front, check?, problems)
    });

    if let Ok(Some(certificate)) = &certificate {
        check_certificate(root, certificate, region.as_ref().ok().and_then(Option::as_deref), problems);
    }
    if let (Ok(classic), Ok(Some(proxy)), Ok(item)) = (&classic, &proxy, load_balancer) {
        check_target(item, classic, proxy, problems);
        check_reachable(root, classic, proxy, problems);
    }
    if let (Ok(classic), Ok(None), Ok(item)) = (&classic, &proxy, load_balancer) {
        check_header(item, classic, problems);
    }
    Ok(Spec {
        stack: stack?,
        region: region?,
        tags: tags?,
        network: network?,
        instances: instances?,
        certificate: certificate?,
        load_balancer: LoadBalancer::Classic(classic?),
        proxy: proxy?,
    })
}

/// The health check's target where the spec gives none: the proxy's health port, or without the proxy the
/// first instance port by a mere connection, which an application with or without PROXY protocol accepts.
fn default_check(proxy: &Item, front: &Read<Front>) -> Read<HealthTarget> {
    if matches!(proxy.value, Value::Boolean(false)) {
        let front = front.as_ref().map_err(|invalid| *invalid)?;
        let port = front.listeners.first().ok_or(Invalid)?.instance_port;
        return Ok(HealthTarget { protocol: ClassicProtocol::Tcp, port, path: None });
    }
    let port = proxy::health(proxy)?.port;
    Ok(HealthTarget { protocol: ClassicProtocol::Http, port, path: Some(HEALTH_PATH.to_owned()) })
}

const HEALTH_PATH: &str = "/healthz";

fn check_certificate(root: &Item, certificate: &Certificate, region: Option<&str>, problems: &mut Problems) {
    let item = root.at("certificate");
    if !certificate.additional.is_empty() {
        let refusal = Refusal::new("a Classic load balancer has no SNI, so it serves one certificate alone")
            .hint("one certificate may cover several domains: list them as its alternative names");
        item.at("additional").report(problems, refusal);
    }
    let CertificateSource::Arn(arn) = &certificate.source else { return };
    let home = match arn.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "acm", home, ..] => Some(*home),
        _ => None,
    };
    if let (Some(home), Some(region)) = (home, region)
        && home != region
    {
        let refusal = Refusal::new(format!("the certificate is in {home}, the stack in {region}"))
            .hint("a load balancer takes ACM certificates of its own region only");
        item.at("arn").report(problems, refusal);
    }
}

/// With the bundled proxy we know what answers on the instance: a check of anything else fails for ever.
fn check_target(item: &Item, classic: &ClassicLoadBalancer, proxy: &Proxy, problems: &mut Problems) {
    let target = &classic.health_check.target;
    let Some(place) = item.get("health_check").and_then(|check| check.get("target")) else { return };
    let ours = format!("HTTP:{}{HEALTH_PATH}", proxy.health.port);
    let upstream =
        |port| proxy.routes.iter().any(|r| r.upstream.rsplit_once(':').is_some_and(|(_, p)| p == port));
    if target.port == proxy.health.port {
        let (plain, path) = (target.protocol, target.path.as_deref());
        let answers = match plain {
            ClassicProtocol::Tcp => true,
            ClassicProtocol::Http => path == Some(HEALTH_PATH),
            ClassicProtocol::Ssl | ClassicProtocol::Https => false,
        };
        if !answers {
            let refusal = Refusal::new(format!(
                "the proxy answers {HEALTH_PATH} over plain HTTP alone on port {}",
                target.port
            ));
            place.report(problems, refusal.hint(format!("write {ours}")));
        }
    } else if proxy.listen.iter().any(|bind| bind.port == target.port) {
        check_header(item, classic, problems);
    } else if !upstream(target.port.to_string().as_str()) {
        let refusal = Refusal::new(format!(
            "nothing answers on port {}: the proxy's health port is {}",
            target.port, proxy.health.port
        ));
        place.report(problems, refusal.hint(format!("write {ours}, or set proxy.health")));
    }
}

/// The checks come from outside: an address of the instance's loopback would never be asked.
fn check_reachable(root: &Item, classic: &ClassicLoadBalancer, proxy: &Proxy, problems: &mut Problems) {
    let Bind { address, port } = proxy.health;
    if classic.health_check.target.port == port && address.is_some_and(|address| address.is_loopback()) {
        let refusal =
            Refusal::new(format!("the load balancer cannot reach {} to check the proxy", proxy.health))
                .hint(format!("write the port alone: {port}"));
        root.at("proxy").at("health").report(problems, refusal);
    }
}

/// An HTTP check carries no PROXY header, and a port that requires one refuses it.
fn check_header(item: &Item, classic: &ClassicLoadBalancer, problems: &mut Problems) {
    let target = &classic.health_check.target;
    if target.protocol != ClassicProtocol::Tcp && classic.proxy_protocol.contains(&target.port) {
        let refusal = Refusal::new(format!(
            "the check carries no PROXY header, and instance port {} requires one",
            target.port
        ))
        .hint(format!("check another port, or merely connect: TCP:{}", target.port));
        let place = item.get("health_check").map_or(item, |check| check.at("target"));
        place.report(problems, refusal);
    }
}
