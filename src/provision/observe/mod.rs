//! AWS → [`Observed`]: all that a plan is made against, read in as few calls as it takes.
//!
//! The number of calls does not grow with what else is in the account, but for its target groups, which are listed
//! by pages of 400, and the records of a zone, by pages of 300: load balancers are asked for by name, the rest by
//! filters, and what depends on nothing is read at the same time. It decides nothing.

mod certificates;
mod compute;
mod formers;
mod proxies;
mod v2;

use std::collections::BTreeSet;

use super::aws::{AwsError, Clients, InstanceHealth, TargetHealth, autoscaling, ec2, elb, elbv2};
use super::resource::v2::TargetGroup;
use super::resource::{DesiredBalancer, LoadBalancer, Observed, STACK_TAG, Stack, Tags};
use compute::Attached;
use formers::Formers;

/// Reads what there is of `stack` and of its surroundings.
///
/// That takes three rounds of calls, and for a Classic stack that exists 12 calls in all; more only where instances
/// are selected both by id and by tag, where certificates were imported into ACM, where an Auto Scaling group is
/// attached, and after a rename. A stack with an Application or a Network load balancer takes two rounds more; how
/// many calls, [`v2::observe`] says. What the instances have of the proxy takes as many as [`proxies::observe`] says,
/// and none where it is not to be installed.
pub async fn observe(clients: &Clients, stack: &Stack) -> Result<Observed, AwsError> {
    let owned = [ec2::Condition::new(format!("tag:{STACK_TAG}"), [&stack.name])];
    // What the spec alone leads to.
    let selected_group: BTreeSet<String> = stack.instances.auto_scaling_group.iter().cloned().collect();
    let (described, security_groups, mut rules, vpcs, tagged, listed, mut groups) = tokio::try_join!(
        describe(clients, stack),
        ec2::security_groups(clients, &owned),
        ec2::ingress_rules(clients, &owned),
        compute::vpcs(clients, &stack.vpc),
        compute::tagged_instances(clients, &stack.instances.tags),
        certificates::list(clients, stack),
        autoscaling::groups(clients, &selected_group),
    )?;
    // What the security groups lead to; nothing where there never was such a load balancer.
    let formers = Formers::of(&security_groups, &stack.load_balancer);
    let v2 = Box::pin(v2::observe(clients, stack, &formers.v2)).await?;
    // What the load balancers and the VPC lead to.
    let attached = Attached::to(described.as_ref(), &v2);
    let (completed, former, subnets, selected, certificates) = tokio::try_join!(
        complete(clients, described.clone()),
        formers::classic(clients, &formers.classic),
        compute::subnets(clients, stack, &vpcs, &attached),
        compute::instances(clients, &stack.instances, tagged, &attached, &groups),
        certificates::certificates(clients, stack, listed, &attached.certificates),
    )?;
    let mut load_balancers: Vec<_> = completed.into_iter().chain(former).collect();
    load_balancers.sort_by(|a, b| a.name.cmp(&b.name));
    // What the instances, the load balancers' DNS names and the notes of attachments lead to.
    let noted = noted(stack, &load_balancers, &v2.target_groups);
    let further: BTreeSet<String> = noted.difference(&selected_group).cloned().collect();
    let of_instances: BTreeSet<&String> = security_groups
        .iter()
        .map(|group| &group.id)
        .chain(selected.instances.iter().flat_map(|instance| &instance.security_groups))
        .collect();
    let classic = load_balancers.iter().map(|found| (&found.dns_name, &found.tags));
    let all = classic.chain(v2.load_balancers.iter().map(|found| (&found.dns_name, &found.tags)));
    let (of_groups, records, further, proxies) = tokio::try_join!(
        rules_of(clients, of_instances),
        v2::records(clients, stack, &v2.zones, all.collect()),
        autoscaling::groups(clients, &further),
        proxies::observe(clients, stack, &selected.instances, &groups)
    )?;
    groups.extend(further);
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    rules.extend(of_groups);
    rules.sort();
    rules.dedup();
    Ok(Observed {
        region: clients.region().to_owned(),
        vpcs,
        subnets,
        instances: selected.instances,
        auto_scaling_groups: groups,
        missing_instances: selected.missing,
        certificates,
        security_groups,
        rules,
        load_balancers,
        v2_load_balancers: v2.load_balancers,
        target_groups: v2.target_groups,
        zones: v2.zones,
        records,
        proxies: proxies.proxies,
        programs: proxies.programs,
    })
}

/// Returns the Auto Scaling groups that the stack has attached to what is its own.
fn noted(stack: &Stack, load_balancers: &[LoadBalancer], target_groups: &[TargetGroup]) -> BTreeSet<String> {
    let tags = load_balancers.iter().map(|found| &found.tags);
    let tags = tags.chain(target_groups.iter().map(|found| &found.tags));
    tags.filter(|tags| tags.are_of(&stack.name)).flat_map(Tags::noted).collect()
}

/// Describes the Classic load balancer of the desired name, if it is to be one.
async fn describe(clients: &Clients, stack: &Stack) -> Result<Option<LoadBalancer>, AwsError> {
    match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => elb::description(clients, &classic.name).await,
        DesiredBalancer::V2(_) => Ok(None),
    }
}

async fn rules_of(
    clients: &Clients,
    groups: BTreeSet<&String>,
) -> Result<Vec<super::resource::GroupRule>, AwsError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    ec2::ingress_rules(clients, &[ec2::Condition::new("group-id", groups)]).await
}

/// Reads what the load balancer called `name` says of its instances, sorted by id.
pub async fn instance_health(clients: &Clients, name: &str) -> Result<Vec<InstanceHealth>, AwsError> {
    elb::instance_health(clients, name).await
}

/// Reads what a target group says of its targets, sorted.
pub async fn target_health(clients: &Clients, group: &TargetGroup) -> Result<Vec<TargetHealth>, AwsError> {
    elbv2::target_health(clients, &group.arn).await
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
