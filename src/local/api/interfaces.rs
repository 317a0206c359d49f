//! The network interfaces of load balancers' nodes, which follow their subnets and security groups.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::local::ids::Ids;
use crate::local::state::Tags;
use crate::local::state::ec2::{NetworkInterface, Region, Subnet};

/// The nodes of one load balancer: one in each subnet.
pub(super) struct Nodes<'a> {
    /// What their network interfaces are described as; no other load balancer's are.
    pub(super) description: &'a str,
    /// Who owns them.
    pub(super) requester: &'a str,
    pub(super) security_groups: &'a [String],
    pub(super) places: Vec<Node<'a>>,
}

/// A node, and the static addresses that it may have.
pub(super) struct Node<'a> {
    pub(super) subnet_id: &'a str,
    /// Out of the subnet.
    pub(super) private_address: Option<Ipv4Addr>,
    /// An elastic one.
    pub(super) allocation_id: Option<&'a str>,
}

impl Nodes<'_> {
    /// Makes the network interfaces what the nodes are.
    pub(super) fn sync(self, region: &mut Region, ids: &mut Ids) {
        let mut missing = self.places;
        region.network_interfaces.retain(|_, interface| {
            if !is_of(interface, self.description, self.requester) {
                return true;
            }
            interface.security_groups = self.security_groups.to_vec();
            let wanted = missing.iter().position(|node| node.subnet_id == interface.subnet_id);
            wanted.map(|index| missing.remove(index)).is_some()
        });
        for node in missing {
            let Some(subnet) = region.subnets.get(node.subnet_id) else { continue };
            let interface = NetworkInterface {
                id: ids.resource("eni"),
                vpc_id: subnet.vpc_id.clone(),
                zone: subnet.zone.clone(),
                private_ip: node.private_address.unwrap_or_else(|| free_address(region, subnet)),
                subnet_id: node.subnet_id.to_owned(),
                allocation_id: node.allocation_id.map(str::to_owned),
                security_groups: self.security_groups.to_vec(),
                description: self.description.to_owned(),
                requester_id: Some(self.requester.to_owned()),
                instance_id: None,
                tags: Tags::new(),
            };
            region.network_interfaces.insert(interface.id.clone(), interface);
        }
    }
}

/// Takes the network interfaces of a load balancer away.
pub(super) fn remove(region: &mut Region, description: &str, requester: &str) {
    region.network_interfaces.retain(|_, interface| !is_of(interface, description, requester));
}

fn is_of(interface: &NetworkInterface, description: &str, requester: &str) -> bool {
    interface.requester_id.as_deref() == Some(requester) && interface.description == description
}

/// An address of a subnet that no interface has. The first four of each subnet are AWS's own
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
fn free_address(region: &Region, subnet: &Subnet) -> Ipv4Addr {
    let network: Option<Ipv4Net> = subnet.cidr.parse().ok();
    let taken = |address: &Ipv4Addr| {
        region.network_interfaces.values().any(|interface| interface.private_ip == *address)
    };
    let free = network.and_then(|network| network.hosts().skip(3).find(|address| !taken(address)));
    free.unwrap_or(Ipv4Addr::UNSPECIFIED)
}
