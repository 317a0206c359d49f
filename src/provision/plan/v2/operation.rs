//! The calls that Application and Network load balancers and their DNS records are made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::provision::plan::{Reference, TagChange};
use crate::provision::resource::v2::{
    Action, AddressType, Condition, Family, HealthCheck, Protocol, Record, SubnetAddress, Target, TargetKind,
};
use crate::provision::resource::{ResourceKey, Scheme, Tags};

/// A load balancer to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewLoadBalancer {
    /// Its name.
    pub name: String,
    /// Which kind it is.
    pub family: Family,
    /// Who may reach it.
    pub scheme: Scheme,
    /// Which addresses clients may use.
    pub address_type: AddressType,
    /// The ids of its subnets, each with the address that stays, if it has one.
    pub subnets: BTreeMap<String, Option<SubnetAddress>>,
    /// Its security groups.
    pub security_groups: Vec<Reference>,
    /// Its tags.
    pub tags: Tags,
}

/// A target group and the share of requests that it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedGroup {
    /// The target group.
    pub group: Reference,
    /// 0–999. A group with the weight 0 gets nothing, and has its targets checked.
    pub weight: u16,
}

/// What a listener or a rule is to do with a request, with target groups that may still have to be made.
pub type NewAction = Action<Vec<WeightedGroup>>;

/// What `CreateListener` and `ModifyListener` set, all of it each time. What does not go with the protocol (a
/// certificate and a policy with `HTTP`) is absent and must be absent from the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerSettings {
    /// The port that it listens on.
    pub port: u16,
    /// What clients speak to it.
    pub protocol: Protocol,
    /// The predefined security policy of a secure listener.
    pub ssl_policy: Option<String>,
    /// AWS's name of the ALPN policy; on a `TLS` listener, none stands for `None`.
    pub alpn_policy: Option<String>,
    /// The default certificate of a secure listener.
    pub certificate: Option<Reference>,
    /// What is done with a request that no rule fits.
    pub default_action: NewAction,
}

/// A target group to create: what is fixed for its life, and its health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTargetGroup {
    /// Its name.
    pub name: String,
    /// What targets are spoken to.
    pub protocol: Protocol,
    /// `HTTP1`, for groups of an ALB.
    pub protocol_version: Option<String>,
    /// The port of a target that is registered without one.
    pub port: u16,
    /// The VPC that its targets are in.
    pub vpc: String,
    /// What its targets are named by.
    pub kind: TargetKind,
    /// How targets are checked.
    pub health_check: HealthCheck,
    /// Its tags.
    pub tags: Tags,
}

/// A load balancer that a DNS record leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasTarget {
    /// The Classic load balancer of this name.
    Classic(String),
    /// The Application or Network load balancer with this ARN.
    V2(Reference),
}

/// An alias record to create or to overwrite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRecord {
    /// The id of its zone.
    pub zone: String,
    /// The whole name without the dot at its end.
    pub name: String,
    /// The types to write, all in one change: `A`, and `AAAA` where the load balancer has IPv6.
    pub kinds: BTreeSet<String>,
    /// Where it leads.
    pub target: AliasTarget,
    /// Its weight, where several records share the name.
    pub weight: Option<u8>,
    /// What tells it from the others of its name.
    pub set_identifier: Option<String>,
}

/// One call, or one wait, of a plan for an Application or a Network load balancer.
///
/// Every operation can be repeated, as those of [`Operation`](crate::provision::plan::Operation) can. A
/// [`Reference`] to a load balancer, a target group, a listener or a rule stands for its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "kebab-case")]
pub enum V2Operation {
    /// `CreateLoadBalancer`, then waits until it is active. Outputs the ARN.
    CreateLoadBalancer {
        /// The resource whose ARN this outputs.
        key: ResourceKey,
        /// The load balancer.
        new: NewLoadBalancer,
    },
    /// `DeleteLoadBalancer`, then waits until its name is free.
    DeleteLoadBalancer {
        /// Its ARN.
        arn: String,
        /// Its name, for words.
        name: String,
    },
    /// `SetSubnets`: replaces the whole set.
    SetSubnets {
        /// The load balancer.
        load_balancer: Reference,
        /// The whole set.
        subnets: BTreeMap<String, Option<SubnetAddress>>,
    },
    /// `SetSecurityGroups`: replaces the whole set.
    SetSecurityGroups {
        /// The load balancer.
        load_balancer: Reference,
        /// The whole set.
        security_groups: Vec<Reference>,
    },
    /// `SetIpAddressType`.
    SetAddressType {
        /// The load balancer.
        load_balancer: Reference,
        /// The new type.
        address_type: AddressType,
    },
    /// `ModifyLoadBalancerAttributes`. A key that AWS does not know there is left out with a warning.
    ModifyLoadBalancerAttributes {
        /// The load balancer.
        load_balancer: Reference,
        /// Those that change, by AWS's keys.
        attributes: BTreeMap<String, String>,
    },
    /// `CreateTargetGroup`. Outputs the ARN.
    CreateTargetGroup {
        /// The resource whose ARN this outputs.
        key: ResourceKey,
        /// The target group.
        new: NewTargetGroup,
    },
    /// `ModifyTargetGroup`: the whole health check.
    ModifyHealthCheck {
        /// The target group.
        group: Reference,
        /// The health check.
        health_check: HealthCheck,
    },
    /// `ModifyTargetGroupAttributes`.
    ModifyTargetGroupAttributes {
        /// The target group.
        group: Reference,
        /// Those that change, by AWS's keys.
        attributes: BTreeMap<String, String>,
    },
    /// `DeleteTargetGroup`.
    DeleteTargetGroup {
        /// Its ARN.
        arn: String,
        /// Its name, for words.
        name: String,
    },
    /// `RegisterTargets`.
    RegisterTargets {
        /// The target group.
        group: Reference,
        /// The targets.
        targets: BTreeSet<Target>,
    },
    /// `DeregisterTargets`.
    DeregisterTargets {
        /// The target group.
        group: String,
        /// The targets.
        targets: BTreeSet<Target>,
    },
    /// Waits until no target of the group is draining.
    AwaitDrained {
        /// The target group.
        group: String,
        /// Its deregistration delay in seconds, by which it should be over.
        delay: u32,
    },
    /// Waits until each of the groups has a healthy target.
    AwaitHealthy {
        /// The target groups.
        groups: Vec<Reference>,
        /// For how long at most.
        seconds: u32,
    },
    /// `CreateListener`. Outputs the ARN.
    CreateListener {
        /// The resource whose ARN this outputs.
        key: ResourceKey,
        /// The load balancer.
        load_balancer: Reference,
        /// The listener.
        settings: ListenerSettings,
        /// Its tags.
        tags: Tags,
    },
    /// `ModifyListener`, in place.
    ModifyListener {
        /// The listener.
        listener: Reference,
        /// All of its settings.
        settings: ListenerSettings,
    },
    /// `ModifyListenerAttributes`.
    ModifyListenerAttributes {
        /// The listener.
        listener: Reference,
        /// Its port, for words.
        port: u16,
        /// Those that change, by AWS's keys.
        attributes: BTreeMap<String, String>,
    },
    /// `DeleteListener`; its rules go with it.
    DeleteListener {
        /// Its ARN.
        arn: String,
        /// Its port, for words.
        port: u16,
    },
    /// `AddListenerCertificates`: those chosen by SNI.
    AddListenerCertificates {
        /// The listener.
        listener: Reference,
        /// Its port, for words.
        port: u16,
        /// The certificates to add.
        certificates: Vec<Reference>,
    },
    /// `RemoveListenerCertificates`.
    RemoveListenerCertificates {
        /// The listener.
        listener: Reference,
        /// Its port, for words.
        port: u16,
        /// The ARNs of the certificates to remove.
        certificates: BTreeSet<String>,
    },
    /// `CreateRule`.
    CreateRule {
        /// The listener.
        listener: Reference,
        /// Its port, for words.
        port: u16,
        /// 1–50000.
        priority: u16,
        /// Its conditions.
        conditions: Vec<Condition>,
        /// What is done where they hold.
        action: NewAction,
        /// Its tags.
        tags: Tags,
    },
    /// `ModifyRule`, in place: conditions and action.
    ModifyRule {
        /// Its ARN.
        arn: String,
        /// The listener's port, for words.
        port: u16,
        /// Its conditions.
        conditions: Vec<Condition>,
        /// What is done where they hold.
        action: NewAction,
    },
    /// `SetRulePriorities`: all in one call, so that no request meets a gap.
    SetRulePriorities {
        /// The listener's port, for words.
        port: u16,
        /// The new priorities by the rules' ARNs.
        priorities: BTreeMap<String, u16>,
    },
    /// `DeleteRule`.
    DeleteRule {
        /// Its ARN.
        arn: String,
        /// The listener's port, for words.
        port: u16,
    },
    /// `AddTags` and `RemoveTags` on anything that has an ARN.
    SetTags {
        /// The resource's ARN.
        arn: String,
        /// The resource, for words.
        key: ResourceKey,
        /// What to set and to remove.
        tags: TagChange,
    },
    /// Route 53 `ChangeResourceRecordSets` with `UPSERT`, then waits until every server has it (`INSYNC`).
    UpsertRecord {
        /// The record.
        record: NewRecord,
        /// Records that may not stand beside it, or no longer do: deleted in the same change.
        replaces: Vec<Record>,
    },
    /// Route 53 `ChangeResourceRecordSets` with `DELETE`. A record that has come to lead elsewhere is left alone.
    DeleteRecord {
        /// The record.
        record: Record,
    },
    /// Waits until resolvers have forgotten what a changed record said: an alias of a load balancer lives for
    /// 60 seconds (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resource-record-sets-choosing-alias-non-alias.html>).
    AwaitResolvers {
        /// The record's name, for words.
        name: String,
        /// For how long.
        seconds: u32,
    },
}
