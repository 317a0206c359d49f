//! The network and the instances that a stack selects.

use std::collections::BTreeSet;

use super::super::aws::ec2::{self, Condition};
use super::super::aws::{AwsError, Clients};
use super::super::resource::{
    Instance, InstanceSelector, InstanceState, LoadBalancer, Stack, Subnet, SubnetSelector, Tags, Vpc,
    VpcSelector,
};

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

/// Reads the subnets that fit the selection within `vpcs`, and those that `attached` is attached to.
pub(super) async fn subnets(
    clients: &Clients,
    stack: &Stack,
    vpcs: &[Vpc],
    attached: Option<&LoadBalancer>,
) -> Result<Vec<Subnet>, AwsError> {
    let in_use = attached.map(|balancer| balancer.subnets.clone()).unwrap_or_default();
    if let SubnetSelector::Ids(ids) = &stack.subnets {
        let ids: BTreeSet<_> = ids.union(&in_use).collect();
        return ec2::subnets(clients, &[Condition::new("subnet-id", ids)]).await;
    }
    let vpcs: BTreeSet<&String> =
        vpcs.iter().map(|vpc| &vpc.id).chain(attached.and_then(|balancer| balancer.vpc.as_ref())).collect();
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

/// Adds to the `tagged` instances those selected by id and those registered with `balancer`. One that is
/// terminated is gone: EC2 forgets it within the hour.
pub(super) async fn instances(
    clients: &Clients,
    selector: &InstanceSelector,
    tagged: Vec<Instance>,
    balancer: Option<&LoadBalancer>,
) -> Result<Selected, AwsError> {
    let known: BTreeSet<&String> = tagged.iter().map(|instance| &instance.id).collect();
    let unknown: BTreeSet<&String> = selector
        .ids
        .iter()
        .chain(balancer.iter().flat_map(|balancer| &balancer.instances))
        .filter(|id| !known.contains(id))
        .collect();
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
