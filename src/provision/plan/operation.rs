//! The calls that a plan is made of. An operation carries everything that its call needs, so that nothing is
//! left to decide while it runs; what only AWS can name is a reference to the step that creates it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::proxy::ProxyOperation;
use super::v2::V2Operation;
use crate::provision::resource::{
    Attributes, CertificateFiles, HealthCheck, PolicyKind, Protocol, ResourceKey, RuleSource, Scheme, Tags,
};

/// A resource whose identifier (an id or an ARN) AWS chooses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// It exists and this is its identifier.
    Existing(String),
    /// An earlier step of the plan makes it; that step's output is the identifier.
    Planned(ResourceKey),
}

/// A listener to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewListener {
    /// The port that the load balancer listens on.
    pub port: u16,
    /// What clients speak to it.
    pub protocol: Protocol,
    /// The port on the instances.
    pub instance_port: u16,
    /// What it speaks to the instances.
    pub instance_protocol: Protocol,
    /// Its certificate.
    pub certificate: Option<Reference>,
}

/// An ingress rule to add: TCP to one port from one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NewRule {
    /// The port to admit.
    pub port: u16,
    /// Whom to admit.
    pub source: NewRuleSource,
}

/// Whom a new ingress rule admits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewRuleSource {
    /// An IPv4 or IPv6 range.
    Cidr(String),
    /// Whatever has this security group.
    Group(Reference),
}

impl NewRuleSource {
    /// Says whether an observed rule's source is this one.
    #[must_use]
    pub fn is(&self, observed: &RuleSource) -> bool {
        match (self, observed) {
            (Self::Cidr(new), RuleSource::Cidr(old))
            | (Self::Group(Reference::Existing(new)), RuleSource::Group(old)) => new == old,
            (Self::Cidr(_) | Self::Group(_), _) => false,
        }
    }
}

/// One call, or one wait, of a plan.
///
/// Every operation can be repeated: run a second time, or run where its effect is already there, it ends as it
/// did the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Operation {
    /// A call for an Application or a Network load balancer, or for a DNS record.
    V2(V2Operation),
    /// A step about the proxy on the instances.
    Proxy(ProxyOperation),
    /// ACM `ImportCertificate` or IAM `UploadServerCertificate`. Outputs the ARN.
    ///
    /// The files are read when it runs and refused when the fingerprint is no longer theirs.
    ImportCertificate {
        /// The resource whose identifier this outputs.
        key: ResourceKey,
        /// The files to read.
        files: CertificateFiles,
        /// The ACM certificate to import over; none for a new one.
        over: Option<String>,
        /// The server certificate's name and path in IAM; not used for ACM.
        iam: Option<IamName>,
        /// The tags of a new certificate.
        tags: Tags,
    },
    /// ACM `AddTagsToCertificate` and `RemoveTagsFromCertificate`, or IAM's likes.
    TagCertificate {
        /// The certificate.
        arn: String,
        /// What to set and to remove.
        tags: TagChange,
    },
    /// ACM `DeleteCertificate` or IAM `DeleteServerCertificate`, told apart by the ARN.
    DeleteCertificate {
        /// The certificate.
        arn: String,
    },
    /// EC2 `CreateSecurityGroup`. Outputs the id.
    CreateSecurityGroup {
        /// The resource whose identifier this outputs.
        key: ResourceKey,
        /// Its name, unique in the VPC.
        name: String,
        /// Its description.
        description: String,
        /// The VPC's id.
        vpc: String,
        /// Its tags.
        tags: Tags,
    },
    /// EC2 `AuthorizeSecurityGroupIngress`, all rules in one call.
    AuthorizeIngress {
        /// The group to add them to.
        group: Reference,
        /// The rules.
        rules: Vec<NewRule>,
        /// The tags of each rule.
        tags: Tags,
    },
    /// EC2 `RevokeSecurityGroupIngress` by rule id, all in one call.
    RevokeIngress {
        /// The group to remove them from.
        group: String,
        /// `sgr-…`.
        rules: BTreeSet<String>,
    },
    /// EC2 `CreateTags` and `DeleteTags`.
    TagSecurityGroup {
        /// The group's id.
        id: String,
        /// What to set and to remove.
        tags: TagChange,
    },
    /// Waits until no network interface of the deleted load balancer has the group, then EC2
    /// `DeleteSecurityGroup`.
    DeleteSecurityGroup {
        /// The group's id.
        id: String,
    },
    /// `CreateLoadBalancer` with its listeners.
    CreateLoadBalancer {
        /// Its name.
        name: String,
        /// Who may reach it.
        scheme: Scheme,
        /// The ids of its subnets.
        subnets: BTreeSet<String>,
        /// Its security groups.
        security_groups: Vec<Reference>,
        /// Its listeners.
        listeners: Vec<NewListener>,
        /// Its tags.
        tags: Tags,
    },
    /// `DeleteLoadBalancer`.
    DeleteLoadBalancer {
        /// Its name.
        name: String,
    },
    /// `AddTags` and `RemoveTags`.
    TagLoadBalancer {
        /// Its name.
        name: String,
        /// What to set and to remove.
        tags: TagChange,
    },
    /// `ApplySecurityGroupsToLoadBalancer`: replaces the whole set.
    ApplySecurityGroups {
        /// The load balancer.
        name: String,
        /// The whole set.
        security_groups: Vec<Reference>,
    },
    /// `AttachLoadBalancerToSubnets`.
    AttachSubnets {
        /// The load balancer.
        name: String,
        /// The ids to attach.
        subnets: BTreeSet<String>,
    },
    /// `DetachLoadBalancerFromSubnets`.
    DetachSubnets {
        /// The load balancer.
        name: String,
        /// The ids to detach.
        subnets: BTreeSet<String>,
    },
    /// `CreateLoadBalancerListeners`.
    CreateListeners {
        /// The load balancer.
        name: String,
        /// The listeners.
        listeners: Vec<NewListener>,
    },
    /// `DeleteLoadBalancerListeners`.
    DeleteListeners {
        /// The load balancer.
        name: String,
        /// The listeners' ports.
        ports: BTreeSet<u16>,
    },
    /// `SetLoadBalancerListenerSSLCertificate`: in place, live connections stay.
    SetListenerCertificate {
        /// The load balancer.
        name: String,
        /// The listener's port.
        port: u16,
        /// The new certificate.
        certificate: Reference,
    },
    /// `CreateLoadBalancerPolicy`.
    CreatePolicy {
        /// The load balancer.
        name: String,
        /// The policy's name.
        policy: String,
        /// Its type.
        kind: PolicyKind,
        /// Its attributes.
        attributes: BTreeMap<String, String>,
    },
    /// `DeleteLoadBalancerPolicy`.
    DeletePolicy {
        /// The load balancer.
        name: String,
        /// The policy's name.
        policy: String,
    },
    /// `SetLoadBalancerPoliciesOfListener`: replaces the whole set.
    SetListenerPolicies {
        /// The load balancer.
        name: String,
        /// The listener's port.
        port: u16,
        /// The whole set.
        policies: Vec<String>,
    },
    /// `SetLoadBalancerPoliciesForBackendServer`: replaces the whole set.
    SetBackendPolicies {
        /// The load balancer.
        name: String,
        /// The instance port.
        port: u16,
        /// The whole set.
        policies: Vec<String>,
    },
    /// `ModifyLoadBalancerAttributes`, all of them.
    ModifyAttributes {
        /// The load balancer.
        name: String,
        /// The attributes.
        attributes: Attributes,
    },
    /// `ConfigureHealthCheck`.
    ConfigureHealthCheck {
        /// The load balancer.
        name: String,
        /// The health check.
        health_check: HealthCheck,
    },
    /// `RegisterInstancesWithLoadBalancer`.
    RegisterInstances {
        /// The load balancer.
        name: String,
        /// The instances' ids.
        instances: BTreeSet<String>,
    },
    /// Waits until one of the instances is in service.
    AwaitInService {
        /// The load balancer.
        name: String,
        /// The instances' ids.
        instances: BTreeSet<String>,
    },
    /// Auto Scaling `AttachLoadBalancers` or `AttachLoadBalancerTargetGroups`: AWS registers the group's instances.
    AttachGroup {
        /// The Auto Scaling group.
        group: String,
        /// What it is attached to.
        to: AttachmentPoint,
    },
    /// Auto Scaling `DetachLoadBalancers` or `DetachLoadBalancerTargetGroups`: AWS deregisters the group's instances.
    DetachGroup {
        /// The Auto Scaling group.
        group: String,
        /// What it is detached from.
        from: AttachmentPoint,
        /// Whether to wait until AWS has done so, since some of them are registered again afterwards.
        settled: bool,
    },
    /// `DeregisterInstancesFromLoadBalancer`.
    DeregisterInstances {
        /// The load balancer.
        name: String,
        /// The instances' ids.
        instances: BTreeSet<String>,
    },
}

/// What an Auto Scaling group is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachmentPoint {
    /// The Classic load balancer of this name.
    LoadBalancer(String),
    /// A target group, by its ARN.
    TargetGroup(Reference),
}

/// A server certificate's place in IAM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IamName {
    /// Its name, unique in the account.
    pub name: String,
    /// Its path, `/elbws/STACK/`.
    pub path: String,
}

/// Tags to set and to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagChange {
    /// Tags to add or overwrite.
    pub set: Tags,
    /// Keys to remove.
    pub remove: BTreeSet<String>,
}

impl TagChange {
    /// Returns what makes `from` into `to`; none where they are equal. AWS's own tags are left alone.
    #[must_use]
    pub fn between(from: &Tags, to: &Tags) -> Option<Self> {
        let (from, to) = (from.without_reserved(), to.without_reserved());
        let set: Tags =
            to.0.iter()
                .filter(|(key, value)| from.0.get(*key) != Some(value))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
        let remove: BTreeSet<_> = from.0.keys().filter(|key| !to.0.contains_key(*key)).cloned().collect();
        (!set.0.is_empty() || !remove.is_empty()).then_some(Self { set, remove })
    }

    /// Returns what is to be done at once, and the removal of the tags that are `late`; none where there is nothing
    /// to do.
    pub(super) fn split(self, late: impl Fn(&str) -> bool) -> (Option<Self>, Option<Self>) {
        let (later, now) = self.remove.into_iter().partition(|key| late(key));
        let of = |set: Tags, remove: BTreeSet<String>| {
            (!set.0.is_empty() || !remove.is_empty()).then_some(Self { set, remove })
        };
        (of(self.set, now), of(Tags::default(), later))
    }
}
