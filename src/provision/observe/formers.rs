//! The load balancers that a stack had before it was renamed or became one of another type: its security groups
//! lead back to them.

use std::collections::BTreeSet;

use super::super::aws::{AwsError, Clients, elb};
use super::super::resource::{
    DesiredBalancer, LoadBalancer, LoadBalancerType, RESOURCE_TAG, ResourceKey, SecurityGroup, Stack,
};

/// The names of load balancers that the stack's security groups were made for, but for the desired one's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Formers {
    pub(super) classic: BTreeSet<String>,
    /// Application and Network ones share their names.
    pub(super) v2: BTreeSet<String>,
}

impl Formers {
    pub(super) fn of(groups: &[SecurityGroup], desired: &DesiredBalancer) -> Self {
        let mut formers = Self::default();
        for (kind, name) in groups.iter().filter_map(made_for) {
            match kind {
                LoadBalancerType::Classic => formers.classic.insert(name),
                LoadBalancerType::Application | LoadBalancerType::Network => formers.v2.insert(name),
            };
        }
        match desired {
            DesiredBalancer::Classic(desired) => formers.classic.remove(&desired.name),
            DesiredBalancer::V2(desired) => formers.v2.remove(&desired.name),
        };
        formers
    }
}

/// Reads Classic load balancers by name.
pub(super) async fn classic(
    clients: &Clients,
    names: &BTreeSet<String>,
) -> Result<Vec<LoadBalancer>, AwsError> {
    // One by one: a single unknown name fails a call for several.
    let reads = names.iter().map(|name| elb::load_balancer(clients, name));
    let found = futures_util::future::try_join_all(reads).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Returns the kind and the name of the load balancer that a security group of the stack was made for.
fn made_for(group: &SecurityGroup) -> Option<(LoadBalancerType, String)> {
    let tagged = group
        .tags
        .0
        .get(RESOURCE_TAG)
        .and_then(|tag| tag.parse::<ResourceKey>().ok())
        .and_then(|key| Stack::made_for(&key).map(|(kind, name)| (kind, name.to_owned())));
    tagged.or_else(|| {
        let prefix = Stack::security_group_name(LoadBalancerType::Classic, "");
        group.name.strip_prefix(&prefix).map(|name| (LoadBalancerType::Classic, name.to_owned()))
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
        let tagged = |key: &str| group("renamed", &[(RESOURCE_TAG, key)]);
        let found = |kind, name: &str| Some((kind, name.to_owned()));
        let classic = found(LoadBalancerType::Classic, "ws-old");
        assert_eq!(made_for(&tagged("security-group/ws-old")), classic);
        assert_eq!(made_for(&group("elbws-ws-old", &[])), classic);
        let network = found(LoadBalancerType::Network, "ws-old");
        assert_eq!(made_for(&tagged("security-group/network/ws-old")), network);
        assert_eq!(made_for(&group("other", &[(RESOURCE_TAG, "listener/443")])), None);
    }
}
