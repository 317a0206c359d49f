//! Everything the account holds, in every region: one file of records a service, and the store that keeps them.
//!
//! Records are data with the look-ups that several services need; what an operation checks is in `api`.

pub(crate) mod acm;
pub(crate) mod ec2;
pub(crate) mod elb;
pub(crate) mod iam;
pub(crate) mod store;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::ACCOUNT_ID;
use super::authority::Authority;

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
    /// ACM.
    #[serde(default)]
    pub(crate) acm: acm::Region,
}

impl State {
    /// The region of that name, with its default network from the first time on.
    pub(crate) fn region_mut(&mut self, name: &str) -> &mut Region {
        self.regions.entry(name.to_owned()).or_insert_with(|| Region {
            ec2: ec2::Region::new(name),
            elb: elb::Region::default(),
            acm: acm::Region::default(),
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
        }
        users
    }

    /// When the certificate of that ARN was imported or uploaded: in the region's ACM, or in IAM.
    pub(crate) fn certificate_created(&self, region: &str, arn: &str) -> Option<OffsetDateTime> {
        let acm = self.regions.get(region).and_then(|region| region.acm.certificates.get(arn));
        let iam = || self.iam.server_certificates.values().find(|certificate| certificate.arn == arn);
        acm.map(|certificate| certificate.created_at)
            .or_else(|| iam().map(|certificate| certificate.uploaded_at))
    }
}
