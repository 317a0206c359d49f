//! Whatever is called in whatever order, the account stays in order and no call ends in a fault of our own.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::{Context, handle};
use crate::local::health::HealthTable;
use crate::local::ids::Ids;
use crate::local::settings::Settings;
use crate::local::state::elbv2::{Kind, LoadBalancer};
use crate::local::state::{Region, State};
use crate::local::wire::query::Params;

const REGION: &str = "eu-west-1";

const SETTINGS: Settings = Settings {
    assume_healthy: false,
    certificate_visibility_delay: Duration::ZERO,
    command_visibility_delay: Duration::ZERO,
    port_offset: 0,
    load_balancer_quota: 2,
    provisioning: Duration::ZERO,
    health_check_interval: None,
    enforce_security_groups: true,
};

/// One call: an operation and few enough values that calls meet each other's work. Names become ARNs when it is
/// made.
#[derive(Clone, Debug)]
struct Call {
    operation: &'static str,
    balancer: &'static str,
    group: &'static str,
    port: &'static str,
    other_port: &'static str,
    protocol: &'static str,
    action: &'static str,
    value: &'static str,
    zones: &'static [char],
}

const OPERATIONS: [&str; 28] = [
    "AddTags",
    "CreateListener",
    "CreateLoadBalancer",
    "CreateRule",
    "CreateTargetGroup",
    "DeleteListener",
    "DeleteLoadBalancer",
    "DeleteRule",
    "DeleteTargetGroup",
    "DeregisterTargets",
    "DescribeListenerAttributes",
    "DescribeListenerCertificates",
    "DescribeListeners",
    "DescribeLoadBalancers",
    "DescribeRules",
    "DescribeTags",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
    "ModifyListener",
    "ModifyLoadBalancerAttributes",
    "ModifyRule",
    "ModifyTargetGroup",
    "ModifyTargetGroupAttributes",
    "RegisterTargets",
    "RemoveTags",
    "SetIpAddressType",
    "SetRulePriorities",
    "SetSubnets",
];

fn call() -> impl Strategy<Value = Call> {
    let balancer = prop_oneof![6 => Just("a"), 3 => Just("b"), 1 => Just("bad name")];
    let group = prop_oneof![6 => Just("g"), 3 => Just("h"), 1 => Just("none")];
    let port = || prop_oneof![9 => Just("80"), 3 => Just("81"), 1 => Just("0"), 1 => Just("x")];
    let protocol = prop_oneof![4 => Just("HTTP"), 4 => Just("TCP"), 1 => Just("HTTPS"), 1 => Just("")];
    let action =
        prop_oneof![4 => Just("forward"), 2 => Just("redirect"), 2 => Just("fixed-response"), 1 => Just("x")];
    let value = prop_oneof![4 => Just("60"), 2 => Just("true"), 1 => Just("5000"), 1 => Just("")];
    let zones = prop_oneof![6 => Just(&['a', 'b'][..]), 2 => Just(&['a'][..]), 1 => Just(&['b', 'z'][..])];
    let names = (0..OPERATIONS.len(), balancer, group, port(), port());
    (names, protocol, action, value, zones).prop_map(
        |((operation, balancer, group, port, other_port), protocol, action, value, zones)| Call {
            operation: OPERATIONS[operation],
            balancer,
            group,
            port,
            other_port,
            protocol,
            action,
            value,
            zones,
        },
    )
}

impl Call {
    fn form(&self, region: &Region) -> String {
        let balancer = region.elbv2.load_balancers.values().find(|one| one.name == self.balancer);
        let group = region.elbv2.target_groups.values().find(|one| one.name == self.group);
        let listener = balancer.and_then(|one| one.listener_on(self.port.parse().ok()?));
        let rule =
            listener.map(|one| one.rules.values().next().map_or(&one.default_rule_arn, |rule| &rule.arn));
        let balancer = balancer.map_or("x", |one| &one.arn);
        let group = group.map_or("x", |one| &one.arn);
        let listener = listener.map_or("x", |one| &one.arn);
        let rule = rule.map_or("x", |arn| arn);
        let vpc = region.ec2.default_vpc().map_or("", |vpc| &vpc.id);
        let instance = region.ec2.instances.keys().next().map_or("i-1234abcd", |id| id);
        let Self { operation, port, other_port, protocol, action, value, .. } = self;
        let name = if *operation == "CreateTargetGroup" { self.group } else { self.balancer };
        let kind = if *protocol == "TCP" { "network" } else { "application" };
        let mut form = format!(
            "Action={operation}&Name={name}&Type={kind}&LoadBalancerArn={balancer}&TargetGroupArn={group}\
             &ListenerArn={listener}&RuleArn={rule}&Protocol={protocol}&Port={port}&VpcId={vpc}\
             &HealthCheckIntervalSeconds={value}&IpAddressType=ipv4&Priority={other_port}\
             &RulePriorities.member.1.RuleArn={rule}&RulePriorities.member.1.Priority={other_port}\
             &Conditions.member.1.Field=path-pattern&Conditions.member.1.Values.member.1=/{other_port}\
             &Targets.member.1.Id={instance}&Targets.member.1.Port={other_port}\
             &ResourceArns.member.1={balancer}&Tags.member.1.Key=a&Tags.member.1.Value={value}&TagKeys.member.1=a\
             &Attributes.member.1.Key=idle_timeout.timeout_seconds&Attributes.member.1.Value={value}"
        );
        for (index, letter) in self.zones.iter().enumerate() {
            let subnet = region.ec2.default_subnet(&format!("{REGION}{letter}"));
            let id = subnet.map_or("subnet-1", |subnet| &subnet.id);
            let _ = write!(form, "&Subnets.member.{}={id}", index + 1);
        }
        for list in ["Actions", "DefaultActions"] {
            let _ = write!(
                form,
                "&{list}.member.1.Type={action}&{list}.member.1.TargetGroupArn={group}\
                 &{list}.member.1.RedirectConfig.StatusCode=HTTP_301&{list}.member.1.RedirectConfig.Port={other_port}\
                 &{list}.member.1.FixedResponseConfig.StatusCode=503"
            );
        }
        form
    }
}

fn check(region: &Region, load_balancer: &LoadBalancer) {
    let zones: BTreeSet<&String> =
        load_balancer.subnets.iter().map(|mapping| &region.ec2.subnets[&mapping.subnet_id].zone).collect();
    assert_eq!(zones.len(), load_balancer.subnets.len(), "one subnet a zone");
    assert!(zones.len() >= if load_balancer.kind == Kind::Application { 2 } else { 1 });
    let ports: BTreeSet<u16> = load_balancer.listeners.values().map(|listener| listener.port).collect();
    assert_eq!(ports.len(), load_balancer.listeners.len(), "one listener a port");
    for listener in load_balancer.listeners.values() {
        assert_eq!(listener.protocol.is_application(), load_balancer.kind == Kind::Application);
        assert_eq!(listener.protocol.is_secure(), listener.certificate.is_some());
    }
    for arn in load_balancer.target_groups() {
        let group = region.elbv2.target_groups.get(arn).expect("a group in use is there");
        assert_eq!(group.protocol.is_application(), load_balancer.kind == Kind::Application);
        assert_eq!(region.elbv2.users_of(arn).count(), 1, "a group has one load balancer");
    }
}

fn launched(state: &mut State, ids: &mut Ids) {
    let mut context = context(state, ids);
    let params = Params::parse(b"ImageId=ami-12345678&MinCount=1&MaxCount=1");
    crate::local::api::ec2::handle(&mut context, "RunInstances", &params).unwrap();
}

fn context<'a>(state: &'a mut State, ids: &'a mut Ids) -> Context<'a> {
    static HEALTH: std::sync::LazyLock<HealthTable> = std::sync::LazyLock::new(HealthTable::default);
    let now = OffsetDateTime::UNIX_EPOCH;
    Context { state, region: REGION, now, ids, settings: &SETTINGS, health: &HEALTH, isolates: false }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_account_stays_in_order(calls in prop::collection::vec(call(), 1..300)) {
        let mut state = State::default();
        let mut ids = Ids::counted();
        launched(&mut state, &mut ids);
        for call in &calls {
            let before = state.clone();
            let form = call.form(&state.regions[REGION]);
            let params = Params::parse(form.as_bytes());
            let result = handle(&mut context(&mut state, &mut ids), call.operation, &params);
            if let Err(error) = &result {
                prop_assert_eq!(error.status, 400, "{}: {:?}", form, error);
                prop_assert!(error.code != "InvalidAction", "{form}");
                prop_assert_eq!(&state, &before, "a refusal changes nothing: {}", form);
            }
            let region = &state.regions[REGION];
            let standing: usize = region.elbv2.load_balancers.values().map(|one| one.subnets.len()).sum();
            // The instance has one, too.
            prop_assert_eq!(region.ec2.network_interfaces.len(), standing + 1, "an interface in each subnet");
            let names: BTreeSet<&String> = region.elbv2.load_balancers.values().map(|one| &one.name).collect();
            prop_assert_eq!(names.len(), region.elbv2.load_balancers.len());
            region.elbv2.load_balancers.values().for_each(|load_balancer| check(region, load_balancer));
        }
        let saved = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&saved).unwrap(), state);
    }
}
