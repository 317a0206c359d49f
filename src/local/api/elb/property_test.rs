//! Whatever is called in whatever order, the account stays in order and no call ends in a fault of our own.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use time::OffsetDateTime;

use super::{Context, handle};
use crate::local::health::HealthTable;
use crate::local::ids::Ids;
use crate::local::settings::Settings;
use crate::local::state::elb::LoadBalancer;
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

/// One call: an operation and a form from few enough values that calls meet each other's work.
fn call() -> impl Strategy<Value = String> {
    let name = prop_oneof![9 => Just("a"), 3 => Just("b"), 1 => Just("c"), 1 => Just("bad name")];
    let policy = prop_oneof![6 => Just("p"), 3 => Just("q"), 1 => Just("none")];
    let port = prop_oneof![9 => Just("80"), 3 => Just("81"), 1 => Just("0"), 1 => Just("x")];
    let zone = prop_oneof![6 => Just("eu-west-1a"), 3 => Just("eu-west-1b"), 1 => Just("eu-west-1z")];
    let value =
        prop_oneof![6 => Just("true"), 2 => Just("False"), 4 => Just("60"), 1 => Just("5000"), 1 => Just("")];
    let kind = prop_oneof![8 => Just("ProxyProtocolPolicyType"), 1 => Just("X")];
    (0..OPERATIONS.len(), name, policy, port, zone, value, kind).prop_map(
        |(index, name, policy, port, zone, value, kind)| {
            format!(
                "Action={}&LoadBalancerName={name}&LoadBalancerNames.member.1={name}&PolicyName={policy}\
                 &PolicyTypeName={kind}&PolicyNames.member.1={policy}&InstancePort={port}&LoadBalancerPort={port}\
                 &LoadBalancerPorts.member.1={port}&AvailabilityZones.member.1={zone}&CookieName={value}\
                 &Listeners.member.1.Protocol=http&Listeners.member.1.LoadBalancerPort={port}\
                 &Listeners.member.1.InstancePort=80&Tags.member.1.Key={policy}&Tags.member.1.Value={value}\
                 &PolicyAttributes.member.1.AttributeName=ProxyProtocol\
                 &PolicyAttributes.member.1.AttributeValue={value}&Instances.member.1.InstanceId=i-{policy}\
                 &LoadBalancerAttributes.ConnectionSettings.IdleTimeout={value}\
                 &HealthCheck.Target=TCP:{port}&HealthCheck.Interval={value}&HealthCheck.Timeout=5\
                 &HealthCheck.UnhealthyThreshold=2&HealthCheck.HealthyThreshold=2",
                OPERATIONS[index]
            )
        },
    )
}

/// All but those that need what other services hold.
const OPERATIONS: [&str; 24] = [
    "AddTags",
    "ConfigureHealthCheck",
    "CreateAppCookieStickinessPolicy",
    "CreateLBCookieStickinessPolicy",
    "CreateLoadBalancer",
    "CreateLoadBalancerListeners",
    "CreateLoadBalancerPolicy",
    "DeleteLoadBalancer",
    "DeleteLoadBalancerListeners",
    "DeleteLoadBalancerPolicy",
    "DeregisterInstancesFromLoadBalancer",
    "DescribeInstanceHealth",
    "DescribeLoadBalancerAttributes",
    "DescribeLoadBalancerPolicies",
    "DescribeLoadBalancers",
    "DescribeTags",
    "DisableAvailabilityZonesForLoadBalancer",
    "EnableAvailabilityZonesForLoadBalancer",
    "ModifyLoadBalancerAttributes",
    "RegisterInstancesWithLoadBalancer",
    "RemoveTags",
    "SetLoadBalancerListenerSSLCertificate",
    "SetLoadBalancerPoliciesForBackendServer",
    "SetLoadBalancerPoliciesOfListener",
];

fn check(region: &Region, load_balancer: &LoadBalancer) {
    let on_listeners = load_balancer.listeners.values().flat_map(|listener| &listener.policies);
    for name in on_listeners.chain(load_balancer.backend_policies.values().flatten()) {
        assert!(load_balancer.policies.contains_key(name), "{name} is used but not there");
    }
    assert!(load_balancer.backend_policies.values().all(|names| !names.is_empty()));
    let zones: BTreeSet<&String> =
        load_balancer.subnets.iter().map(|id| &region.ec2.subnets[id].zone).collect();
    assert_eq!(zones.len(), load_balancer.subnets.len(), "one subnet a zone");
    assert!(!zones.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_account_stays_in_order(calls in prop::collection::vec(call(), 1..300)) {
        let mut state = State::default();
        let mut ids = Ids::counted();
        state.region_mut(REGION);
        for form in &calls {
            let before = state.clone();
            let params = Params::parse(form.as_bytes());
            let mut context = Context {
                state: &mut state,
                region: REGION,
                now: OffsetDateTime::UNIX_EPOCH,
                ids: &mut ids,
                settings: &SETTINGS,
                health: &HealthTable::default(),
                isolates: false,
            };
            let result = handle(&mut context, params.get("Action").unwrap(), &params);
            if let Err(error) = &result {
                prop_assert!(matches!(error.status, 400 | 409), "{form}: {error:?}");
                prop_assert!(error.code != "InvalidAction", "{form}");
                prop_assert_eq!(&state, &before, "a refusal changes nothing: {}", form);
            }
            let region = &state.regions[REGION];
            let standing: usize = region.elb.load_balancers.values().map(|one| one.subnets.len()).sum();
            prop_assert_eq!(region.ec2.network_interfaces.len(), standing, "an interface in each subnet");
            region.elb.load_balancers.values().for_each(|load_balancer| check(region, load_balancer));
        }
        let saved = serde_json::to_string(&state).unwrap();
        prop_assert_eq!(serde_json::from_str::<State>(&saved).unwrap(), state);
    }
}
