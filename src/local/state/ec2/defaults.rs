//! What a region holds before anyone touches it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{InternetGateway, Region, RouteTable, Rule, SecurityGroup, Subnet, Vpc};
use crate::local::state::Tags;

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
        let routes = RouteTable {
            id: fixed_id(name, "rtb"),
            vpc_id: vpc_id.clone(),
            internet_gateway: Some(gateway.id.clone()),
            tags: Tags::new(),
        };
        region.route_tables.insert(routes.id.clone(), routes);
        region.internet_gateways.insert(gateway.id.clone(), gateway);
        let group_id = fixed_id(name, "sg");
        let rules = [fixed_id(&format!("{name}/ingress"), "sgr"), fixed_id(&format!("{name}/egress"), "sgr")];
        let group = SecurityGroup::default_of(&vpc_id, group_id, rules);
        region.security_groups.insert(group.id.clone(), group);
        let vpc =
            Vpc { id: vpc_id.clone(), cidr: "172.31.0.0/16".to_owned(), is_default: true, tags: Tags::new() };
        region.vpcs.insert(vpc_id, vpc);
        region
    }
}

impl SecurityGroup {
    /// The group named `default` that every VPC comes with; the rules' ids are the ingress one's and the
    /// egress one's.
    pub(crate) fn default_of(vpc_id: &str, id: String, [ingress, egress]: [String; 2]) -> Self {
        let rules = vec![Rule::all_among(ingress, &id), Rule::all_egress(egress)];
        Self {
            id,
            name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc_id: vpc_id.to_owned(),
            rules,
            tags: Tags::new(),
        }
    }
}

/// The zones that a new account sees in a region.
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

/// The id of a zone, `use1-az1` for us-east-1a. AWS shuffles these from account to account; here they follow
/// the letters.
pub(crate) fn zone_id(zone: &str) -> String {
    let (region, letter) = zone.split_at(zone.len().saturating_sub(1));
    let number = letter.bytes().next().map_or(0, |byte| byte.saturating_sub(b'a') + 1);
    let mut short = String::new();
    for (index, word) in region.split('-').enumerate() {
        // The area in full, then the direction's initials: `ap-northeast-1` is `apne1`.
        let code = match (index, word) {
            (0, area) => area,
            (_, "northeast") => "ne",
            (_, "northwest") => "nw",
            (_, "southeast") => "se",
            (_, "southwest") => "sw",
            (_, other) => other.get(..1).unwrap_or_default(),
        };
        short.push_str(code);
    }
    format!("{short}-az{number}")
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
        assert_eq!(region.default_security_group(&vpc.id).unwrap().rules.len(), 2);
        assert_eq!(vpc.id.len(), "vpc-".len() + 17);
        assert_eq!(region, Region::new("us-east-1"));
        assert_ne!(region.vpcs, Region::new("eu-west-1").vpcs);
    }

    #[test]
    fn zone_ids_have_the_short_name_of_the_region() {
        for (zone, id) in [
            ("us-east-1a", "use1-az1"),
            ("eu-central-1c", "euc1-az3"),
            ("ap-northeast-1d", "apne1-az4"),
            ("us-gov-west-1b", "usgw1-az2"),
        ] {
            assert_eq!(zone_id(zone), id);
        }
    }
}
