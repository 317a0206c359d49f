//! Attributes of load balancers, listeners and target groups: what their values may be.

use super::{Context, arn, invalid_configuration, required_structures};
use crate::local::state::elbv2::{Attributes, Kind, Protocol, ProtocolVersion, TargetType};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The most attributes in one change, by the service model.
const MOST: usize = 20;

/// What the value of an attribute may be.
#[derive(Clone, Copy, Debug)]
enum Value {
    Flag,
    Number(u64, u64),
    /// A number, or `off`.
    OffOr(u64, u64),
    /// 0, or a number.
    ZeroOr(u64, u64),
    Word(&'static [&'static str]),
    /// No longer than that.
    Text(usize),
}

/// The attributes with values that are not just `true` or `false`.
const VALUES: &[(&str, Value)] = &[
    ("access_logs.s3.bucket", Value::Text(63)),
    ("access_logs.s3.prefix", Value::Text(1024)),
    ("client_keep_alive.seconds", Value::Number(60, 604_800)),
    ("connection_logs.s3.bucket", Value::Text(63)),
    ("connection_logs.s3.prefix", Value::Text(1024)),
    ("deregistration_delay.timeout_seconds", Value::Number(0, 3600)),
    (
        "dns_record.client_routing_policy",
        Value::Word(&[
            "any_availability_zone",
            "availability_zone_affinity",
            "partial_availability_zone_affinity",
        ]),
    ),
    ("health_check_logs.s3.bucket", Value::Text(63)),
    ("health_check_logs.s3.prefix", Value::Text(1024)),
    ("idle_timeout.timeout_seconds", Value::Number(1, 4000)),
    ("load_balancing.algorithm.anomaly_mitigation", Value::Word(&["on", "off"])),
    (
        "load_balancing.algorithm.type",
        Value::Word(&["round_robin", "least_outstanding_requests", "weighted_random"]),
    ),
    ("routing.http.desync_mitigation_mode", Value::Word(&["monitor", "defensive", "strictest"])),
    ("routing.http.xff_header_processing.mode", Value::Word(&["append", "preserve", "remove"])),
    ("secondary_ips.auto_assigned.per_subnet", Value::Number(0, 7)),
    ("slow_start.duration_seconds", Value::ZeroOr(30, 900)),
    ("stickiness.app_cookie.cookie_name", Value::Text(256)),
    ("stickiness.app_cookie.duration_seconds", Value::Number(1, 604_800)),
    ("stickiness.lb_cookie.duration_seconds", Value::Number(1, 604_800)),
    ("target_group_health.dns_failover.minimum_healthy_targets.count", Value::OffOr(1, 1000)),
    ("target_group_health.dns_failover.minimum_healthy_targets.percentage", Value::OffOr(1, 100)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.count", Value::Number(1, 1000)),
    ("target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage", Value::OffOr(1, 100)),
    ("target_health_state.unhealthy.draining_interval_seconds", Value::Number(0, 360_000)),
    ("tcp.idle_timeout.seconds", Value::Number(60, 6000)),
    (
        "waf.http2.traffic_inspection_behavior",
        Value::Word(&["inspect_immediately", "inspect_after_sufficient_data"]),
    ),
];

/// What an attribute's resource is called in refusals, and how one of this sort is told from others.
struct Owner {
    noun: &'static str,
    /// `load balancers with type 'network'` or the like.
    sort: String,
    /// What resources of any sort have.
    known: Vec<Attributes>,
}

/// `DescribeLoadBalancerAttributes`.
pub(super) fn describe_load_balancer(
    context: &mut Context<'_>,
    params: &Params,
) -> Result<Members, ApiError> {
    Ok(members(&arn::load_balancer(&mut context.here().elbv2, params)?.attributes))
}

/// `DescribeListenerAttributes`.
pub(super) fn describe_listener(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let listener = arn::listener(&mut context.here().elbv2, params)?;
    check_has_attributes(listener.protocol)?;
    Ok(members(&listener.attributes))
}

/// `DescribeTargetGroupAttributes`.
pub(super) fn describe_target_group(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    Ok(members(&arn::target_group(&mut context.here().elbv2, params)?.attributes))
}

/// `ModifyLoadBalancerAttributes`.
pub(super) fn modify_load_balancer(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let load_balancer = arn::load_balancer(&mut context.here().elbv2, params)?;
    let kind = load_balancer.kind;
    let scheme = load_balancer.scheme;
    let owner = Owner {
        noun: "Load balancer",
        sort: format!("load balancers with type '{}'", kind.name()),
        known: [Kind::Application, Kind::Network]
            .map(|kind| Attributes::of_load_balancer(kind, scheme))
            .to_vec(),
    };
    let new = changed(&load_balancer.attributes, &owner, params)?;
    for logs in ["access_logs", "connection_logs", "health_check_logs"] {
        if new.flag(&format!("{logs}.s3.enabled")) && new.get(&format!("{logs}.s3.bucket")).is_empty() {
            let message = format!("The value of '{logs}.s3.bucket' cannot be empty");
            return Err(invalid_configuration(message));
        }
    }
    if kind == Kind::Application && !new.flag("load_balancing.cross_zone.enabled") {
        let message =
            "Cross-zone load balancing cannot be disabled for load balancers with type 'application'";
        return Err(invalid_configuration(message));
    }
    let addresses = "secondary_ips.auto_assigned.per_subnet";
    if new.number(addresses) < load_balancer.attributes.number(addresses) {
        return Err(invalid_configuration(format!("The value of '{addresses}' cannot be decreased")));
    }
    load_balancer.attributes = new;
    Ok(members(&load_balancer.attributes))
}

/// `ModifyListenerAttributes`.
pub(super) fn modify_listener(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let listener = arn::listener(&mut context.here().elbv2, params)?;
    let protocol = listener.protocol;
    check_has_attributes(protocol)?;
    let owner = Owner {
        noun: "Listener",
        sort: format!("listeners with protocol '{}'", protocol.name()),
        known: [Protocol::Https, Protocol::Tcp].map(Attributes::of_listener).to_vec(),
    };
    listener.attributes = changed(&listener.attributes, &owner, params)?;
    Ok(members(&listener.attributes))
}

/// `ModifyTargetGroupAttributes`.
pub(super) fn modify_target_group(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let group = arn::target_group(&mut context.here().elbv2, params)?;
    let (protocol, target_type) = (group.protocol, group.target_type);
    let owner = Owner {
        noun: "Target group",
        sort: format!("target groups with protocol '{}'", protocol.name()),
        known: known_of_target_groups(target_type),
    };
    let new = changed(&group.attributes, &owner, params)?;
    if protocol.is_application() {
        check_application(&new)?;
    } else {
        check_network(&new, protocol)?;
    }
    group.attributes = new;
    Ok(members(&group.attributes))
}

/// What target groups of any protocol have.
fn known_of_target_groups(target_type: TargetType) -> Vec<Attributes> {
    // HTTP2 has all that other versions have.
    let of = |protocol, version| Attributes::of_target_group(protocol, version, target_type);
    vec![of(Protocol::Http, Some(ProtocolVersion::Http2)), of(Protocol::Tcp, None)]
}

/// What values of an Application Load Balancer's target group must be together.
fn check_application(new: &Attributes) -> Result<(), ApiError> {
    let algorithm = new.get("load_balancing.algorithm.type");
    if algorithm != "round_robin" && new.number("slow_start.duration_seconds") != Some(0) {
        let message =
            format!("Slow start mode cannot be enabled with the load balancing algorithm '{algorithm}'");
        return Err(invalid_configuration(message));
    }
    if new.flag("load_balancing.algorithm.anomaly_mitigation") && algorithm != "weighted_random" {
        let message =
            format!("Anomaly mitigation cannot be enabled with the load balancing algorithm '{algorithm}'");
        return Err(invalid_configuration(message));
    }
    let kind = new.get("stickiness.type");
    if !["lb_cookie", "app_cookie"].contains(&kind) {
        let message = format!("Stickiness type '{kind}' must be one of [app_cookie, lb_cookie]");
        return Err(invalid_configuration(message));
    }
    let cookie = new.get("stickiness.app_cookie.cookie_name");
    if kind == "app_cookie" && new.flag("stickiness.enabled") && cookie.is_empty() {
        return Err(invalid_configuration("A cookie name must be specified for app_cookie stickiness"));
    }
    if ["AWSALB", "AWSALBAPP", "AWSALBTG"].iter().any(|reserved| cookie.starts_with(reserved)) {
        return Err(invalid_configuration(format!("The cookie name '{cookie}' is reserved")));
    }
    Ok(())
}

/// The same of a Network Load Balancer's.
fn check_network(new: &Attributes, protocol: Protocol) -> Result<(), ApiError> {
    let udp = matches!(protocol, Protocol::Udp | Protocol::TcpUdp);
    let kind = new.get("stickiness.type");
    if kind != "source_ip" {
        let message = format!("Stickiness type '{kind}' must be one of [source_ip]");
        return Err(invalid_configuration(message));
    }
    if new.flag("stickiness.enabled") && protocol == Protocol::Tls {
        let message = "Stickiness is not supported for target groups with protocol 'TLS'";
        return Err(invalid_configuration(message));
    }
    if udp && !new.flag("preserve_client_ip.enabled") {
        let message = format!("Client IP preservation cannot be disabled for protocol '{}'", protocol.name());
        return Err(invalid_configuration(message));
    }
    let termination = new.flag("target_health_state.unhealthy.connection_termination.enabled");
    if udp && termination {
        let message = format!(
            "Connection termination of unhealthy targets cannot be enabled for protocol '{}'",
            protocol.name()
        );
        return Err(invalid_configuration(message));
    }
    let interval = new.number("target_health_state.unhealthy.draining_interval_seconds");
    if termination && interval != Some(0) {
        return Err(invalid_configuration(
            "A draining interval needs 'target_health_state.unhealthy.connection_termination.enabled' to be false",
        ));
    }
    Ok(())
}

/// Only what ends TCP or speaks HTTP has any.
fn check_has_attributes(protocol: Protocol) -> Result<(), ApiError> {
    match protocol {
        Protocol::Http | Protocol::Https | Protocol::Tcp | Protocol::TcpUdp => Ok(()),
        Protocol::Tls | Protocol::Udp => Err(ApiError::validation(format!(
            "Attributes are not supported for listeners with protocol '{}'",
            protocol.name()
        ))),
    }
}

/// Attributes with what a request changes.
fn changed(present: &Attributes, owner: &Owner, params: &Params) -> Result<Attributes, ApiError> {
    let given = required_structures(params, "Attributes")?;
    if given.len() > MOST {
        let message = format!("No more than {MOST} attributes can be specified");
        return Err(ApiError::validation(message));
    }
    let mut new = present.clone();
    let mut seen: Vec<&str> = Vec::new();
    let noun = owner.noun;
    for attribute in &given {
        let key = attribute.required("Key")?;
        let value = attribute.get("Value").unwrap_or_default();
        if seen.contains(&key) {
            let message = format!("{noun} attribute key '{key}' was specified more than once");
            return Err(ApiError::validation(message));
        }
        seen.push(key);
        if !present.has(key) {
            let message = if owner.known.iter().any(|known| known.has(key)) {
                format!("{noun} attribute key '{key}' is not supported by {}", owner.sort)
            } else {
                format!("{noun} attribute key '{key}' is not recognized")
            };
            return Err(ApiError::validation(message));
        }
        // Clients write booleans as their language does; they read back in lower case.
        let value = if matches!(kind(key), Value::Flag) { value.to_lowercase() } else { value.to_owned() };
        check_value(key, &value)?;
        new.set(key, &value);
    }
    Ok(new)
}

fn kind(key: &str) -> Value {
    let listed = VALUES.iter().find(|(listed, _)| *listed == key).map(|(_, value)| *value);
    match listed {
        Some(value) => value,
        None if key.ends_with(".header_value") || key.ends_with(".header_name") => Value::Text(1024),
        None if key == "stickiness.type" => Value::Text(64),
        None => Value::Flag,
    }
}

fn check_value(key: &str, value: &str) -> Result<(), ApiError> {
    // The one flag with a third value, which only target groups have.
    if key == "load_balancing.cross_zone.enabled" && value == "use_load_balancer_configuration" {
        return Ok(());
    }
    let number = value.parse::<u64>().ok();
    let within = |least: u64, most: u64| number.is_some_and(|number| (least..=most).contains(&number));
    let (valid, expected) = match kind(key) {
        Value::Flag => (["true", "false"].contains(&value), "'true' or 'false'".to_owned()),
        Value::Number(least, most) => {
            (within(least, most), format!("between '{least}' and '{most}' inclusive"))
        }
        Value::OffOr(least, most) => (
            value == "off" || within(least, most),
            format!("'off' or between '{least}' and '{most}' inclusive"),
        ),
        Value::ZeroOr(least, most) => (
            number == Some(0) || within(least, most),
            format!("'0' or between '{least}' and '{most}' inclusive"),
        ),
        Value::Word(words) => (words.contains(&value), format!("one of [{}]", words.join(", "))),
        Value::Text(longest) => {
            (value.chars().count() <= longest, format!("no longer than {longest} characters"))
        }
    };
    if valid { Ok(()) } else { Err(ApiError::validation(format!("'{key}' must be {expected}"))) }
}

fn members(attributes: &Attributes) -> Members {
    let all = attributes.iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value));
    Members::new().structures("Attributes", "member", all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::elb::Scheme;

    #[test]
    fn every_default_is_a_value_that_is_allowed() {
        let mut all = Vec::new();
        for kind in [Kind::Application, Kind::Network] {
            all.push(Attributes::of_load_balancer(kind, Scheme::Internal));
        }
        for protocol in [Protocol::Http, Protocol::Https, Protocol::Tcp, Protocol::Udp] {
            all.push(Attributes::of_listener(protocol));
        }
        all.extend(known_of_target_groups(TargetType::Ip));
        all.push(Attributes::of_target_group(Protocol::Udp, None, TargetType::Ip));
        let mut checked = 0;
        for (key, value) in all.iter().flat_map(Attributes::iter) {
            check_value(key, value).unwrap();
            checked += 1;
        }
        assert!(checked > 100, "{checked}");
        for (key, _) in VALUES {
            assert!(all.iter().any(|attributes| attributes.has(key)), "nothing has {key}");
        }
    }
}
