//! EC2's records, and the default network that every region comes with.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::Tags;

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
    /// Subnets by id.
    pub(crate) subnets: BTreeMap<String, Subnet>,
    /// Security groups by id.
    pub(crate) security_groups: BTreeMap<String, SecurityGroup>,
    /// Instances by id.
    pub(crate) instances: BTreeMap<String, Instance>,
    /// Network interfaces by id.
    pub(crate) network_interfaces: BTreeMap<String, NetworkInterface>,
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

/// A security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc_id: String,
    pub(crate) tags: Tags,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) state: InstanceState,
    pub(crate) vpc_id: String,
    pub(crate) subnet_id: String,
    pub(crate) zone: String,
    /// In 127.64.0.0/16, so that a process on this machine can listen there.
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) security_groups: Vec<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) launched_at: OffsetDateTime,
    pub(crate) tags: Tags,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InstanceState {
    Pending,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NetworkInterface {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) subnet_id: String,
    pub(crate) zone: String,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) security_groups: Vec<String>,
    /// `ELB NAME` for a Classic load balancer's.
    pub(crate) description: String,
    /// Who asked for it, `amazon-elb` for a load balancer's; such interfaces are requester-managed.
    pub(crate) requester_id: Option<String>,
    /// The instance that it is attached to.
    pub(crate) instance_id: Option<String>,
    pub(crate) tags: Tags,
}

impl Region {
    /// A region as a new account finds it: a default VPC with an internet gateway, a default security group
    /// and a default subnet in each zone. Its ids follow from the region's name.
    pub(crate) fn new(name: &str) -> Self {
        let mut region = Self { zones: zones(name), ..Self::default() };
        let vpc_id = fixed_id(name, "vpc");
        for (index, zone) in region.zones.iter().enumerate() {
            let id = fixed_id(zone, "subnet");
            let subnet = Subnet {
                id: id.clone(),
                vpc_id: vpc_id.clone(),
                zone: zone.clone(),
                cidr: format!("172.31.{}.0/20", index * 16),
                default_for_zone: true,
                tags: Tags::new(),
            };
            region.subnets.insert(id, subnet);
        }
        let gateway =
            InternetGateway { id: fixed_id(name, "igw"), vpc_id: Some(vpc_id.clone()), tags: Tags::new() };
        region.internet_gateways.insert(gateway.id.clone(), gateway);
        let group = SecurityGroup {
            id: fixed_id(name, "sg"),
            name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc_id: vpc_id.clone(),
            tags: Tags::new(),
        };
        region.security_groups.insert(group.id.clone(), group);
        let vpc =
            Vpc { id: vpc_id.clone(), cidr: "172.31.0.0/16".to_owned(), is_default: true, tags: Tags::new() };
        region.vpcs.insert(vpc_id, vpc);
        region
    }

    /// The default VPC.
    pub(crate) fn default_vpc(&self) -> Option<&Vpc> {
        self.vpcs.values().find(|vpc| vpc.is_default)
    }

    /// The default subnet of a zone.
    pub(crate) fn default_subnet(&self, zone: &str) -> Option<&Subnet> {
        self.subnets.values().find(|subnet| subnet.default_for_zone && subnet.zone == zone)
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

/// The zones of a region. us-east-1 has six, the others three or more; three are enough for every rule here.
fn zones(region: &str) -> Vec<String> {
    let letters = match region {
        "us-east-1" => "abcdef",
        "us-west-2" | "ap-northeast-2" => "abcd",
        "us-west-1" => "ac",
        "ca-central-1" => "abd",
        "ap-northeast-1" => "acd",
        _ => "abc",
    };
    letters.chars().map(|letter| format!("{region}{letter}")).collect()
}

/// The id of something that a region comes with: always the same for one region.
fn fixed_id(seed: &str, prefix: &str) -> String {
    let digest = Sha256::digest(format!("{seed}/{prefix}"));
    let mut id = format!("{prefix}-");
    for byte in &digest[..9] {
        let _ = write!(id, "{byte:02x}");
    }
    id.truncate(prefix.len() + 1 + 17);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_region_has_a_default_subnet_in_each_zone() {
        let region = Region::new("us-east-1");
        assert_eq!(region.zones.len(), 6);
        assert!(region.zones.iter().all(|zone| region.default_subnet(zone).is_some()));
        let vpc = region.default_vpc().unwrap();
        assert!(region.has_internet_gateway(&vpc.id));
        assert!(region.default_security_group(&vpc.id).is_some());
        assert_eq!(vpc.id.len(), "vpc-".len() + 17);
        assert_eq!(region, Region::new("us-east-1"));
        assert_ne!(region.vpcs, Region::new("eu-west-1").vpcs);
    }
}
