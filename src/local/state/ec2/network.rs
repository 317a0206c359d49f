//! VPCs, subnets, gateways, route tables and network interfaces.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::local::state::Tags;

/// The address of a network that ends as one of this machine's does: instances and load balancers are on loopback, and
/// an instance sees them there.
pub(crate) fn inside_address(network: Ipv4Net, address: Ipv4Addr) -> Ipv4Addr {
    let end = u32::from(address) & 0xffff & u32::from(network.hostmask());
    Ipv4Addr::from(u32::from(network.network()) | end)
}

/// A VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cidr: String,
    pub(crate) is_default: bool,
    pub(crate) tags: Tags,
}

/// An internet gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InternetGateway {
    pub(crate) id: String,
    /// The VPC that it is attached to.
    pub(crate) vpc_id: Option<String>,
    pub(crate) tags: Tags,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    pub(crate) cidr: String,
    pub(crate) default_for_zone: bool,
    pub(crate) tags: Tags,
}

/// The main route table of a VPC: the local route, and one to the internet while a default VPC's gateway is
/// attached. There are no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    /// Where 0.0.0.0/0 goes.
    pub(crate) internet_gateway: Option<String>,
    pub(crate) tags: Tags,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetworkInterface {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) subnet_id: String,
    pub(crate) zone: String,
    pub(crate) private_ip: Ipv4Addr,
    /// The elastic address that it has.
    #[serde(default)]
    pub(crate) allocation_id: Option<String>,
    pub(crate) security_groups: Vec<String>,
    /// `ELB NAME` for a Classic load balancer's.
    pub(crate) description: String,
    /// Who asked for it, `amazon-elb` for a load balancer's; such interfaces are requester-managed.
    pub(crate) requester_id: Option<String>,
    /// The instance that it is attached to.
    pub(crate) instance_id: Option<String>,
    pub(crate) tags: Tags,
}

/// An elastic address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) allocation_id: String,
    /// In 198.51.100.0/24, which is for documentation: nothing answers there.
    pub(crate) public_ip: Ipv4Addr,
    pub(crate) tags: Tags,
}
