//! One load balancer, as people and as programs read it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::provision::resource::v2::{
    Action, AddressType, Condition, Family, Forward, HealthCheck, Listener, Protocol, Rule, SubnetAddress,
    Target, TargetKind,
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
