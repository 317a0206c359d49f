//! Application and Network load balancers and their DNS records: spec → desired, in AWS's own attributes.
//!
//! What can be turned off again is always spoken of, with AWS's word for off, so that a field removed from the spec
//! is removed in AWS as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::provision::resource::Scheme;
use crate::provision::resource::v2::{
    Action, AddressType, Condition, DesiredListener, DesiredLoadBalancer, DesiredRecord, DesiredRule,
    DesiredTargetGroup, Family, Forward, HealthCheck, Protocol, SubnetAddress, TargetSelector,
};
use crate::provision::spec::{
    self, ApplicationListener, ApplicationLoadBalancer, ApplicationTargetGroup, Dns, LogBucket,
    NetworkListener, NetworkLoadBalancer, NetworkTargetGroup, Rule, Stickiness, TargetHealthCheck, Targets,
};

type Attributes = BTreeMap<String, String>;

/// Returns the Application load balancer that a spec desires.
#[must_use]
pub fn application(balancer: &ApplicationLoadBalancer) -> DesiredLoadBalancer {
    let mut attributes = attributes([
        ("idle_timeout.timeout_seconds", balancer.idle_timeout.get().to_string()),
        ("client_keep_alive.seconds", balancer.client_keep_alive.get().to_string()),
        ("routing.http2.enabled", balancer.http2.to_string()),
        ("routing.http.desync_mitigation_mode", balancer.desync_mitigation_mode.as_str().to_owned()),
        ("routing.http.drop_invalid_header_fields.enabled", balancer.drop_invalid_header_fields.to_string()),
        ("routing.http.preserve_host_header.enabled", balancer.preserve_host_header.to_string()),
        ("routing.http.xff_header_processing.mode", balancer.xff_header_processing_mode.as_str().to_owned()),
        ("routing.http.xff_client_port.enabled", balancer.xff_client_port.to_string()),
        ("deletion_protection.enabled", balancer.deletion_protection.to_string()),
    ]);
    attributes.extend(logs("access_logs", balancer.access_logs.as_ref()));
    attributes.extend(logs("connection_logs", balancer.connection_logs.as_ref()));
    DesiredLoadBalancer {
        name: balancer.name.to_string(),
        family: Family::Application,
        scheme: scheme(balancer.scheme),
        address_type: address_type(balancer.ip_address_type),
        ingress: balancer.ingress.iter().map(ToString::to_string).collect(),
        addresses: BTreeMap::new(),
        attributes,
        listeners: balancer.listeners.iter().map(|found| (found.port, application_listener(found))).collect(),
        target_groups: balancer
            .target_groups
            .iter()
            .map(|(name, group)| (name.to_string(), application_group(group)))
            .collect(),
    }
}

/// Returns the Network load balancer that a spec desires.
#[must_use]
pub fn network(balancer: &NetworkLoadBalancer) -> DesiredLoadBalancer {
    let mut attributes = attributes([
        ("load_balancing.cross_zone.enabled", balancer.cross_zone.to_string()),
        ("deletion_protection.enabled", balancer.deletion_protection.to_string()),
    ]);
    attributes.extend(logs("access_logs", balancer.access_logs.as_ref()));
    let address = |address: &spec::SubnetAddress| match address {
        spec::SubnetAddress::Allocation(id) => SubnetAddress::Allocation(id.clone()),
        spec::SubnetAddress::Private(address) => SubnetAddress::Private(address.to_string()),
    };
    DesiredLoadBalancer {
        name: balancer.name.to_string(),
        family: Family::Network,
        scheme: scheme(balancer.scheme),
        address_type: address_type(balancer.ip_address_type),
        ingress: balancer.ingress.iter().map(ToString::to_string).collect(),
        addresses: balancer
            .addresses
            .iter()
            .map(|(subnet, found)| (subnet.clone(), address(found)))
            .collect(),
        attributes,
        listeners: balancer.listeners.iter().map(|found| (found.port, network_listener(found))).collect(),
        target_groups: balancer
            .target_groups
            .iter()
            .map(|(name, group)| (name.to_string(), network_group(group)))
            .collect(),
    }
}

/// Returns the DNS record that a spec desires.
#[must_use]
pub fn record(dns: &Dns) -> DesiredRecord {
    DesiredRecord {
        zone: dns.zone.clone(),
        name: dns.name.clone(),
        weight: dns.weight,
        set_identifier: dns.set_identifier.clone(),
    }
}

fn attributes<const N: usize>(attributes: [(&str, String); N]) -> Attributes {
    attributes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn logs(kind: &str, logs: Option<&LogBucket>) -> Attributes {
    let mut attributes = Attributes::from([(format!("{kind}.s3.enabled"), logs.is_some().to_string())]);
    if let Some(logs) = logs {
        attributes.insert(format!("{kind}.s3.bucket"), logs.bucket.clone());
        attributes.insert(format!("{kind}.s3.prefix"), logs.prefix.clone().unwrap_or_default());
    }
    attributes
}

fn scheme(scheme: spec::Scheme) -> Scheme {
    match scheme {
        spec::Scheme::InternetFacing => Scheme::InternetFacing,
        spec::Scheme::Internal => Scheme::Internal,
    }
}

fn address_type(addresses: spec::AddressType) -> AddressType {
    match addresses {
        spec::AddressType::Ipv4 => AddressType::Ipv4,
        spec::AddressType::Dualstack => AddressType::Dualstack,
    }
}

fn protocol(protocol: spec::Protocol) -> Protocol {
    match protocol {
        spec::Protocol::Http => Protocol::Http,
        spec::Protocol::Https => Protocol::Https,
        spec::Protocol::Tcp => Protocol::Tcp,
        spec::Protocol::Tls => Protocol::Tls,
    }
}

fn application_listener(listener: &ApplicationListener) -> DesiredListener {
    let mut attributes = Attributes::new();
    if listener.protocol.is_secure() {
        let key = "routing.http.response.strict_transport_security.header_value";
        let value = listener.hsts.map(|hsts| hsts.to_string()).unwrap_or_default();
        attributes.insert(key.to_owned(), value);
    }
    DesiredListener {
        protocol: protocol(listener.protocol),
        ssl_policy: listener.ssl_policy.clone(),
        alpn_policy: None,
        default_action: action(&listener.default_action),
        rules: listener.rules.iter().map(rule).collect(),
        attributes,
    }
}

fn network_listener(listener: &NetworkListener) -> DesiredListener {
    let idle =
        listener.idle_timeout.map(|idle| ("tcp.idle_timeout.seconds".to_owned(), idle.get().to_string()));
    DesiredListener {
        protocol: protocol(listener.protocol),
        ssl_policy: listener.ssl_policy.clone(),
        alpn_policy: match listener.alpn_policy {
            spec::AlpnPolicy::None => None,
            policy => Some(policy.as_aws().to_owned()),
        },
        default_action: Action::Forward(Forward {
            groups: BTreeMap::from([(listener.target_group.to_string(), 1)]),
            stickiness: None,
        }),
        rules: Vec::new(),
        attributes: idle.into_iter().collect(),
    }
}

fn action(action: &spec::Action) -> Action {
    match action {
        spec::Action::Forward(forward) => Action::Forward(Forward {
            groups: forward.groups.iter().map(|(name, weight)| (name.to_string(), *weight)).collect(),
            stickiness: forward.stickiness.map(spec::Seconds::get),
        }),
        spec::Action::Redirect(redirect) => Action::Redirect {
            protocol: redirect.protocol.clone(),
            host: redirect.host.clone(),
            port: redirect.port.clone(),
            path: redirect.path.clone(),
            query: redirect.query.clone(),
            status: redirect.status,
        },
        spec::Action::FixedResponse { status, content_type, body } => {
            Action::FixedResponse { status: *status, content_type: content_type.clone(), body: body.clone() }
        }
    }
}

fn rule(rule: &Rule) -> DesiredRule {
    let given = |values: &BTreeSet<String>| (!values.is_empty()).then(|| values.clone());
    let path = given(&rule.path).map(Condition::Path);
    let host = given(&rule.host).map(Condition::Host);
    let mut conditions: Vec<Condition> = path.into_iter().chain(host).collect();
    conditions.sort();
    DesiredRule { conditions, action: action(&rule.action) }
}

fn application_group(group: &ApplicationTargetGroup) -> DesiredTargetGroup {
    let mut attributes = attributes([
        ("deregistration_delay.timeout_seconds", group.deregistration_delay.get().to_string()),
        ("load_balancing.algorithm.type", group.algorithm.as_str().to_owned()),
        ("slow_start.duration_seconds", group.slow_start.get().to_string()),
        ("stickiness.enabled", group.stickiness.is_some().to_string()),
    ]);
    attributes.extend(match &group.stickiness {
        None => Attributes::new(),
        Some(Stickiness::LoadBalancer(duration)) => self::attributes([
            ("stickiness.type", "lb_cookie".to_owned()),
            ("stickiness.lb_cookie.duration_seconds", duration.get().to_string()),
        ]),
        Some(Stickiness::Application { cookie, duration }) => self::attributes([
            ("stickiness.type", "app_cookie".to_owned()),
            ("stickiness.app_cookie.cookie_name", cookie.clone()),
            ("stickiness.app_cookie.duration_seconds", duration.get().to_string()),
        ]),
    });
    DesiredTargetGroup {
        protocol: protocol(group.protocol),
        protocol_version: Some("HTTP1".to_owned()),
        port: group.port,
        targets: targets(&group.targets),
        health_check: health_check(&group.health_check),
        attributes,
    }
}

fn network_group(group: &NetworkTargetGroup) -> DesiredTargetGroup {
    let mut attributes = attributes([
        ("deregistration_delay.timeout_seconds", group.deregistration_delay.get().to_string()),
        ("deregistration_delay.connection_termination.enabled", group.connection_termination.to_string()),
        ("preserve_client_ip.enabled", group.preserve_client_ip.to_string()),
        ("proxy_protocol_v2.enabled", group.proxy_protocol.to_string()),
        ("stickiness.enabled", group.stickiness.to_string()),
        (
            "target_health_state.unhealthy.connection_termination.enabled",
            group.unhealthy_connection_termination.to_string(),
        ),
    ]);
    if group.stickiness {
        attributes.insert("stickiness.type".to_owned(), "source_ip".to_owned());
    }
    DesiredTargetGroup {
        protocol: protocol(group.protocol),
        protocol_version: None,
        port: group.port,
        targets: targets(&group.targets),
        health_check: health_check(&group.health_check),
        attributes,
    }
}

fn targets(targets: &Targets) -> TargetSelector {
    match targets {
        Targets::Instances { ports } => TargetSelector::Instances { ports: ports.clone() },
        Targets::Ips { addresses, ports } => TargetSelector::Ips {
            addresses: addresses.iter().map(ToString::to_string).collect(),
            ports: ports.clone(),
        },
    }
}

fn health_check(check: &TargetHealthCheck) -> HealthCheck {
    HealthCheck {
        protocol: protocol(check.protocol),
        port: check.port,
        path: check.path.clone(),
        matcher: check.matcher.clone(),
        interval: check.interval.get(),
        timeout: check.timeout.get(),
        healthy_threshold: check.healthy_threshold.into(),
        unhealthy_threshold: check.unhealthy_threshold.into(),
    }
}
