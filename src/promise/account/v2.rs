//! What AWS says of an Application or a Network load balancer, its target groups and their targets.

use std::collections::BTreeSet;

use super::cause_of_rules;
use crate::promise::Outcome;
use crate::promise::cause::Cause;
use crate::provision::aws::{AwsError, Clients, TargetHealth};
use crate::provision::observe::target_health;
use crate::provision::resource::v2::{Action, DesiredLoadBalancer, LoadBalancer, TargetGroup};
use crate::provision::resource::{Kind, RESOURCE_TAG, ResourceKey};

const PROXY_PROTOCOL: &str = "proxy_protocol_v2.enabled";
const HTTP1: &str = "HTTP1";

#[derive(Debug)]
pub(super) struct V2 {
    balancer: LoadBalancer,
    /// The names in the spec of the groups that it describes.
    desired: BTreeSet<String>,
    /// The groups that the load balancer uses.
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// Its name in the spec, or in AWS where it has none there.
    name: String,
    seen: TargetGroup,
    health: Vec<TargetHealth>,
}

impl V2 {
    pub(super) async fn read(
        clients: &Clients,
        desired: &DesiredLoadBalancer,
        balancer: LoadBalancer,
        groups: &[TargetGroup],
    ) -> Result<Self, AwsError> {
        let mut found = Vec::new();
        for group in groups.iter().filter(|group| group.load_balancers.contains(&balancer.arn)) {
            let health = target_health(clients, group).await?;
            found.push(Group { name: name(group), seen: group.clone(), health });
        }
        Ok(Self { balancer, desired: desired.target_groups.keys().cloned().collect(), groups: found })
    }

    pub(super) fn has_listener(&self, port: u16) -> bool {
        self.balancer.listeners.contains_key(&port)
    }

    fn named<'a>(&'a self, names: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Group> {
        self.groups.iter().filter(|found| names.contains(&found.name))
    }

    /// Whether any of the groups gets a PROXY header.
    pub(super) fn sends_header(&self, groups: &BTreeSet<String>) -> bool {
        let mut groups = self.named(groups);
        groups.any(|found| found.seen.attributes.get(PROXY_PROTOCOL).is_some_and(|value| value == "true"))
    }

    /// Whether any target of the groups gets connections.
    pub(super) fn any_in_service(&self, groups: &BTreeSet<String>) -> bool {
        groups.is_empty() || self.named(groups).any(|found| found.health.iter().any(TargetHealth::is_healthy))
    }

    /// The protocol version of a group that the listener forwards to and that is not HTTP1.
    pub(super) fn other_version(&self, port: u16) -> Option<&str> {
        let listener = self.balancer.listeners.get(&port)?;
        let actions = listener.rules.iter().map(|rule| &rule.action).chain([&listener.default_action]);
        let arns: BTreeSet<&String> = actions
            .filter_map(|action| match action {
                Action::Forward(forward) => Some(forward.groups.keys()),
                Action::Redirect { .. } | Action::FixedResponse { .. } | Action::Other(_) => None,
            })
            .flatten()
            .collect();
        let used = self.groups.iter().filter(|found| arns.contains(&found.seen.arn));
        used.filter_map(|found| found.seen.protocol_version.as_deref()).find(|version| *version != HTTP1)
    }

    /// How the targets of each group of the spec stand.
    pub(super) fn targets(&self, lacks_rules: bool) -> Vec<(String, Outcome)> {
        let group = |name: &String| {
            let found = self.groups.iter().find(|found| found.name == *name);
            (name.clone(), found.map_or_else(unused, |found| found.targets(lacks_rules)))
        };
        self.desired.iter().map(group).collect()
    }
}

/// What a group is called.
fn name(group: &TargetGroup) -> String {
    let tag = group.tags.0.get(RESOURCE_TAG).and_then(|tag| tag.parse::<ResourceKey>().ok());
    let key = tag.filter(|key| key.kind == Kind::TargetGroup);
    key.map_or_else(|| group.name.clone(), |key| key.name)
}

fn unused() -> Outcome {
    Outcome::Broken {
        error: "no listener of the load balancer forwards to the target group".to_owned(),
        causes: vec![Cause::new(
            "the listener is gone, or forwards elsewhere",
            "`elbws apply SPEC` makes listeners and rules as load_balancer.listeners says",
        )],
    }
}

impl Group {
    fn targets(&self, lacks_rules: bool) -> Outcome {
        let registered = || self.health.iter().filter(|found| found.is_registered());
        let (serving, idle): (Vec<_>, Vec<_>) = registered().partition(|found| found.is_healthy());
        let names = |list: &[&TargetHealth]| {
            list.iter().map(|found| found.target.to_string()).collect::<Vec<_>>().join(", ")
        };
        if idle.is_empty() && !serving.is_empty() {
            return Outcome::Kept(format!("healthy: {}", names(&serving)));
        }
        let causes = if idle.is_empty() {
            vec![Cause::new(
                "no target is registered",
                "instances.ids or instances.tags (or ips of the target group), then `elbws apply SPEC`",
            )]
        } else {
            let rules = lacks_rules.then(cause_of_rules);
            rules.into_iter().chain(idle.iter().map(|found| self.reason(found))).collect()
        };
        let error = if serving.is_empty() {
            "no target is healthy".to_owned()
        } else {
            format!("not healthy: {}; healthy: {}", names(&idle), names(&serving))
        };
        Outcome::Broken { error, causes }
    }

    /// Why a target is not healthy, by AWS's reason code.
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html#target-health-reason-codes>
    fn reason(&self, found: &TargetHealth) -> Cause {
        let words = found.words().unwrap_or_else(|| "AWS gives no reason".to_owned());
        let code = found.reason.as_deref().unwrap_or_default();
        let coded = if code.is_empty() { String::new() } else { format!(" ({code})") };
        let mend = match code {
            "Elb.RegistrationInProgress" | "Elb.InitialHealthChecking" => {
                "wait: `elbws status SPEC --watch`".to_owned()
            }
            "Elb.InternalError" => "AWS mends this itself".to_owned(),
            "Target.NotInUse" => {
                "network.subnets: a subnet of the target's zone; load_balancer.listeners that forward to it"
                    .to_owned()
            }
            "Target.InvalidState" => "start the instance, or take it out of instances".to_owned(),
            _ => {
                let check = format!("load_balancer.target_groups.{}.health_check", self.name);
                format!("what the health check asks for must answer: {check}, proxy.health")
            }
        };
        Cause::new(format!("{}: {}{coded}", found.target, words.trim_end_matches('.')), mend)
    }
}
