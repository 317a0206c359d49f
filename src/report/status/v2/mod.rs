//! The live state of an Application or a Network load balancer.

mod json;
#[cfg(test)]
mod tests;
mod text;

use crate::provision::aws::TargetHealth;
use crate::provision::resource::v2::{LoadBalancer, LoadBalancerState, Record, TargetGroup};
use crate::provision::resource::{Kind, RESOURCE_TAG, ResourceKey};

/// An Application or a Network load balancer, its target groups and what these say of their targets.
pub(crate) struct V2Status {
    /// The load balancer.
    pub(crate) load_balancer: LoadBalancer,
    /// Its target groups.
    pub(crate) groups: Vec<GroupStatus>,
    /// The DNS records that lead to it.
    pub(crate) records: Vec<Record>,
}

/// A target group and what it says of its targets.
pub(crate) struct GroupStatus {
    /// The target group.
    pub(crate) group: TargetGroup,
    /// What it says of its targets.
    pub(crate) health: Vec<TargetHealth>,
}

impl GroupStatus {
    /// Returns its name in the spec, or in AWS where it has none there.
    fn name(&self) -> String {
        let tag = self.group.tags.0.get(RESOURCE_TAG).and_then(|tag| tag.parse::<ResourceKey>().ok());
        let key = tag.filter(|key| key.kind == Kind::TargetGroup);
        key.map_or_else(|| self.group.name.clone(), |key| key.name)
    }

    fn proxied(&self) -> bool {
        self.group.attributes.get("proxy_protocol_v2.enabled").is_some_and(|value| value == "true")
    }
}

impl V2Status {
    /// Says whether a listener shows the certificate to clients that name no host.
    pub(super) fn has_as_default(&self, certificate: &str) -> bool {
        let mut listeners = self.load_balancer.listeners.values();
        listeners.any(|listener| listener.certificate.as_deref() == Some(certificate))
    }

    /// Returns what the spec calls the group with this ARN.
    fn group_name(&self, arn: &str) -> String {
        let found = self.groups.iter().find(|found| found.group.arn == arn);
        found.map_or_else(|| arn.to_owned(), GroupStatus::name)
    }
}

fn state(state: &LoadBalancerState) -> (&'static str, Option<&str>) {
    match state {
        LoadBalancerState::Provisioning => ("provisioning", None),
        LoadBalancerState::Active => ("active", None),
        LoadBalancerState::ActiveImpaired => ("active_impaired", None),
        LoadBalancerState::Failed(reason) => ("failed", Some(reason)),
    }
}
