//! A load balancer as it is in AWS, of whatever type, as the checks see it.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Health;
use crate::provision::aws::{InstanceHealth, TargetHealth};
use crate::provision::resource::v2::{self, Family, Forward, LoadBalancerState, TargetKind};
use crate::provision::resource::{
    DesiredBalancer, Kind, LoadBalancer, LoadBalancerType, Observed, Policy, RESOURCE_TAG, ResourceKey,
    Scheme, Stack,
};

/// A load balancer.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) kind: LoadBalancerType,
    pub(super) dns_name: String,
    pub(super) scheme: Scheme,
    /// Whether it has IPv6 addresses, too.
    pub(super) dualstack: bool,
    pub(super) state: LoadBalancerState,
    pub(super) vpc: Option<String>,
    pub(super) subnets: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    pub(super) doors: Vec<Door>,
    pub(super) pools: Vec<Pool>,
}

/// A listener.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) port: u16,
    /// As the spec writes it.
    pub(super) protocol: String,
    pub(super) layer: Layer,
    /// Seconds of silence after which a connection is closed.
    pub(super) idle: u32,
    pub(super) ssl_policy: Option<String>,
    /// The ARNs of its certificates, the default one first; none where it speaks no TLS.
    pub(super) certificates: Vec<String>,
    /// The ports that it forwards to; none where it answers by itself.
    pub(super) leads_to: BTreeSet<u16>,
}

/// What a listener does with what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// It passes bytes on.
    Stream,
    /// It reads HTTP, and lets WebSockets through.
    Http,
    /// It reads HTTP, and takes Upgrade away.
    HttpWithoutUpgrade,
}

impl Layer {
    pub(super) fn is_http(self) -> bool {
        match self {
            Self::Stream => false,
            Self::Http | Self::HttpWithoutUpgrade => true,
        }
    }
}

/// What is sent to a target before the visitor's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    Nothing,
    V1,
    V2,
}

/// Those who serve: the instances of a Classic load balancer, or a target group.
#[derive(Debug)]
pub(super) struct Pool {
    /// What it is called: `instances`, `target group web`.
    pub(super) title: String,
    /// Its name in the spec; none for a Classic load balancer's instances, and for a group that the spec lacks.
    pub(super) name: Option<String>,
    /// What is sent to each of its ports.
    pub(super) ports: BTreeMap<u16, Sends>,
    /// `HTTP1`, `HTTP2` or `GRPC`; none where it is no matter.
    pub(super) version: Option<String>,
    pub(super) check: Asked,
    pub(super) leaving: Leaving,
    /// Whether nodes send to targets of other zones.
    pub(super) cross_zone: bool,
    /// Whether targets see the visitor's address in place of the load balancer's.
    pub(super) keeps_address: bool,
    /// Whether its targets are instances.
    pub(super) of_instances: bool,
    pub(super) targets: Vec<Target>,
}

/// A health check.
#[derive(Debug)]
pub(super) struct Asked {
    /// `HTTP 8081/healthz`.
    pub(super) text: String,
    /// The port; none for the target's own.
    pub(super) port: Option<u16>,
    /// The path; none for a mere connection.
    pub(super) path: Option<String>,
    pub(super) interval: u32,
    pub(super) healthy: u32,
    pub(super) unhealthy: u32,
}

/// What becomes of the connections of a target that is deregistered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// They are cut.
    AtOnce,
    /// They are cut after so many seconds.
    After(u32),
    /// They stay until an end closes them.
    Never,
}

/// Who serves.
#[derive(Debug)]
pub(super) struct Target {
    /// The id of an instance, or an address.
    pub(super) id: String,
    /// `i-…` or `i-…:80`.
    pub(super) title: String,
    pub(super) standing: Standing,
    /// AWS's code for the reason, `Target.Timeout`.
    pub(super) code: Option<String>,
    /// The reason in words.
    pub(super) words: Option<String>,
}

/// Whether a target gets connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Serving,
    /// It is on its way in or out.
    Passing(String),
    Out(String),
}

impl Live {
    /// Returns the load balancer that the spec describes, if there is one of its name and kind.
    pub(super) fn of(stack: &Stack, observed: &Observed, health: &Health) -> Option<Self> {
        let name = stack.load_balancer.name();
        match &stack.load_balancer {
            DesiredBalancer::Classic(_) => Some(classic(observed.load_balancer(name)?, health)),
            DesiredBalancer::V2(desired) => {
                let found = observed.v2_load_balancer(name)?;
                (found.family == desired.family).then(|| newer(found, observed, health))
            }
        }
    }

    /// Returns the ARNs of the certificates on its listeners.
    pub(super) fn certificates(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.doors.iter().flat_map(|door| &door.certificates).collect();
        all.into_iter().cloned().collect()
    }

    /// Returns the ports that it connects to on an instance: those that serve and those of the health checks.
    pub(super) fn ports_of(&self, instance: &str) -> BTreeSet<u16> {
        let pools = self
            .pools
            .iter()
            .filter(|pool| pool.of_instances && pool.targets.iter().any(|target| target.id == instance));
        pools.flat_map(|pool| pool.ports.keys().copied().chain(pool.check.port)).collect()
    }
}

fn classic(found: &LoadBalancer, health: &Health) -> Live {
    let idle = found.attributes.idle_timeout;
    let sends = |port: &u16| {
        let names = found.backend_policies.get(port);
        let mut policies = names.into_iter().flatten().filter_map(|name| found.policies.get(name));
        if policies.any(Policy::turns_proxy_protocol_on) { Sends::V1 } else { Sends::Nothing }
    };
    let doors = found.listeners.values().map(|listener| Door {
        port: listener.port,
        protocol: listener.protocol.to_string(),
        layer: if listener.protocol.is_stream() { Layer::Stream } else { Layer::HttpWithoutUpgrade },
        idle,
        ssl_policy: listener
            .policies
            .iter()
            .filter_map(|name| found.policies.get(name))
            .find_map(|policy| policy.reference().map(str::to_owned)),
        certificates: listener.certificate.iter().cloned().collect(),
        leads_to: BTreeSet::from([listener.instance_port]),
    });
    // The header is no part of HTTP: HTTP listeners have X-Forwarded-For, and the policy is no matter to them.
    let streams: BTreeSet<u16> = found
        .listeners
        .values()
        .filter(|listener| listener.protocol.is_stream())
        .map(|listener| listener.instance_port)
        .collect();
    let ports = found.listeners.values().map(|listener| {
        let port = listener.instance_port;
        (port, if streams.contains(&port) { sends(&port) } else { Sends::Nothing })
    });
    let check = &found.health_check;
    let pool = Pool {
        title: "instances".to_owned(),
        name: None,
        ports: ports.collect(),
        version: None,
        check: Asked {
            text: check.target.clone(),
            port: check.port(),
            path: check.target.find('/').and_then(|at| check.target.get(at..)).map(str::to_owned),
            interval: check.interval,
            healthy: check.healthy_threshold,
            unhealthy: check.unhealthy_threshold,
        },
        leaving: found.attributes.connection_draining.map_or(Leaving::AtOnce, Leaving::After),
        cross_zone: found.attributes.cross_zone,
        keeps_address: false,
        of_instances: true,
        targets: health.instances.iter().map(classic_target).collect(),
    };
    Live {
        kind: LoadBalancerType::Classic,
        dns_name: found.dns_name.clone(),
        scheme: found.scheme,
        dualstack: false,
        state: LoadBalancerState::Active,
        vpc: found.vpc.clone(),
        subnets: found.subnets.clone(),
        groups: found.security_groups.clone(),
        doors: doors.collect(),
        pools: vec![pool],
    }
}

fn classic_target(found: &InstanceHealth) -> Target {
    let description = found.description.as_deref().unwrap_or_default();
    let passing = description.contains("still in progress") || description.contains("currently in progress");
    Target {
        id: found.id.clone(),
        title: found.id.clone(),
        standing: match found.state.as_str() {
            "InService" => Standing::Serving,
            state if passing => Standing::Passing(state.to_owned()),
            state => Standing::Out(state.to_owned()),
        },
        code: found.reason_code.clone(),
        words: found.description.clone(),
    }
}

fn newer(found: &v2::LoadBalancer, observed: &Observed, health: &Health) -> Live {
    let groups: Vec<&v2::TargetGroup> =
        observed.target_groups.iter().filter(|group| group.load_balancers.contains(&found.arn)).collect();
    let on = |attributes: &BTreeMap<String, String>, key: &str| {
        attributes.get(key).is_some_and(|value| value == "true")
    };
    let crosses = match found.family {
        Family::Application => true,
        Family::Network => on(&found.attributes, "load_balancing.cross_zone.enabled"),
    };
    let pools = groups.iter().map(|group| {
        let of_group = group.attributes.get("load_balancing.cross_zone.enabled").map(String::as_str);
        let healths = health.groups.get(&group.arn).map(Vec::as_slice).unwrap_or_default();
        pool(
            group,
            healths,
            found.family,
            of_group.map_or(crosses, |value| match value {
                "true" => true,
                "false" => false,
                _ => crosses,
            }),
        )
    });
    let doors = found.listeners.iter().map(|(port, listener)| {
        let actions = listener.rules.iter().map(|rule| &rule.action).chain([&listener.default_action]);
        let arns: BTreeSet<&String> = actions
            .filter_map(|action| match action {
                v2::Action::Forward(Forward { groups, .. }) => Some(groups.keys()),
                v2::Action::Redirect { .. } | v2::Action::FixedResponse { .. } | v2::Action::Other(_) => None,
            })
            .flatten()
            .collect();
        let led = groups.iter().filter(|group| arns.contains(&group.arn));
        Door {
            port: *port,
            protocol: listener.protocol.to_ascii_lowercase(),
            layer: match found.family {
                Family::Application => Layer::Http,
                Family::Network => Layer::Stream,
            },
            idle: idle(found, listener),
            ssl_policy: listener.ssl_policy.clone(),
            certificates: listener
                .certificate
                .iter()
                .chain(&listener.additional_certificates)
                .cloned()
                .collect(),
            leads_to: led.flat_map(|group| ports_of(group)).collect(),
        }
    });
    Live {
        kind: found.family.into(),
        dns_name: found.dns_name.clone(),
        scheme: found.scheme,
        dualstack: found.address_type == v2::AddressType::Dualstack,
        state: found.state.clone(),
        vpc: Some(found.vpc.clone()).filter(|vpc| !vpc.is_empty()),
        subnets: found.subnets.keys().cloned().collect(),
        groups: found.security_groups.clone(),
        doors: doors.collect(),
        pools: pools.collect(),
    }
}

/// AWS's own idle timeouts, where none is set.
const APPLICATION_IDLE: u32 = 60;
const NETWORK_IDLE: u32 = 350;

fn idle(found: &v2::LoadBalancer, listener: &v2::Listener) -> u32 {
    let number = |value: Option<&String>| value.and_then(|value| value.parse().ok());
    match found.family {
        Family::Application => {
            number(found.attributes.get("idle_timeout.timeout_seconds")).unwrap_or(APPLICATION_IDLE)
        }
        Family::Network => {
            number(listener.attributes.get("tcp.idle_timeout.seconds")).unwrap_or(NETWORK_IDLE)
        }
    }
}

fn ports_of(group: &v2::TargetGroup) -> BTreeSet<u16> {
    let ports: BTreeSet<u16> = group.targets.iter().map(|target| target.port).collect();
    if ports.is_empty() { BTreeSet::from([group.port]) } else { ports }
}

fn pool(group: &v2::TargetGroup, health: &[TargetHealth], family: Family, cross_zone: bool) -> Pool {
    let on = |key: &str| group.attributes.get(key).is_some_and(|value| value == "true");
    let sends = if on("proxy_protocol_v2.enabled") { Sends::V2 } else { Sends::Nothing };
    let delay = group.attributes.get("deregistration_delay.timeout_seconds");
    let delay = delay.and_then(|value| value.parse().ok()).unwrap_or(300);
    let cuts = match family {
        Family::Application => true,
        Family::Network => on("deregistration_delay.connection_termination.enabled"),
    };
    let tag = group.tags.0.get(RESOURCE_TAG).and_then(|tag| tag.parse::<ResourceKey>().ok());
    let name = tag.filter(|key| key.kind == Kind::TargetGroup).map(|key| key.name);
    let check = &group.health_check;
    let port = check.port.map(|port| format!(" {port}")).unwrap_or_default();
    Pool {
        title: format!("target group {}", name.as_deref().unwrap_or(&group.name)),
        name,
        ports: ports_of(group).into_iter().map(|port| (port, sends)).collect(),
        version: group.protocol_version.clone(),
        check: Asked {
            text: format!("{}{port}{}", check.protocol.as_aws(), check.path.as_deref().unwrap_or_default()),
            port: check.port,
            path: check.path.clone(),
            interval: check.interval,
            healthy: check.healthy_threshold,
            unhealthy: check.unhealthy_threshold,
        },
        leaving: match (cuts, delay) {
            (false, _) => Leaving::Never,
            (true, 0) => Leaving::AtOnce,
            (true, seconds) => Leaving::After(seconds),
        },
        cross_zone,
        keeps_address: on("preserve_client_ip.enabled"),
        of_instances: group.kind == Some(TargetKind::Instance),
        targets: health.iter().map(newer_target).collect(),
    }
}

fn newer_target(found: &TargetHealth) -> Target {
    Target {
        id: found.target.id.clone(),
        title: found.target.to_string(),
        standing: match found.state.as_str() {
            "healthy" => Standing::Serving,
            "initial" | "draining" => Standing::Passing(found.state.clone()),
            state => Standing::Out(state.to_owned()),
        },
        code: found.reason.clone(),
        words: found.words(),
    }
}
