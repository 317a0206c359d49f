//! The live state of an Application or a Network load balancer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{BAD, BOLD, GOOD, WARN};
use crate::provision::aws::TargetHealth;
use crate::provision::resource::v2::{
    Action, Condition, Family, Forward, Listener, LoadBalancer, LoadBalancerState, Record, TargetGroup,
};
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

    pub(super) fn json(&self) -> Value {
        let balancer = &self.load_balancer;
        let (state, reason) = state(&balancer.state);
        let listeners: Vec<Value> =
            balancer.listeners.iter().map(|(port, listener)| self.listener(*port, listener)).collect();
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|found| {
                json!({
                    "name": found.name(),
                    "aws_name": found.group.name,
                    "protocol": found.group.protocol,
                    "protocol_version": found.group.protocol_version,
                    "port": found.group.port,
                    "proxy_protocol": found.proxied(),
                    "health_check": found.group.health_check,
                })
            })
            .collect();
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|record| json!({ "name": record.name, "type": record.kind, "weight": record.weight }))
            .collect();
        json!({
            "name": balancer.name,
            "type": balancer.family.to_string(),
            "dns_name": balancer.dns_name,
            "state": state,
            "reason": reason,
            "listeners": listeners,
            "target_groups": groups,
            "records": records,
            "backend_policies": {},
        })
    }

    fn listener(&self, port: u16, listener: &Listener) -> Value {
        let rules: Vec<Value> = listener
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "priority": rule.priority,
                    "conditions": rule.conditions,
                    "action": self.action_json(&rule.action),
                })
            })
            .collect();
        json!({
            "port": port,
            "protocol": listener.protocol.to_ascii_lowercase(),
            "ssl_policy": listener.ssl_policy,
            "alpn_policy": listener.alpn_policy,
            "certificate": listener.certificate,
            "additional_certificates": listener.additional_certificates,
            "default_action": self.action_json(&listener.default_action),
            "rules": rules,
        })
    }

    /// Returns an action whose groups are called as the spec calls them.
    fn action_json(&self, action: &Action) -> Value {
        let Action::Forward(Forward { groups, stickiness }) = action else { return json!(action) };
        let groups: BTreeMap<String, u16> =
            groups.iter().map(|(arn, weight)| (self.group_name(arn), *weight)).collect();
        json!({ "forward": { "groups": groups, "stickiness": stickiness } })
    }

    pub(super) fn targets(&self) -> Vec<Value> {
        self.groups
            .iter()
            .flat_map(|found| {
                found.health.iter().map(|health| {
                    json!({
                        "id": health.target.id,
                        "port": health.target.port,
                        "group": found.name(),
                        "state": health.state,
                        "reason": health.words(),
                        "code": health.reason,
                    })
                })
            })
            .collect()
    }

    pub(super) fn text(&self) -> String {
        let balancer = &self.load_balancer;
        let mut text = String::new();
        let head = format!("{BOLD}{}{BOLD:#}  {}  {}", balancer.name, balancer.family, balancer.dns_name);
        let _ = match state(&balancer.state) {
            ("active", _) => writeln!(text, "{head}"),
            (state, None) => writeln!(text, "{head}  {WARN}{state}{WARN:#}"),
            (state, Some(reason)) => writeln!(text, "{head}  {BAD}{state}: {reason}{BAD:#}"),
        };
        for record in &self.records {
            let weight = record.weight.map(|weight| format!("  weight {weight}")).unwrap_or_default();
            let _ = writeln!(text, "  {} {}{weight}", record.name, record.kind);
        }
        let _ = writeln!(text, "\n{BOLD}listeners{BOLD:#}");
        for (port, listener) in &balancer.listeners {
            let policies = [listener.ssl_policy.as_deref(), listener.alpn_policy.as_deref()];
            let policies: Vec<&str> = policies.into_iter().flatten().collect();
            let line = format!(
                "  {port:<5} {:<5} {}  {}",
                listener.protocol.to_ascii_lowercase(),
                self.action_text(&listener.default_action),
                policies.join(", ")
            );
            let _ = writeln!(text, "{}", line.trim_end());
            for rule in &listener.rules {
                let conditions: Vec<String> = rule.conditions.iter().map(condition_text).collect();
                let action = self.action_text(&rule.action);
                let _ = writeln!(text, "    {:<5} {}: {action}", rule.priority, conditions.join(" and "));
            }
        }
        let _ = writeln!(text, "\n{BOLD}target groups{BOLD:#}");
        for found in &self.groups {
            self.group_text(&mut text, found);
        }
        text
    }

    fn group_text(&self, text: &mut String, found: &GroupStatus) {
        let group = &found.group;
        let check = &group.health_check;
        let checked = check.port.map_or_else(|| "the target's port".to_owned(), |port| port.to_string());
        let header = match (self.load_balancer.family, found.proxied()) {
            (Family::Application, _) => "",
            (Family::Network, true) => ", PROXY header v2",
            (Family::Network, false) => ", no PROXY header",
        };
        let _ = writeln!(
            text,
            "  {}  {} {}{header}, checked by {} on {checked}{}",
            found.name(),
            group.protocol.to_ascii_lowercase(),
            group.port,
            check.protocol,
            check.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default()
        );
        if found.health.is_empty() {
            let _ = writeln!(text, "    {WARN}none is registered{WARN:#}");
        }
        for health in &found.health {
            let style = match health.state.as_str() {
                "healthy" => GOOD,
                "initial" | "draining" => WARN,
                _ => BAD,
            };
            let reason = health.words().unwrap_or_default();
            let line = format!("    {}  {style}{}{style:#}  {reason}", health.target, health.state);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }

    fn action_text(&self, action: &Action) -> String {
        match action {
            Action::Forward(Forward { groups, stickiness }) => {
                let names: Vec<String> = match groups.len() {
                    1 => groups.keys().map(|arn| self.group_name(arn)).collect(),
                    _ => groups
                        .iter()
                        .map(|(arn, weight)| format!("{} ({weight})", self.group_name(arn)))
                        .collect(),
                };
                let sticky =
                    stickiness.map(|seconds| format!(", sticky for {seconds} s")).unwrap_or_default();
                format!("→ {}{sticky}", names.join(", "))
            }
            Action::Redirect { protocol, host, port, path, query, status } => {
                let scheme = protocol.to_ascii_lowercase();
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                format!("redirect {status} to {scheme}://{host}:{port}{path}{query}")
            }
            Action::FixedResponse { status, .. } => format!("answer {status}"),
            Action::Other(kind) => kind.clone(),
        }
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

fn condition_text(condition: &Condition) -> String {
    let joined = |values: &std::collections::BTreeSet<String>| {
        values.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
    };
    match condition {
        Condition::Path(values) => format!("path {}", joined(values)),
        Condition::Host(values) => format!("host {}", joined(values)),
        Condition::Other(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::provision::resource::v2::{
        AddressType, HealthCheck, Protocol, Rule, SubnetAddress, Target, TargetKind,
    };
    use crate::provision::resource::{Scheme, Tags};

    fn group(name: &str) -> TargetGroup {
        TargetGroup {
            arn: format!("arn:{name}"),
            name: format!("chat-{name}-0123456789"),
            protocol: "HTTP".to_owned(),
            protocol_version: Some("HTTP1".to_owned()),
            port: 80,
            vpc: "vpc-1".to_owned(),
            kind: Some(TargetKind::Instance),
            load_balancers: BTreeSet::from(["arn:chat".to_owned()]),
            health_check: HealthCheck {
                protocol: Protocol::Http,
                port: Some(8081),
                path: Some("/healthz".to_owned()),
                matcher: Some("200".to_owned()),
                interval: 10,
                timeout: 5,
                healthy_threshold: 2,
                unhealthy_threshold: 3,
            },
            attributes: BTreeMap::new(),
            targets: BTreeSet::new(),
            healthy: BTreeSet::new(),
            tags: Tags::default().owned_by("chat", &ResourceKey::new(Kind::TargetGroup, name)),
        }
    }

    fn health(id: &str, state: &str, reason: Option<&str>) -> TargetHealth {
        TargetHealth {
            target: Target { id: id.to_owned(), port: 80 },
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            description: None,
        }
    }

    fn forward(groups: &[(&str, u16)]) -> Action {
        let groups = groups.iter().map(|(name, weight)| (format!("arn:{name}"), *weight)).collect();
        Action::Forward(Forward { groups, stickiness: None })
    }

    fn listener(protocol: &str, default_action: Action, rules: Vec<Rule>) -> Listener {
        Listener {
            arn: format!("arn:{protocol}"),
            protocol: protocol.to_owned(),
            ssl_policy: (protocol == "HTTPS").then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
            alpn_policy: None,
            certificate: (protocol == "HTTPS").then(|| "arn:certificate".to_owned()),
            additional_certificates: BTreeSet::from(["arn:other".to_owned()]),
            default_action,
            rules,
            attributes: BTreeMap::new(),
            tags: Tags::default(),
        }
    }

    fn status() -> V2Status {
        let rule = Rule {
            arn: "arn:rule".to_owned(),
            priority: 10,
            conditions: vec![
                Condition::Path(BTreeSet::from(["/ws/*".to_owned()])),
                Condition::Host(BTreeSet::from(["a.example.com".to_owned(), "b.example.com".to_owned()])),
            ],
            action: forward(&[("web", 10), ("ws", 90)]),
            tags: Tags::default(),
        };
        let redirect = Action::Redirect {
            protocol: "HTTPS".to_owned(),
            host: "#{host}".to_owned(),
            port: "443".to_owned(),
            path: "/#{path}".to_owned(),
            query: "#{query}".to_owned(),
            status: 301,
        };
        V2Status {
            load_balancer: LoadBalancer {
                arn: "arn:chat".to_owned(),
                name: "chat".to_owned(),
                family: Family::Application,
                dns_name: "chat-1.us-east-1.elb.amazonaws.com".to_owned(),
                canonical_zone: "Z1".to_owned(),
                state: LoadBalancerState::Active,
                scheme: Scheme::InternetFacing,
                address_type: AddressType::Ipv4,
                vpc: "vpc-1".to_owned(),
                subnets: BTreeMap::<String, Option<SubnetAddress>>::new(),
                security_groups: BTreeSet::new(),
                attributes: BTreeMap::new(),
                listeners: BTreeMap::from([
                    (443, listener("HTTPS", forward(&[("web", 1)]), vec![rule])),
                    (80, listener("HTTP", redirect, Vec::new())),
                ]),
                tags: Tags::default(),
            },
            groups: vec![
                GroupStatus {
                    group: group("web"),
                    health: vec![
                        health("i-1", "healthy", None),
                        health("i-2", "unhealthy", Some("Target.Timeout")),
                    ],
                },
                GroupStatus { group: group("ws"), health: Vec::new() },
            ],
            records: Vec::new(),
        }
    }

    #[test]
    fn people_read_listeners_rules_and_why_a_target_is_unhealthy() {
        let text = anstream::adapter::strip_str(&status().text()).to_string();
        assert_eq!(
            text,
            "chat  application  chat-1.us-east-1.elb.amazonaws.com

listeners
  80    http  redirect 301 to https://#{host}:443/#{path}?#{query}
  443   https → web  ELBSecurityPolicy-TLS13-1-2-2021-06
    10    path /ws/* and host a.example.com or b.example.com: → web (10), ws (90)

target groups
  web  http 80, checked by http on 8081 /healthz
    i-1:80  healthy
    i-2:80  unhealthy  the health check was not answered in time
  ws  http 80, checked by http on 8081 /healthz
    none is registered
"
        );
    }

    #[test]
    fn programs_read_groups_by_the_spec_s_names() {
        let status = status();
        let json = status.json();
        assert_eq!(json["type"], "application");
        assert_eq!(json["state"], "active");
        let secure = &json["listeners"][1];
        assert_eq!(
            secure["default_action"],
            json!({ "forward": { "groups": { "web": 1 }, "stickiness": null } })
        );
        assert_eq!(secure["rules"][0]["action"]["forward"]["groups"], json!({ "web": 10, "ws": 90 }));
        let targets = status.targets();
        assert_eq!(targets[1]["reason"], "the health check was not answered in time");
        assert_eq!(targets[1]["code"], "Target.Timeout");
        assert_eq!(targets[1]["group"], "web");
        assert!(status.has_as_default("arn:certificate") && !status.has_as_default("arn:other"));
    }
}
