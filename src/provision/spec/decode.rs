//! The document: its fields, and what must hold between its sections.

use std::path::Path;

use super::item::{Invalid, Item, Read};
use super::load_balancer::{HasCertificate, Surroundings};
use super::problem::{Problems, Refusal};
use super::shape::{Field, Kind, Need, Object};
use super::{
    Certificate, CertificateSource, LoadBalancer, Network, Spec, StackName, SubnetSelector, certificate,
    checked, dns, instances, load_balancer, network, proxy, tags, text,
};

pub(super) static SPEC: Object = Object {
    name: "spec",
    need: Need::Nothing,

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
            "Who serves: instances by id, by tag, of an Auto Scaling group, or several of these.",
        )
        .required(),
        Field::new(
            "certificate",
            Kind::Object(&certificate::CERTIFICATE),
            "What ssl, https and tls listeners present; exactly one of `arn`, `domain` and `files`.",
        )
        .default("none"),
        Field::new(
            "load_balancer",
            Kind::Variants(&load_balancer::LOAD_BALANCER),
            "The load balancer, at least `{ type: classic }`.",
        )
        .required(),
        Field::new(
            "proxy",
            Kind::OneOf { what: "a mapping or false", forms: &[Kind::Boolean, Kind::Object(&proxy::PROXY)] },
            "The bundled proxy on every instance; `false` where another proxy does its work.",
        )
        .default("on, with its defaults"),
        Field::new(
            "dns",
            Kind::Object(&dns::DNS),
            "The record in Route 53 that leads visitors to the load balancer.",
        )
        .default("none"),
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
    let dns = dns::decode(root.get("dns"), stack.as_ref().map_err(|invalid| *invalid), problems);

    let balancer_item = root.get("load_balancer").ok_or(Invalid);
    let default_proxy = balancer_item.map_or(root, |item| item.at("listeners")).defaults_from();
    let proxy_item = root.get("proxy").unwrap_or(&default_proxy);
    let around = Surroundings {
        stack: stack.as_ref().map_err(|invalid| *invalid),
        certificate: match root.get("certificate") {
            Some(_) => HasCertificate::Yes,
            None => HasCertificate::No,
        },
        behind: proxy::behind(proxy_item),
    };
    let decoded = balancer_item.map(|item| load_balancer::decode(item, &around, problems));
    let (front, balancer) = match decoded {
        Ok(decoded) => (decoded.front, decoded.load_balancer),
        Err(Invalid) => (Err(Invalid), Err(Invalid)),
    };
    let proxy = proxy::decode(proxy_item, front.as_ref().map_err(|invalid| *invalid), problems);

    if let (Ok(Some(certificate)), Ok(balancer)) = (&certificate, &balancer) {
        check_certificate(root, certificate, balancer, problems);
    }
    if let (Ok(Some(certificate)), Ok(Some(region))) = (&certificate, &region) {
        check_region(root, certificate, region, problems);
    }
    if let (Ok(balancer), Ok(proxy), Ok(item)) = (&balancer, &proxy, balancer_item) {
        checked::check(root, item, balancer, proxy.as_ref(), problems);
    }
    if let (Ok(balancer), Ok(network)) = (&balancer, &network) {
        check_addresses(root, balancer, network, problems);
    }
    Ok(Spec {
        stack: stack?,
        region: region?,
        tags: tags?,
        network: network?,
        instances: instances?,
        certificate: certificate?,
        load_balancer: balancer?,
        proxy: proxy?,
        dns: dns?,
    })
}

fn check_certificate(
    root: &Item,
    certificate: &Certificate,
    balancer: &LoadBalancer,
    problems: &mut Problems,
) {
    match balancer {
        LoadBalancer::Classic(_) if !certificate.additional.is_empty() => {
            let refusal =
                Refusal::new("a Classic load balancer has no SNI, so it serves one certificate alone")
                    .hint("one certificate may cover several domains: list them as its alternative names");
            root.at("certificate").at("additional").report(problems, refusal);
        }
        LoadBalancer::Classic(_) | LoadBalancer::Application(_) | LoadBalancer::Network(_) => {}
    }
}

fn check_region(root: &Item, certificate: &Certificate, region: &str, problems: &mut Problems) {
    let item = root.at("certificate");
    let more = item.get("additional").and_then(|list| list.as_list().ok()).unwrap_or_default();
    let places = [item].into_iter().chain(more);
    let sources = [&certificate.source].into_iter().chain(&certificate.additional);
    for (item, source) in places.zip(sources) {
        let CertificateSource::Arn(arn) = source else { continue };
        let home = match arn.split(':').collect::<Vec<_>>().as_slice() {
            ["arn", _, "acm", home, ..] => *home,
            _ => continue,
        };
        if home != region {
            let refusal = Refusal::new(format!("the certificate is in {home}, the stack in {region}"))
                .hint("a load balancer takes ACM certificates of its own region only");
            item.at("arn").report(problems, refusal);
        }
    }
}

/// Addresses that stay decide the subnets, so that a list of these may only say the same.
fn check_addresses(root: &Item, balancer: &LoadBalancer, network: &Network, problems: &mut Problems) {
    let LoadBalancer::Network(balancer) = balancer else { return };
    if balancer.addresses.is_empty() {
        return;
    }
    let agree = match &network.subnets {
        SubnetSelector::All => true,
        SubnetSelector::Ids(ids) => {
            ids.len() == balancer.addresses.len() && ids.iter().all(|id| balancer.addresses.contains_key(id))
        }
        SubnetSelector::Tags(_) => false,
    };
    if !agree {
        let refusal = Refusal::new("load_balancer.addresses names other subnets than this")
            .hint("remove network.subnets: the addresses decide, one for each subnet");
        root.at("network").at("subnets").report(problems, refusal);
    }
}
