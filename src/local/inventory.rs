//! What is in the account and where it is on this machine, told as JSON: for scripts, and for `elbws local`'s own
//! verbs.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};

use super::account::Inner;
use super::state::Region;

/// Every instance of every region: its private address, and the ports at which load balancers look for it.
pub(crate) fn instances(inner: &Inner) -> Value {
    let offset = inner.settings.port_offset;
    let mut all = Vec::new();
    for (name, region) in &inner.state.regions {
        for instance in region.ec2.instances.values() {
            let ports: Vec<Value> = ports(region, &instance.id)
                .into_iter()
                .filter_map(|port| {
                    let address = SocketAddr::new(instance.private_ip.into(), port.checked_add(offset)?);
                    Some(json!({ "port": port, "address": address }))
                })
                .collect();
            let balancers = region.elb.load_balancers.values();
            let balancers: Vec<&String> = balancers
                .filter(|balancer| balancer.instances.contains(&instance.id))
                .map(|balancer| &balancer.name)
                .collect();
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

/// The instance ports that load balancers send traffic or health checks to.
fn ports(region: &Region, instance: &str) -> BTreeSet<u16> {
    let balancers = region.elb.load_balancers.values();
    balancers
        .filter(|balancer| balancer.instances.iter().any(|id| id == instance))
        .flat_map(|balancer| {
            let listeners = balancer.listeners.values().map(|listener| listener.instance_port);
            listeners.chain(balancer.health_check.parsed_target().map(|target| target.port))
        })
        .collect()
}
