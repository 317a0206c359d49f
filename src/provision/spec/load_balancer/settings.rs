//! Fields that several types of load balancer share, read and checked in one way.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{AddressType, LogBucket, Scheme};
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::text::reserved_prefix;
use crate::provision::spec::{LoadBalancerName, StackName};

pub(super) fn name(item: &Item, stack: Read<&StackName>, problems: &mut Problems) -> Read<LoadBalancerName> {
    if let Some(name) = item.text("name")? {
        return Ok(LoadBalancerName(name.to_owned()));
    }
    let stack = stack?.as_str();
    match reserved_prefix(stack) {
        Ok(()) => Ok(LoadBalancerName(stack.to_owned())),
        Err(refusal) => {
            let hint = "give load_balancer.name, whose default is the stack";
            item.report(problems, Refusal::new(refusal.reason).hint(hint));
            Err(Invalid)
        }
    }
}

pub(super) fn scheme(item: &Item) -> Read<Scheme> {
    Ok(match item.text("scheme")? {
        Some("internal") => Scheme::Internal,
        Some(_) | None => Scheme::InternetFacing,
    })
}

pub(super) fn address_type(item: &Item) -> Read<AddressType> {
    Ok(match item.text("ip_address_type")? {
        Some("dualstack") => AddressType::Dualstack,
        Some(_) | None => AddressType::Ipv4,
    })
}

/// Reads `ingress:`, by default everybody who has an address of the load balancer's type.
pub(super) fn ingress(item: &Item, addresses: AddressType, problems: &mut Problems) -> Read<Vec<IpNet>> {
    if item.get("ingress").is_none() {
        let everybody = IpNet::V4(Ipv4Net::default());
        return Ok(match addresses {
            AddressType::Ipv4 => vec![everybody],
            AddressType::Dualstack => vec![everybody, IpNet::V6(Ipv6Net::default())],
        });
    }
    let texts = item.texts("ingress", problems)?;
    texts.iter().map(|text| text.parse().map_err(|_| Invalid)).collect()
}

pub(super) fn logs(item: Option<&Item>) -> Read<Option<LogBucket>> {
    let Some(item) = item else { return Ok(None) };
    let bucket = item.text("bucket")?.ok_or(Invalid)?.to_owned();
    Ok(Some(LogBucket { bucket, prefix: item.text("prefix")?.map(str::to_owned) }))
}

/// Reports listeners on a port that another one has; `ports` holds each listener's place and port.
pub(super) fn check_ports<'a>(ports: impl Iterator<Item = (usize, &'a Item, u16)>, problems: &mut Problems) {
    let mut seen: Vec<(usize, u16)> = Vec::new();
    for (at, item, port) in ports {
        if let Some((first, _)) = seen.iter().find(|(_, other)| *other == port) {
            let refusal = Refusal::new(format!("{port} is already used by listeners[{first}]"))
                .hint("give each listener of a load balancer a port of its own");
            item.at("port").report(problems, refusal);
        }
        seen.push((at, port));
    }
}
