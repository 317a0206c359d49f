//! Application and Network load balancers, their target groups and their DNS records.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::super::aws::{AwsError, Clients, elbv2, route53};
use super::super::resource::v2::{
    DesiredRecord, LoadBalancer, Record, TargetGroup, Zone, may_be_target_group_of, noted_zones,
};
use super::super::resource::{DesiredBalancer, Stack, Tags};

/// What there is of them, but for the records.
#[derive(Debug, Default)]
pub(super) struct V2 {
    pub(super) load_balancers: Vec<LoadBalancer>,
    pub(super) target_groups: Vec<TargetGroup>,
    pub(super) zones: Vec<Zone>,
}

/// Reads the load balancers of the desired and the `former` names, the target groups that they use or that are the
/// stack's, and the zones of the desired record.
///
/// The number of calls: none for a stack that has none of these. Otherwise one for each name; one for every 400 target
/// groups of the region, since a group that no listener uses any more, or not yet, is found by its name alone and
/// AWS answers only whole names; for each load balancer three, and up to three for each of its listeners and one for
/// every 20 listeners and rules; for the tags of every 20 groups with a name like ours one, and two for each that is
/// the stack's.
pub(super) async fn observe(
    clients: &Clients,
    stack: &Stack,
    former: &BTreeSet<String>,
) -> Result<V2, AwsError> {
    let desired = match &stack.load_balancer {
        DesiredBalancer::V2(desired) => Some(&desired.name),
        DesiredBalancer::Classic(_) => None,
    };
    let names: BTreeSet<&String> = desired.into_iter().chain(former).collect();
    let (described, candidates, zones) = tokio::try_join!(
        // One by one: a single unknown name fails a call for several.
        try_join_all(names.iter().map(|name| elbv2::load_balancer(clients, name))),
        async { if names.is_empty() { Ok(Vec::new()) } else { elbv2::target_groups(clients).await } },
        zones(clients, stack.dns.as_ref()),
    )?;
    let described: Vec<LoadBalancer> = described.into_iter().flatten().collect();
    let ours: BTreeSet<String> = described.iter().map(|found| found.arn.clone()).collect();
    let is_used = |group: &TargetGroup| !group.load_balancers.is_disjoint(&ours);
    let candidates = candidates
        .into_iter()
        .filter(|group| may_be_target_group_of(&stack.name, &group.name) || is_used(group))
        .collect();
    let (load_balancers, target_groups) = tokio::try_join!(
        try_join_all(described.into_iter().map(|found| elbv2::complete(clients, found))),
        elbv2::complete_target_groups(clients, candidates, |group| {
            group.tags.are_of(&stack.name) || is_used(group)
        }),
    )?;
    let mut load_balancers: Vec<LoadBalancer> = load_balancers.into_iter().flatten().collect();
    load_balancers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(V2 { load_balancers, target_groups, zones })
}

async fn zones(clients: &Clients, wanted: Option<&DesiredRecord>) -> Result<Vec<Zone>, AwsError> {
    match wanted {
        Some(wanted) => route53::zones(clients, &wanted.zone).await,
        None => Ok(Vec::new()),
    }
}

/// Reads the records of the desired name, and those that lead to one of the load `balancers`, which are given by their
/// DNS names and tags: a call for every 300 records of each of the zones, which are the desired record's and those of
/// the records that the stack has written.
pub(super) async fn records(
    clients: &Clients,
    stack: &Stack,
    zones: &[Zone],
    balancers: Vec<(&String, &Tags)>,
) -> Result<Vec<Record>, AwsError> {
    let noted = balancers.iter().filter(|(_, tags)| tags.are_of(&stack.name));
    let noted: BTreeSet<&str> = noted.flat_map(|(_, tags)| noted_zones(tags)).collect();
    let zones: BTreeSet<&str> = zones.iter().map(|zone| zone.id.as_str()).chain(noted).collect();
    let leads_here = |record: &Record| {
        let alias = record.alias.as_ref();
        alias.is_some_and(|alias| balancers.iter().any(|(name, _)| route53::same_name(name, alias)))
    };
    let is_wanted = |record: &Record| {
        let desired = stack.dns.as_ref();
        desired.is_some_and(|wanted| route53::same_name(&record.name, &wanted.name)) || leads_here(record)
    };
    let reads = zones.iter().map(async |zone| match route53::records(clients, zone, is_wanted).await {
        // Its records went with it.
        Err(error) if error.is(route53::NO_SUCH_ZONE) => Ok(Vec::new()),
        read => read,
    });
    let mut records: Vec<Record> = try_join_all(reads).await?.into_iter().flatten().collect();
    records.sort_by(|a, b| {
        let key = |record: &Record| {
            (record.zone.clone(), record.name.clone(), record.kind.clone(), record.set_identifier.clone())
        };
        key(a).cmp(&key(b))
    });
    Ok(records)
}
