//! AWS → [`Observed`]: all that a plan is made against, read in as few calls as it takes.
//!
//! The number of calls does not grow with what else is in the account: load balancers are asked for by name,
//! the rest by filters, and what depends on nothing is read at the same time. It decides nothing.

mod certificates;
mod compute;

use std::collections::BTreeSet;

use super::aws::{AwsError, Clients, InstanceHealth, ec2, elb};
use super::resource::{
    LoadBalancer, LoadBalancerType, Observed, RESOURCE_TAG, ResourceKey, STACK_TAG, SecurityGroup, Stack,
};

/// Reads what there is of `stack` and of its surroundings.
///
/// That takes three rounds of calls, and for a stack that exists 12 calls in all; more only where instances
/// are selected both by id and by tag, where certificates were imported into ACM, and after a rename.
pub async fn observe(clients: &Clients, stack: &Stack) -> Result<Observed, AwsError> {
    let name = stack.load_balancer.name();
    let owned = [ec2::Condition::new(format!("tag:{STACK_TAG}"), [&stack.name])];
    // What the spec alone leads to.
    let (described, security_groups, mut rules, vpcs, tagged, listed) = tokio::try_join!(
        elb::description(clients, name),
        ec2::security_groups(clients, &owned),
        ec2::ingress_rules(clients, &owned),
        compute::vpcs(clients, &stack.vpc),
        compute::tagged_instances(clients, &stack.instances.tags),
        certificates::list(clients, stack),
    )?;
    // What the load balancer and the VPC lead to.
    let (completed, former, subnets, selected, certificates) = tokio::try_join!(
        complete(clients, described.clone()),
        former(clients, &security_groups, name),
        compute::subnets(clients, stack, &vpcs, described.as_ref()),
        compute::instances(clients, &stack.instances, tagged, described.as_ref()),
        certificates::certificates(clients, stack, listed, described.as_ref()),
    )?;
    // What the instances lead to.
    let groups: BTreeSet<&String> = security_groups
        .iter()
        .map(|group| &group.id)
        .chain(selected.instances.iter().flat_map(|instance| &instance.security_groups))
        .collect();
    if !groups.is_empty() {
        rules.extend(ec2::ingress_rules(clients, &[ec2::Condition::new("group-id", groups)]).await?);
    }
    rules.sort();
    rules.dedup();
    let mut load_balancers: Vec<_> = completed.into_iter().chain(former).collect();
    load_balancers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Observed {
        region: clients.region().to_owned(),
        vpcs,
        subnets,
        instances: selected.instances,
        missing_instances: selected.missing,
        certificates,
        security_groups,
        rules,
        load_balancers,
        ..Observed::default()
    })
}

/// Reads what the load balancer called `name` says of its instances, sorted by id.
pub async fn instance_health(clients: &Clients, name: &str) -> Result<Vec<InstanceHealth>, AwsError> {
    elb::instance_health(clients, name).await
}

async fn complete(
    clients: &Clients,
    described: Option<LoadBalancer>,
) -> Result<Option<LoadBalancer>, AwsError> {
    match described {
        Some(described) => elb::complete(clients, described).await,
        None => Ok(None),
    }
}

/// Reads the load balancers of other names that the stack's security groups were made for: those of the time
/// before a rename.
async fn former(
    clients: &Clients,
    groups: &[SecurityGroup],
    name: &str,
) -> Result<Vec<LoadBalancer>, AwsError> {
    let names: BTreeSet<String> =
        groups.iter().filter_map(made_for).filter(|former| former != name).collect();
    // One by one: a single unknown name fails a call for several.
    let reads = names.iter().map(|name| elb::load_balancer(clients, name));
    let found = futures_util::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns the name of the load balancer that a security group of the stack was made for.
fn made_for(group: &SecurityGroup) -> Option<String> {
    let tagged = group
        .tags
        .0
        .get(RESOURCE_TAG)
        .and_then(|tag| tag.parse::<ResourceKey>().ok())
        .and_then(|key| Some(Stack::made_for(&key)?.1.to_owned()));
    tagged.or_else(|| {
        let prefix = Stack::security_group_name(LoadBalancerType::Classic, "");
        group.name.strip_prefix(&prefix).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::resource::Tags;

    fn group(name: &str, tags: &[(&str, &str)]) -> SecurityGroup {
        SecurityGroup {
            id: "sg-1".to_owned(),
            name: name.to_owned(),
            vpc: "vpc-1".to_owned(),
            tags: tags.iter().copied().collect::<Tags>(),
        }
    }

    #[test]
    fn a_group_leads_to_its_load_balancer_by_tag_or_by_name() {
        let tagged = group("renamed", &[(RESOURCE_TAG, "security-group/ws-old")]);
        assert_eq!(made_for(&tagged).as_deref(), Some("ws-old"));
        assert_eq!(made_for(&group("elbws-ws-old", &[])).as_deref(), Some("ws-old"));
        assert_eq!(made_for(&group("other", &[(RESOURCE_TAG, "listener/443")])), None);
    }
}
