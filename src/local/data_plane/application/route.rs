//! What a request to an Application Load Balancer is to get, read from the state as it is when it arrives.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::condition::{self, Subject};
use super::stickiness::{self, Stickiness};
use crate::local::account::Inner;
use crate::local::admission::Balancer;
use crate::local::data_plane::backend::{Protocol, Target, Way};
use crate::local::data_plane::connections::Tenure;
use crate::local::data_plane::entrance::{self, Found};
use crate::local::data_plane::front::{Family, Front};
use crate::local::data_plane::group::{Member, crosses_zones, in_one_zone, members};
use crate::local::data_plane::refusal::Refusal;
use crate::local::data_plane::tls::Terms;
use crate::local::data_plane::turns::{Turns, chance};
use crate::local::data_plane::weights::pick;
use crate::local::state::elbv2::{
    self, Action, Attributes, FixedResponse, Forward, ProtocolVersion, Redirect, TargetGroup,
};

/// What becomes of a request.
#[derive(Debug)]
pub(super) struct Route {
    /// The rule that took it, for the log; 0 for the default one.
    pub(super) priority: u16,
    pub(super) action: Step,
    pub(super) balancer: Attributes,
    pub(super) listener: Attributes,
    pub(super) idle_timeout: Duration,
    /// What ports of this machine are above the real ones.
    pub(super) offset: u16,
}

/// The one action of the rule.
#[derive(Debug)]
pub(super) enum Step {
    Forward(Box<Plan>),
    Redirect(Redirect),
    Fixed(FixedResponse),
}

/// A group, and how its target is chosen.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) group: String,
    /// For how long the client stays with the group, where it does.
    pub(super) group_sticks: Option<u32>,
    pub(super) way: Way,
    pub(super) version: ProtocolVersion,
    pub(super) targets: Vec<Target>,
    pub(super) stickiness: Option<Stickiness>,
    pub(super) algorithm: Algorithm,
}

/// How one of several targets is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    RoundRobin,
    LeastOutstanding,
    Random,
}

fn find<'a>(inner: &'a Inner, front: &Front) -> Result<Found<'a>, Refusal> {
    match &front.family {
        Family::Application { listener, .. } => entrance::find(inner, front, listener),
        Family::Classic { .. } | Family::Network { .. } => Err(Refusal::Gone),
    }
}

/// Lets a client in, on the terms of its handshake if there is one.
pub(in crate::local::data_plane) fn enter(
    inner: &Inner,
    front: &Front,
    client: IpAddr,
) -> Result<Option<Terms>, Refusal> {
    let found = find(inner, front)?;
    let both = found.load_balancer.attributes.flag("routing.http2.enabled");
    let alpn: &[&'static str] = if both { &["h2", "http/1.1"] } else { &["http/1.1"] };
    entrance::enter(inner, front, found, client, alpn)
}

/// How long clients' connections last: without a byte, and at all.
pub(super) struct Lifetime {
    pub(super) idle: Duration,
    pub(super) keep_alive: Duration,
}

impl Lifetime {
    pub(super) fn of(inner: &Inner, front: &Front) -> Result<Self, Refusal> {
        let attributes = &find(inner, front)?.load_balancer.attributes;
        let keep_alive = attributes.number("client_keep_alive.seconds").unwrap_or(3600);
        Ok(Self { idle: idle_timeout(attributes), keep_alive: Duration::from_secs(keep_alive) })
    }
}

impl Route {
    pub(super) fn of(
        inner: &Inner,
        front: &Front,
        subject: &Subject<'_>,
        turns: &Turns,
    ) -> Result<Self, Refusal> {
        let found = find(inner, front)?;
        let rule = condition::rule(found.listener, subject);
        let action = rule.map_or(&found.listener.default_action, |(_, rule)| &rule.action);
        let of = rule.map_or(&found.listener.default_rule_arn, |(_, rule)| &rule.arn);
        let action = match action {
            Action::Forward(forward) => {
                Step::Forward(Box::new(plan(inner, front, found, (of, forward), subject, turns)?))
            }
            Action::Redirect(redirect) => Step::Redirect(redirect.clone()),
            Action::FixedResponse(fixed) => Step::Fixed(fixed.clone()),
        };
        Ok(Self {
            priority: rule.map_or(0, |(priority, _)| priority),
            action,
            balancer: found.load_balancer.attributes.clone(),
            listener: found.listener.attributes.clone(),
            idle_timeout: idle_timeout(&found.load_balancer.attributes),
            offset: inner.settings.port_offset,
        })
    }
}

fn idle_timeout(attributes: &Attributes) -> Duration {
    Duration::from_secs(attributes.number("idle_timeout.timeout_seconds").unwrap_or(60))
}

fn plan(
    inner: &Inner,
    front: &Front,
    found: Found<'_>,
    (rule, forward): (&str, &Forward),
    subject: &Subject<'_>,
    turns: &Turns,
) -> Result<Plan, Refusal> {
    let Found { region, load_balancer, .. } = found;
    let headers = &subject.request.headers;
    let stuck = forward.stickiness.and_then(|_| stickiness::group(headers, &forward.groups));
    let arn = stuck.or_else(|| pick(&forward.groups, turns.next(rule))).ok_or(Refusal::Gone)?;
    let group = region.elbv2.target_groups.get(arn).ok_or(Refusal::Gone)?;
    let mut members = members(inner, front, found, group, &Balancer::from(load_balancer));
    if !crosses_zones(found, group) {
        (members, _) = in_one_zone(found, members, turns.next(&format!("{arn} zones")));
    }
    let algorithm = match group.attributes.get("load_balancing.algorithm.type") {
        "least_outstanding_requests" => Algorithm::LeastOutstanding,
        "weighted_random" => Algorithm::Random,
        _ => Algorithm::RoundRobin,
    };
    if algorithm == Algorithm::RoundRobin {
        let seconds = group.attributes.number("slow_start.duration_seconds").unwrap_or(0);
        members = rested(Duration::from_secs(seconds), members, Instant::now(), chance());
    }
    let version = group.protocol_version.unwrap_or(ProtocolVersion::Http1);
    let protocol = match version {
        ProtocolVersion::Http1 => Protocol::Http1,
        ProtocolVersion::Http2 | ProtocolVersion::Grpc => Protocol::Http2,
    };
    Ok(Plan {
        group: arn.to_owned(),
        group_sticks: forward.stickiness,
        way: Way {
            source: load_balancer.address,
            secure: group.protocol.is_secure(),
            protocol,
            alpn: (protocol == Protocol::Http2).then_some("h2"),
        },
        version,
        targets: members.into_iter().map(|member| member.target).collect(),
        stickiness: Stickiness::of(group),
        algorithm,
    })
}

/// The members without those that start slowly and are spared this time: a target that became healthy gets a
/// share that grows to a full one, as long as there are others that have theirs.
fn rested(duration: Duration, members: Vec<Member>, now: Instant, chance: f64) -> Vec<Member> {
    if duration.is_zero() {
        return members;
    }
    let age = |member: &Member| member.healthy_since.map(|since| now.saturating_duration_since(since));
    let share = |member: &Member| age(member).map_or(1.0, |age| age.as_secs_f64() / duration.as_secs_f64());
    if members.iter().all(|member| share(member) < 1.0) {
        return members;
    }
    members.into_iter().filter(|member| share(member) > chance).collect()
}

/// How long connections to a target may stay; none for a listener that is gone.
pub(in crate::local::data_plane) fn tenure(inner: &Inner, front: &Front, target: &Target) -> Option<Tenure> {
    let Found { region, load_balancer, .. } = find(inner, front).ok()?;
    let group = region.elbv2.target_groups.get(&target.group);
    let stays = group
        .is_none_or(|group| group.target(&target.id, target.port).is_some_and(elbv2::Target::is_registered));
    let delay = group.map(TargetGroup::deregistration_delay).unwrap_or_default();
    Some(Tenure {
        idle: idle_timeout(&load_balancer.attributes),
        leaving: (!stays).then_some(delay),
        expelled: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_new_targets_share_grows() {
        let born = Instant::now();
        let now = born + Duration::from_secs(100);
        let names = |ages: &[Option<u64>], chance: f64| {
            let members = ages.iter().enumerate().map(|(index, age)| Member {
                target: Target {
                    group: String::new(),
                    id: index.to_string(),
                    port: 80,
                    address: "127.64.0.4:80".parse().unwrap(),
                },
                zone: None,
                healthy: true,
                healthy_since: age.map(|age| now.checked_sub(Duration::from_secs(age)).unwrap()),
            });
            let rested = rested(Duration::from_secs(40), members.collect(), now, chance);
            rested.into_iter().map(|member| member.target.id).collect::<String>()
        };
        assert_eq!(names(&[Some(90), Some(10)], 0.2), "01");
        assert_eq!(names(&[Some(90), Some(10)], 0.3), "0");
        assert_eq!(names(&[None, Some(39)], 0.98), "0");
        assert_eq!(names(&[Some(10), Some(10)], 0.9), "01", "nobody has a full share");
    }
}
