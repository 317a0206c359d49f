//! What is in the account and where it is on this machine, told as JSON: for scripts, and for `elbws local`'s own
//! verbs.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::account::Inner;
use super::state::Region;
use super::state::ec2::Instance;
use super::state::elbv2::{Target, TargetGroup};

/// Every instance of every region: its private address, and the ports at which load balancers look for it.
pub(crate) fn instances(inner: &Inner) -> Value {
    let offset = inner.settings.port_offset;
    let mut all = Vec::new();
    for (name, region) in &inner.state.regions {
        for instance in region.ec2.instances.values() {
            let ports: Vec<Value> = ports(region, instance)
                .into_iter()
                .filter_map(|port| {
                    let address = SocketAddr::new(instance.private_ip.into(), port.checked_add(offset)?);
                    Some(json!({ "port": port, "address": address }))
                })
                .collect();
            let balancers = balancers(region, instance);
            all.push(json!({
                "id": instance.id,
                "region": name,
                "name": instance.tags.get("Name"),
                "state": instance.state.name(),
                "address": instance.private_ip,
                "port_offset": offset,
                "load_balancers": balancers,
                "ports": ports,
            }));
        }
    }
    Value::Array(all)
}

/// The load balancers that an instance is registered with, itself or by its address.
fn balancers<'a>(region: &'a Region, instance: &Instance) -> BTreeSet<&'a str> {
    let classic = region.elb.load_balancers.values();
    let classic = classic
        .filter(|balancer| balancer.instances.contains(&instance.id))
        .map(|balancer| balancer.name.as_str());
    let users = registrations(region, instance).flat_map(|(group, _)| region.elbv2.users_of(&group.arn));
    classic.chain(users.map(|balancer| balancer.name.as_str())).collect()
}

/// The instance ports that load balancers and target groups send traffic or health checks to.
fn ports(region: &Region, instance: &Instance) -> BTreeSet<u16> {
    let balancers = region.elb.load_balancers.values();
    let classic =
        balancers.filter(|balancer| balancer.instances.contains(&instance.id)).flat_map(|balancer| {
            let listeners = balancer.listeners.values().map(|listener| listener.instance_port);
            listeners.chain(balancer.health_check.parsed_target().map(|target| target.port))
        });
    let groups = registrations(region, instance)
        .flat_map(|(group, target)| [target.port, group.health_check.port.unwrap_or(target.port)]);
    classic.chain(groups).collect()
}

/// Where target groups have an instance, as itself or by its address.
fn registrations<'a>(
    region: &'a Region,
    instance: &Instance,
) -> impl Iterator<Item = (&'a TargetGroup, &'a Target)> {
    let (id, address) = (instance.id.clone(), instance.private_ip.to_string());
    let targets = region.elbv2.target_groups.values().flat_map(|group| {
        let registered = group.targets.iter().filter(|target| target.is_registered());
        registered.map(move |target| (group, target))
    });
    targets.filter(move |(_, target)| target.id == id || target.id == address)
}
