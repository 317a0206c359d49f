//! The network and the instances that a stack selects.

use std::collections::BTreeSet;

use super::super::aws::ec2::{self, Condition};
use super::super::aws::{AwsError, Clients};
use super::super::resource::v2::TargetKind;
use super::super::resource::{
    AutoScalingGroup, Instance, InstanceSelector, InstanceState, LoadBalancer, Stack, Subnet, SubnetSelector,
    Tags, Vpc, VpcSelector,
};
use super::v2::V2;

/// What the load balancers found so far are attached to.
#[derive(Debug, Default)]
pub(super) struct Attached {
    pub(super) vpcs: BTreeSet<String>,
    pub(super) subnets: BTreeSet<String>,
    pub(super) instances: BTreeSet<String>,
    /// The ARNs of the certificates on their listeners.
    pub(super) certificates: BTreeSet<String>,
}

impl Attached {
    pub(super) fn to(classic: Option<&LoadBalancer>, v2: &V2) -> Self {
        let mut attached = Self::default();
        if let Some(balancer) = classic {
            attached.vpcs.extend(balancer.vpc.clone());
            attached.subnets.extend(balancer.subnets.iter().cloned());
            attached.instances.extend(balancer.instances.iter().cloned());
            let certificates =
                balancer.listeners.values().filter_map(|listener| listener.certificate.clone());
            attached.certificates.extend(certificates);
        }
        for balancer in &v2.load_balancers {
            attached.vpcs.insert(balancer.vpc.clone());
            attached.subnets.extend(balancer.subnets.keys().cloned());
            for listener in balancer.listeners.values() {
                attached.certificates.extend(listener.certificate.clone());
                attached.certificates.extend(listener.additional_certificates.iter().cloned());
            }
        }
        for group in v2.target_groups.iter().filter(|group| group.kind == Some(TargetKind::Instance)) {
            attached.instances.extend(group.targets.iter().map(|target| target.id.clone()));
        }
        attached
    }
}

/// The instances that there are, and the ids for which there is none.
pub(super) struct Selected {
    pub(super) instances: Vec<Instance>,
    pub(super) missing: BTreeSet<String>,
}

pub(super) async fn vpcs(clients: &Clients, selector: &VpcSelector) -> Result<Vec<Vpc>, AwsError> {
    let conditions = match selector {
        VpcSelector::Default => vec![Condition::new("is-default", ["true"])],
        // By filter, since an unknown id would fail the call.
        VpcSelector::Id(id) => vec![Condition::new("vpc-id", [id])],
        VpcSelector::Tags(tags) => Condition::tags(tags),
    };
    ec2::vpcs(clients, &conditions).await
}

/// Reads the subnets that fit the selection within `vpcs`, and those that load balancers are attached to.
pub(super) async fn subnets(
    clients: &Clients,
    stack: &Stack,
    vpcs: &[Vpc],
    attached: &Attached,
) -> Result<Vec<Subnet>, AwsError> {
    let in_use = &attached.subnets;
    if let SubnetSelector::Ids(ids) = &stack.subnets {
        let ids: BTreeSet<_> = ids.union(in_use).collect();
        return ec2::subnets(clients, &[Condition::new("subnet-id", ids)]).await;
    }
    let vpcs: BTreeSet<&String> = vpcs.iter().map(|vpc| &vpc.id).chain(&attached.vpcs).collect();
    if vpcs.is_empty() {
        return Ok(Vec::new());
    }
    let mut subnets = ec2::subnets(clients, &[Condition::new("vpc-id", vpcs)]).await?;
    if let SubnetSelector::Tags(tags) = &stack.subnets {
        subnets.retain(|subnet| in_use.contains(&subnet.id) || subnet.tags.include(tags));
    }
    Ok(subnets)
}

/// Reads the running instances with all of the tags; none where there are no tags.
pub(super) async fn tagged_instances(clients: &Clients, tags: &Tags) -> Result<Vec<Instance>, AwsError> {
    if tags.0.is_empty() {
        return Ok(Vec::new());
    }
    let mut conditions = Condition::tags(tags);
    conditions.push(Condition::new("instance-state-name", ["running"]));
    ec2::instances(clients, &conditions).await
}

/// Adds to the `tagged` instances those selected by id, those of Auto Scaling groups and those registered with load balancers. One that is
/// terminated is gone: EC2 forgets it within the hour.
pub(super) async fn instances(
    clients: &Clients,
    selector: &InstanceSelector,
    tagged: Vec<Instance>,
    attached: &Attached,
    groups: &[AutoScalingGroup],
) -> Result<Selected, AwsError> {
    let known: BTreeSet<&String> = tagged.iter().map(|instance| &instance.id).collect();
    let members = groups.iter().flat_map(|group| &group.instances);
    let wanted = selector.ids.iter().chain(&attached.instances).chain(members);
    let unknown: BTreeSet<&String> = wanted.filter(|id| !known.contains(id)).collect();
    let others = if unknown.is_empty() {
        Vec::new()
    } else {
        // By filter, since an unknown id would fail the call.
        ec2::instances(clients, &[Condition::new("instance-id", unknown)]).await?
    };
    let mut instances: Vec<_> = tagged
        .into_iter()
        .chain(others)
        .filter(|instance| instance.state != InstanceState::Terminated)
        .collect();
    instances.sort_by(|a, b| a.id.cmp(&b.id));
    let missing =
        selector.ids.iter().filter(|id| !instances.iter().any(|found| found.id == **id)).cloned().collect();
    Ok(Selected { instances, missing })
}
