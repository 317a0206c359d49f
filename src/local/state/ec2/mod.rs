//! EC2's records, and the look-ups that several services need. What an operation checks is in `api::ec2`.

mod defaults;
mod instance;
mod launch_template;
mod network;
mod options;
mod security_group;

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub(crate) use defaults::zone_id;
pub(crate) use instance::{Instance, InstanceState, Launch, ProfileAssociation};
pub(crate) use launch_template::{LaunchTemplate, LaunchTemplateVersion};
pub(crate) use network::{
    Address, InternetGateway, NetworkInterface, RouteTable, Subnet, Vpc, inside_address,
};
pub(crate) use options::{AclEntry, ConnectionTracking, MetadataOptions};
pub(crate) use security_group::{Direction, Peer, Ports, Rule, SecurityGroup, Traffic};

/// EC2 in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// The availability zones' names.
    pub(crate) zones: Vec<String>,
    /// VPCs by id.
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    /// Internet gateways by id.
    pub(crate) internet_gateways: BTreeMap<String, InternetGateway>,
    /// Route tables by id.
    pub(crate) route_tables: BTreeMap<String, RouteTable>,
    /// Subnets by id.
    pub(crate) subnets: BTreeMap<String, Subnet>,
    /// Security groups by id.
    pub(crate) security_groups: BTreeMap<String, SecurityGroup>,
    /// Instances by id.
    pub(crate) instances: BTreeMap<String, Instance>,
    /// Launches by client token.
    pub(crate) launches: BTreeMap<String, Launch>,
    /// Launch templates by id.
    pub(crate) launch_templates: BTreeMap<String, LaunchTemplate>,
    /// Network interfaces by id.
    pub(crate) network_interfaces: BTreeMap<String, NetworkInterface>,
    /// The entries of VPCs' network ACLs by VPC, where they were changed.
    pub(crate) network_acls: BTreeMap<String, Vec<AclEntry>>,
    /// Metadata services by instance, where they were changed.
    pub(crate) metadata_options: BTreeMap<String, MetadataOptions>,
    /// Connection tracking by network interface, where it was changed.
    pub(crate) connection_tracking: BTreeMap<String, ConnectionTracking>,
    /// Elastic addresses by allocation id.
    pub(crate) addresses: BTreeMap<String, Address>,
}

impl Region {
    /// The default VPC.
    pub(crate) fn default_vpc(&self) -> Option<&Vpc> {
        self.vpcs.values().find(|vpc| vpc.is_default)
    }

    /// The default subnet of a zone.
    pub(crate) fn default_subnet(&self, zone: &str) -> Option<&Subnet> {
        self.subnets.values().find(|subnet| subnet.default_for_zone && subnet.zone == zone)
    }

    /// The blocks of a subnet's VPC and of the subnet.
    pub(crate) fn blocks_of(&self, subnet: &str) -> Option<(Ipv4Net, Ipv4Net)> {
        let subnet = self.subnets.get(subnet)?;
        let vpc = self.vpcs.get(&subnet.vpc_id)?;
        Some((vpc.cidr.parse().ok()?, subnet.cidr.parse().ok()?))
    }

    /// The security group named `default` of a VPC.
    pub(crate) fn default_security_group(&self, vpc_id: &str) -> Option<&SecurityGroup> {
        self.security_groups.values().find(|group| group.vpc_id == vpc_id && group.name == "default")
    }

    /// Whether an internet gateway is attached to a VPC.
    pub(crate) fn has_internet_gateway(&self, vpc_id: &str) -> bool {
        self.internet_gateways.values().any(|gateway| gateway.vpc_id.as_deref() == Some(vpc_id))
    }
}
