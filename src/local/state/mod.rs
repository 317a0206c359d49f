//! Everything the account holds, in every region: one file of records a service, and the store that keeps them.
//!
//! Records are data with the look-ups that several services need; what an operation checks is in `api`.

pub(crate) mod acm;
pub(crate) mod autoscaling;
pub(crate) mod ec2;
pub(crate) mod elb;
pub(crate) mod elbv2;
pub(crate) mod iam;
pub(crate) mod route53;
pub(crate) mod s3;
pub(crate) mod ssm;
pub(crate) mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::ACCOUNT_ID;
use super::authority::Authority;
use super::certificate::KeyPair;

/// Tags of a resource, by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// The account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The regions that were asked for, by name.
    pub(crate) regions: BTreeMap<String, Region>,
    /// IAM, which has no regions.
    pub(crate) iam: iam::Iam,
    /// Route 53, which has none either.
    pub(crate) route53: route53::Route53,
    /// S3's buckets, by name.
    pub(crate) buckets: BTreeMap<String, s3::Bucket>,
    /// The authority that signs ACM's certificates, from the first time on that it is needed.
    pub(crate) authority: Option<Authority>,
}

/// What one region holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Region {
    /// EC2.
    pub(crate) ec2: ec2::Region,
    /// Classic ELB.
    #[serde(default)]
    pub(crate) elb: elb::Region,
    /// Application and Network Load Balancers.
    #[serde(default)]
    pub(crate) elbv2: elbv2::Region,
    /// ACM.
    #[serde(default)]
    pub(crate) acm: acm::Region,
    /// Systems Manager.
    #[serde(default)]
    pub(crate) ssm: ssm::Region,
    /// Auto Scaling.
    #[serde(default)]
    pub(crate) autoscaling: autoscaling::Region,
}

impl Region {
    /// The load balancer that has an elastic address, and the subnet in which it has it.
    pub(crate) fn address_user(
        &self,
        allocation_id: &str,
    ) -> Option<(&elbv2::LoadBalancer, &elbv2::SubnetMapping)> {
        let mut balancers = self.elbv2.load_balancers.values();
        balancers.find_map(|balancer| {
            let mut subnets = balancer.subnets.iter();
            let has =
                |mapping: &&elbv2::SubnetMapping| mapping.allocation_id.as_deref() == Some(allocation_id);
            Some((balancer, subnets.find(has)?))
        })
    }
}

impl State {
    /// The region of that name, with its default network from the first time on.
    pub(crate) fn region_mut(&mut self, name: &str) -> &mut Region {
        self.regions.entry(name.to_owned()).or_insert_with(|| Region {
            ec2: ec2::Region::new(name),
            elb: elb::Region::default(),
            elbv2: elbv2::Region::default(),
            acm: acm::Region::default(),
            ssm: ssm::Region::default(),
            autoscaling: autoscaling::Region::default(),
        })
    }

    /// The ARNs of the load balancers, in any region, that serve a certificate.
    pub(crate) fn certificate_users(&self, certificate: &str) -> Vec<String> {
        let mut users = Vec::new();
        for (name, region) in &self.regions {
            let balancers = region.elb.load_balancers.values();
            let serving = balancers.filter(|balancer| balancer.uses_certificate(certificate));
            users.extend(serving.map(|balancer| {
                format!("arn:aws:elasticloadbalancing:{name}:{ACCOUNT_ID}:loadbalancer/{}", balancer.name)
            }));
            let balancers = region.elbv2.load_balancers.values();
            let serving = balancers.filter(|balancer| balancer.uses_certificate(certificate));
            users.extend(serving.map(|balancer| balancer.arn.clone()));
        }
        users
    }

    /// The certificate of that ARN with its key: in the region's ACM, or in IAM.
    pub(crate) fn key_pair(&self, region: &str, arn: &str) -> Option<&KeyPair> {
        let acm = self.regions.get(region).and_then(|region| region.acm.certificates.get(arn));
        let iam = || self.iam.server_certificates.values().find(|certificate| certificate.arn == arn);
        acm.map(|certificate| &certificate.key_pair)
            .or_else(|| iam().map(|certificate| &certificate.key_pair))
    }

    /// An address in 127.65.0.0/16 that no load balancer has, and that instances see in one of the load balancer's
    /// subnets. The search begins at a place that follows from the DNS name, so that several servers on one machine
    /// seldom want the same.
    pub(crate) fn free_address<'a>(
        &self,
        region: &str,
        subnets: impl Iterator<Item = &'a str>,
        dns_name: &str,
    ) -> Ipv4Addr {
        let region = self.regions.get(region);
        let blocks: Vec<(Ipv4Net, Ipv4Net)> =
            subnets.filter_map(|subnet| region?.ec2.blocks_of(subnet)).collect();
        let taken: BTreeSet<Ipv4Addr> = self
            .regions
            .values()
            .flat_map(|region| {
                let classic = region.elb.load_balancers.values().map(|balancer| balancer.address);
                classic.chain(region.elbv2.load_balancers.values().map(|balancer| balancer.address))
            })
            .collect();
        let digest = Sha256::digest(dns_name);
        // All addresses in an order of the name's own: two local AWSs on one machine do not begin with the same ones.
        let start = u16::from_be_bytes([digest[0], digest[1]]);
        let stride = u16::from_be_bytes([digest[2], digest[3]]) | 1;
        let addresses = (0..=u16::MAX).map(|step| {
            let [third, fourth] = start.wrapping_add(step.wrapping_mul(stride)).to_be_bytes();
            Ipv4Addr::new(127, 65, third, fourth)
        });
        // 0.0 and 255.255 look like a network's own and its broadcast address.
        let mut usable = addresses.filter(|address| !matches!(address.octets(), [.., 0, 0] | [.., 255, 255]));
        let is_inside = |address: Ipv4Addr| {
            blocks.iter().any(|(vpc, subnet)| subnet.contains(&ec2::inside_address(*vpc, address)))
        };
        usable.find(|address| !taken.contains(address) && is_inside(*address)).unwrap_or(Ipv4Addr::LOCALHOST)
    }

    /// When the certificate of that ARN was imported or uploaded: in the region's ACM, or in IAM.
    pub(crate) fn certificate_created(&self, region: &str, arn: &str) -> Option<OffsetDateTime> {
        let acm = self.regions.get(region).and_then(|region| region.acm.certificates.get(arn));
        let iam = || self.iam.server_certificates.values().find(|certificate| certificate.arn == arn);
        acm.map(|certificate| certificate.created_at)
            .or_else(|| iam().map(|certificate| certificate.uploaded_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_balancer_is_seen_in_one_of_its_subnets() {
        let mut state = State::default();
        state.region_mut("us-east-1");
        let ec2 = &state.regions["us-east-1"].ec2;
        assert!(ec2.subnets.len() > 1);
        for (id, subnet) in &ec2.subnets {
            let found =
                state.free_address("us-east-1", [id.as_str()].into_iter(), "chat-1.us-east-1.elb.localhost");
            assert_eq!(found.octets()[..2], [127, 65]);
            let vpc: Ipv4Net = ec2.vpcs[&subnet.vpc_id].cidr.parse().unwrap();
            let block: Ipv4Net = subnet.cidr.parse().unwrap();
            assert!(block.contains(&ec2::inside_address(vpc, found)), "{found} is not in {block}");
        }
    }

    #[test]
    fn load_balancers_of_other_accounts_have_other_addresses() {
        let mut state = State::default();
        state.region_mut("us-east-1");
        let subnet = state.regions["us-east-1"].ec2.subnets.keys().next().unwrap();
        let address = |number: usize| {
            let name = format!("chat-{number}.us-east-1.elb.localhost");
            state.free_address("us-east-1", [subnet.as_str()].into_iter(), &name)
        };
        let found: BTreeSet<Ipv4Addr> = (0..100).map(address).collect();
        // Of the 4,096 in the subnet; a few may meet.
        assert!(found.len() > 90, "{found:?}");
    }
}
