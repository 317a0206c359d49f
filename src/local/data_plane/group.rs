//! The targets of a group that a load balancer sends traffic to now.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use tokio::time::Instant;

use super::backend::Target;
use super::entrance::Found;
use super::front::Front;
use crate::local::account::Inner;
use crate::local::admission::{self, Balancer};
use crate::local::health::TargetState;
use crate::local::placement::{place, serves_zone, zones};
use crate::local::state::elbv2::{self, TargetGroup};

/// A target that may get traffic.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) target: Target,
    /// None if it is in every zone.
    pub(super) zone: Option<String>,
    /// Whether it gets traffic for that, and not for lack of others.
    pub(super) healthy: bool,
    /// Since when its checks have passed, if they decide.
    pub(super) healthy_since: Option<Instant>,
}

/// The members of a group that get traffic: the healthy ones, or all that are registered where too few are.
///
/// `balancer` is whom the members' security groups are to admit.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-attributes.html#target-group-health>
pub(super) fn members(
    inner: &Inner,
    front: &Front,
    found: Found<'_>,
    group: &TargetGroup,
    balancer: &Balancer<'_>,
) -> Vec<Member> {
    let Found { region, load_balancer, .. } = found;
    let settings = &inner.settings;
    let state =
        |target: &elbv2::Target| inner.health.target((&front.region, region), group, target, settings).state;
    let usable: Vec<(&elbv2::Target, TargetState)> = group
        .targets
        .iter()
        .map(|target| (target, state(target)))
        .filter(|(_, state)| match state {
            TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy => true,
            TargetState::Unused | TargetState::Draining => false,
        })
        .collect();
    let healthy = usable.iter().filter(|(_, state)| *state == TargetState::Healthy).count();
    let open = fails_open(group, healthy, usable.len());
    let member = |(target, state): &(&elbv2::Target, TargetState)| {
        let place = place(region, group, target).filter(|_| open || *state == TargetState::Healthy)?;
        let reached = serves_zone(region, load_balancer, &place)
            && (!settings.enforce_security_groups
                || place
                    .instance
                    .is_none_or(|instance| admission::reaches(&region.ec2, balancer, instance, target.port)));
        let port = target.port.checked_add(settings.port_offset).filter(|_| reached)?;
        Some(Member {
            target: Target {
                group: group.arn.clone(),
                id: target.id.clone(),
                port: target.port,
                address: SocketAddr::new(IpAddr::V4(place.address?), port),
            },
            zone: place.zone.map(str::to_owned),
            healthy: *state == TargetState::Healthy,
            healthy_since: inner.health.healthy_since(&front.region, group, target),
        })
    };
    usable.iter().filter_map(member).collect()
}

/// Whether so few targets are healthy that traffic goes to all of them.
fn fails_open(group: &TargetGroup, healthy: usize, usable: usize) -> bool {
    let minimum = |unit: &str| {
        let key = format!("target_group_health.unhealthy_state_routing.minimum_healthy_targets.{unit}");
        group.attributes.number(&key).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    };
    healthy < minimum("count").max(1) || healthy * 100 < minimum("percentage") * usable
}

/// Whether a target of a group may be reached from every zone.
pub(super) fn crosses_zones(found: Found<'_>, group: &TargetGroup) -> bool {
    let key = "load_balancing.cross_zone.enabled";
    match group.attributes.get(key) {
        "true" => true,
        "false" => false,
        _ => found.load_balancer.attributes.flag(key),
    }
}

/// The members that one of the load balancer's nodes sends to which does not reach beyond its zone. Which node
/// that is goes round those that have members, and of which the number comes along: DNS leads nobody to others.
pub(super) fn in_one_zone(found: Found<'_>, members: Vec<Member>, turn: usize) -> (Vec<Member>, usize) {
    let served: BTreeSet<&str> = zones(found.region, found.load_balancer).collect();
    let has_member = |zone: &&str| members.iter().any(|member| member.is_in(zone));
    let staffed: Vec<&str> = served.into_iter().filter(has_member).collect();
    let nodes = staffed.len().max(1);
    match staffed.get(turn % nodes) {
        Some(zone) => (members.iter().filter(|member| member.is_in(zone)).cloned().collect(), nodes),
        None => (members, nodes),
    }
}

impl Member {
    fn is_in(&self, zone: &str) -> bool {
        self.zone.as_deref().is_none_or(|own| own == zone)
    }
}
