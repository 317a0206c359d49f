//! `load_balancer:` with `type: network`.

mod fields;
mod grammar;
mod listeners;
mod target_group;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::IpNet;
use serde::Serialize;

pub use listeners::{AlpnPolicy, NetworkListener, TLS_IDLE};
pub use target_group::NetworkTargetGroup;

pub(super) use fields::NETWORK_LOAD_BALANCER;

use super::target_group::Groups;
use super::{
    AddressType, Decoded, Front, FrontListener, LoadBalancer, LogBucket, Scheme, Sends, Surroundings,
    TargetGroupName, settings,
};
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::{LoadBalancerName, Seconds};
use listeners::Scene;
use target_group::Inherited;

/// A Network load balancer. It always has a security group of its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NetworkLoadBalancer {
    /// Its name; the stack's unless the spec gives another.
    pub name: LoadBalancerName,
    /// Who can reach it.
    pub scheme: Scheme,
    /// Which addresses visitors may use.
    pub ip_address_type: AddressType,
    /// What its own security group admits; not empty, no host bits, no duplicates.
    pub ingress: Vec<IpNet>,
    /// Whether every node spreads over the targets of all zones.
    pub cross_zone: bool,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: bool,
    /// Where access logs go, if anywhere.
    pub access_logs: Option<LogBucket>,
    /// Addresses that stay, by subnet; where there are any, these are all its subnets.
    pub addresses: BTreeMap<String, SubnetAddress>,
    /// Its listeners, in the spec's order; not empty, each on a port of its own.
    pub listeners: Vec<NetworkListener>,
    /// Its target groups; each is used by a listener, and each that is named there exists.
    pub target_groups: BTreeMap<TargetGroupName, NetworkTargetGroup>,
}

/// An address that stays in one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetAddress {
    /// An Elastic IP address, by its allocation.
    Allocation(String),
    /// An address of the subnet, for an internal load balancer.
    Private(Ipv4Addr),
}

/// WebSockets are silent for minutes; AWS's own default of 350 seconds cuts them.
const IDLE_TIMEOUT: Seconds = Seconds(3600);

pub(super) fn decode(item: &Item, around: &Surroundings<'_>, problems: &mut Problems) -> Decoded {
    if item.as_map().is_err() {
        return Decoded::INVALID;
    }
    let groups = groups(item, around, problems);
    let listeners = match (&groups, item.seconds("idle_timeout", IDLE_TIMEOUT)) {
        (Ok(groups), Ok(idle)) => {
            let scene = Scene { certificate: around.certificate, idle, groups };
            listeners::decode(item, &scene, problems)
        }
        (Err(Invalid), _) | (_, Err(Invalid)) => Err(Invalid),
    };
    if let (Ok(groups), Ok(listeners)) = (&groups, &listeners) {
        let used: BTreeSet<_> = listeners.iter().map(|listener| &listener.target_group).collect();
        groups.report_unused(&used, problems);
        check_agreement(groups, problems);
    }
    let front = front(groups.as_ref(), listeners.as_ref());
    let rest = rest(item, around, listeners, groups, problems);
    Decoded { front, load_balancer: rest.map(LoadBalancer::Network) }
}

fn groups<'a>(
    item: &'a Item,
    around: &Surroundings<'_>,
    problems: &mut Problems,
) -> Read<Groups<'a, NetworkTargetGroup>> {
    let inherited = Inherited {
        proxy_protocol: item.boolean("proxy_protocol", true)?,
        preserve_client_ip: item.boolean("preserve_client_ip", false)?,
    };
    let behind = || around.behind.as_ref().map_err(|invalid| *invalid);
    Groups::decode(item, problems, |item, problems| target_group::decode(item, behind(), inherited, problems))
}

/// A port expects a PROXY header or it does not: groups that share one cannot differ.
fn check_agreement(groups: &Groups<'_, NetworkTargetGroup>, problems: &mut Problems) {
    let mut seen: BTreeMap<u16, (&TargetGroupName, bool)> = BTreeMap::new();
    for (name, item, group) in groups.sound() {
        for port in group.targets.ports_or(group.port) {
            let (first, sends) = *seen.entry(port).or_insert((name, group.proxy_protocol));
            if let Some(item) = item.filter(|_| sends != group.proxy_protocol) {
                let (with, without) = if sends { (first, name) } else { (name, first) };
                let refusal = Refusal::new(format!(
                    "port {port} gets a PROXY header from target group {with} and none from {without}"
                ));
                item.at("proxy_protocol").report(problems, refusal.hint("give the two different ports"));
            }
        }
    }
}

fn front(
    groups: Result<&Groups<'_, NetworkTargetGroup>, &Invalid>,
    listeners: Result<&Vec<NetworkListener>, &Invalid>,
) -> Read<Front> {
    let (groups, listeners) = (groups.map_err(|_| Invalid)?, listeners.map_err(|_| Invalid)?);
    let mut header = BTreeSet::new();
    let mut seen = Vec::new();
    for listener in listeners {
        let group = groups.get(&listener.target_group).ok_or(Invalid)?;
        let instance_ports = group.targets.ports_or(group.port);
        if group.proxy_protocol {
            header.extend(&instance_ports);
        }
        seen.push(FrontListener {
            port: listener.port,
            secure: listener.protocol.is_secure(),
            http: false,
            instance_ports,
            idle: listener.idle(),
        });
    }
    Ok(Front { listeners: seen, header, sends: Sends::V2 })
}

fn rest(
    item: &Item,
    around: &Surroundings<'_>,
    listeners: Read<Vec<NetworkListener>>,
    groups: Read<Groups<'_, NetworkTargetGroup>>,
    problems: &mut Problems,
) -> Read<NetworkLoadBalancer> {
    let name = settings::name(item, around.stack, problems);
    let ip_address_type = settings::address_type(item);
    let ingress = ip_address_type.and_then(|addresses| settings::ingress(item, addresses, problems));
    let scheme = settings::scheme(item);
    let addresses = scheme.and_then(|scheme| addresses(item, scheme, problems));
    let listeners = listeners?;
    let used = listeners.iter().map(|listener| listener.target_group.clone()).collect();
    Ok(NetworkLoadBalancer {
        name: name?,
        scheme: scheme?,
        ip_address_type: ip_address_type?,
        ingress: ingress?,
        cross_zone: item.boolean("cross_zone", true)?,
        deletion_protection: item.boolean("deletion_protection", false)?,
        access_logs: settings::logs(item.get("access_logs"))?,
        addresses: addresses?,
        listeners,
        target_groups: groups?.all(&used)?,
    })
}

fn addresses(item: &Item, scheme: Scheme, problems: &mut Problems) -> Read<BTreeMap<String, SubnetAddress>> {
    let Some(list) = item.get("addresses") else { return Ok(BTreeMap::new()) };
    let mut addresses = BTreeMap::new();
    for item in list.as_list()? {
        let subnet = item.text("subnet")?.ok_or(Invalid)?.to_owned();
        let address = match (item.text("allocation")?, item.text("private")?) {
            (Some(id), None) => SubnetAddress::Allocation(id.to_owned()),
            (None, Some(address)) => SubnetAddress::Private(address.parse().map_err(|_| Invalid)?),
            (Some(_), Some(_)) | (None, None) => return Err(Invalid),
        };
        let refusal = match (&address, scheme) {
            (SubnetAddress::Allocation(_), Scheme::Internal) => {
                Some(("allocation", "an internal load balancer has no Elastic IP addresses", "write private"))
            }
            (SubnetAddress::Private(_), Scheme::InternetFacing) => Some((
                "private",
                "AWS takes private addresses for internal load balancers only",
                "write allocation, or scheme: internal",
            )),
            (SubnetAddress::Allocation(_), Scheme::InternetFacing)
            | (SubnetAddress::Private(_), Scheme::Internal) => None,
        };
        if let Some((field, reason, hint)) = refusal {
            item.at(field).report(problems, Refusal::new(reason).hint(hint));
        }
        if addresses.values().any(|other| *other == address) {
            item.report(problems, Refusal::new("another subnet has this address already"));
        }
        if addresses.insert(subnet.clone(), address).is_some() {
            item.at("subnet").report(problems, Refusal::new(format!("{subnet} has an address already")));
        }
    }
    Ok(addresses)
}
