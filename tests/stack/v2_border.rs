//! Every call for Application and Network load balancers, one operation at a time: against the local AWS and against
//! moto.

use std::collections::{BTreeMap, BTreeSet};

use elbws::provision::aws::{Cancel, Clients};
use elbws::provision::execute::{Event, ExecuteError, Outcome, events, execute};
use elbws::provision::observe::observe;
use elbws::provision::plan::v2::{
    ListenerSettings, NewAction, NewLoadBalancer, NewTargetGroup, V2Operation, WeightedGroup,
};
use elbws::provision::plan::{Operation, Plan, Reference, Step, TagChange};
use elbws::provision::resource::v2::{
    AddressType, Condition, DesiredLoadBalancer, Family, HealthCheck, Protocol, Target, TargetKind,
};
use elbws::provision::resource::{
    Admission, DesiredBalancer, InstanceSelector, Kind, LoadBalancerType, Observed, ResourceKey, Scheme,
    Stack, SubnetSelector, Tags, VpcSelector,
};

use crate::account::{Account, between};

pub(crate) const STACK: &str = "ws-v2";

/// What an account has that load balancers are made in.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) vpc: String,
    pub(crate) subnets: Vec<String>,
    pub(crate) instance: String,
    /// Two ARNs.
    pub(crate) certificates: [String; 2],
}

impl Site {
    pub(crate) fn of(account: &Account) -> Self {
        let instance = account.instance("ws-chat");
        let body = account.ec2("Action=DescribeSubnets");
        let vpc = between(&body, "<vpcId>", "<").to_owned();
        let subnets: Vec<String> =
            body.split("<subnetId>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
        let certificates =
            ["chat.example.com", "other.example.com"].map(|domain| account.certificate(domain));
        Self { vpc, subnets, instance, certificates }
    }
}

/// Runs the operations one after the other as a plan.
pub(crate) async fn run(clients: &Clients, operations: Vec<V2Operation>) -> (Outcome, Vec<Event>) {
    let (sender, mut receiver) = events();
    let plan = plan_of(operations.into_iter().map(Operation::V2).collect());
    let outcome = Box::pin(execute(&plan, clients, &sender, &Cancel::never())).await;
    let mut reported = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        reported.push(event);
    }
    (outcome, reported)
}

pub(crate) fn plan_of(operations: Vec<Operation>) -> Plan {
    let step = |(id, operation): (usize, Operation)| {
        let needs = id.checked_sub(1).into_iter().collect();
        Step { id, needs, resources: Vec::new(), operation }
    };
    Plan {
        stack: STACK.to_owned(),
        region: "us-east-1".to_owned(),
        load_balancer: STACK.to_owned(),
        load_balancer_type: LoadBalancerType::Application,
        targets: BTreeSet::new(),
        target_groups: BTreeMap::new(),
        changes: Vec::new(),
        warnings: Vec::new(),
        steps: operations.into_iter().enumerate().map(step).collect(),
    }
}

#[track_caller]
pub(crate) fn complete((outcome, _): (Outcome, Vec<Event>)) {
    assert!(outcome.is_complete(), "{outcome:?}");
}

pub(crate) fn failure(outcome: &Outcome) -> &ExecuteError {
    let [(_, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    error
}

pub(crate) fn key(kind: Kind, name: &str) -> ResourceKey {
    ResourceKey::new(kind, name)
}

pub(crate) fn tags(kind: Kind, name: &str) -> Tags {
    Tags::default().owned_by(STACK, &key(kind, name))
}

/// A stack that only names its load balancer: enough to observe.
pub(crate) fn stack(family: Family) -> Stack {
    Stack {
        name: STACK.to_owned(),
        tags: Tags::default(),
        vpc: VpcSelector::Default,
        subnets: SubnetSelector::All,
        instances: InstanceSelector::default(),
        admission: Admission::Managed,
        certificate: None,
        additional_certificates: Vec::new(),
        load_balancer: DesiredBalancer::V2(DesiredLoadBalancer {
            name: STACK.to_owned(),
            family,
            scheme: Scheme::InternetFacing,
            address_type: AddressType::Ipv4,
            ingress: BTreeSet::new(),
            addresses: BTreeMap::new(),
            attributes: BTreeMap::new(),
            listeners: BTreeMap::new(),
            target_groups: BTreeMap::new(),
        }),
        dns: None,
    }
}

pub(crate) fn balancer(site: &Site, family: Family) -> V2Operation {
    V2Operation::CreateLoadBalancer {
        key: key(Kind::LoadBalancer, STACK),
        new: NewLoadBalancer {
            name: STACK.to_owned(),
            family,
            scheme: Scheme::InternetFacing,
            address_type: AddressType::Ipv4,
            subnets: site.subnets.iter().map(|subnet| (subnet.clone(), None)).collect(),
            security_groups: Vec::new(),
            tags: tags(Kind::LoadBalancer, STACK),
        },
    }
}

/// The name in AWS that is looked for as the stack's.
pub(crate) fn name_of(group: &str) -> String {
    format!("{STACK}-{group}-0123456789")
}

fn check(protocol: Protocol) -> HealthCheck {
    let http = protocol == Protocol::Http;
    HealthCheck {
        protocol,
        port: Some(8081),
        path: http.then(|| "/healthz".to_owned()),
        matcher: http.then(|| "200".to_owned()),
        interval: 10,
        timeout: 5,
        healthy_threshold: 2,
        unhealthy_threshold: 3,
    }
}

pub(crate) fn group(site: &Site, name: &str, protocol: Protocol) -> V2Operation {
    let http = protocol == Protocol::Http;
    V2Operation::CreateTargetGroup {
        key: key(Kind::TargetGroup, name),
        new: NewTargetGroup {
            name: name_of(name),
            protocol,
            protocol_version: http.then(|| "HTTP1".to_owned()),
            port: 80,
            vpc: site.vpc.clone(),
            kind: TargetKind::Instance,
            health_check: check(Protocol::Http),
            tags: tags(Kind::TargetGroup, name),
        },
    }
}

fn planned(kind: Kind, name: &str) -> Reference {
    Reference::Planned(key(kind, name))
}

pub(crate) fn existing(arn: &str) -> Reference {
    Reference::Existing(arn.to_owned())
}

pub(crate) fn forward(groups: &[(Reference, u16)]) -> NewAction {
    let groups = groups
        .iter()
        .map(|(group, weight)| WeightedGroup { group: group.clone(), weight: *weight })
        .collect();
    NewAction::Forward { groups, stickiness: None }
}

fn secure(site: &Site, protocol: Protocol, group: Reference) -> ListenerSettings {
    ListenerSettings {
        port: 443,
        protocol,
        ssl_policy: Some("ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
        alpn_policy: None,
        certificate: Some(existing(&site.certificates[0])),
        default_action: forward(&[(group, 1)]),
    }
}

fn to_https() -> NewAction {
    NewAction::Redirect {
        protocol: "HTTPS".to_owned(),
        host: "#{host}".to_owned(),
        port: "443".to_owned(),
        path: "/#{path}".to_owned(),
        query: "#{query}".to_owned(),
        status: 301,
    }
}

pub(crate) fn not_found() -> NewAction {
    NewAction::FixedResponse { status: 404, content_type: Some("text/plain".to_owned()), body: None }
}

fn listener(settings: ListenerSettings) -> V2Operation {
    V2Operation::CreateListener {
        key: key(Kind::Listener, &settings.port.to_string()),
        load_balancer: planned(Kind::LoadBalancer, STACK),
        tags: tags(Kind::Listener, &settings.port.to_string()),
        settings,
    }
}

pub(crate) fn targets(site: &Site) -> BTreeSet<Target> {
    BTreeSet::from([Target { id: site.instance.clone(), port: 80 }])
}

fn path(pattern: &str) -> Condition {
    Condition::Path(BTreeSet::from([pattern.to_owned()]))
}

pub(crate) fn rule(listener: Reference, priority: u16, pattern: &str, action: NewAction) -> V2Operation {
    V2Operation::CreateRule {
        listener,
        port: 443,
        priority,
        conditions: vec![path(pattern)],
        action,
        tags: tags(Kind::Rule, &format!("443/{priority}")),
    }
}

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An ALB with two groups, a secure listener with a rule and one that redirects.
pub(crate) fn application(site: &Site) -> Vec<V2Operation> {
    let web = || planned(Kind::TargetGroup, "web");
    let ws = || planned(Kind::TargetGroup, "ws");
    vec![
        group(site, "web", Protocol::Http),
        group(site, "ws", Protocol::Http),
        V2Operation::ModifyTargetGroupAttributes {
            group: web(),
            attributes: attributes(&[("deregistration_delay.timeout_seconds", "10")]),
        },
        balancer(site, Family::Application),
        V2Operation::ModifyLoadBalancerAttributes {
            load_balancer: planned(Kind::LoadBalancer, STACK),
            attributes: attributes(&[("idle_timeout.timeout_seconds", "3600")]),
        },
        listener(secure(site, Protocol::Https, web())),
        rule(planned(Kind::Listener, "443"), 10, "/ws/*", forward(&[(ws(), 1)])),
        V2Operation::AddListenerCertificates {
            listener: planned(Kind::Listener, "443"),
            port: 443,
            certificates: vec![existing(&site.certificates[1])],
        },
        listener(ListenerSettings {
            port: 80,
            protocol: Protocol::Http,
            ssl_policy: None,
            alpn_policy: None,
            certificate: None,
            default_action: to_https(),
        }),
        V2Operation::RegisterTargets { group: web(), targets: targets(site) },
        V2Operation::RegisterTargets { group: ws(), targets: targets(site) },
    ]
}

pub(crate) async fn observed(clients: &Clients, family: Family) -> Observed {
    Box::pin(observe(clients, &stack(family))).await.unwrap()
}

pub(crate) fn group_arn(observed: &Observed, name: &str) -> String {
    let found = observed.target_groups.iter().find(|group| group.name == name_of(name));
    found.unwrap_or_else(|| panic!("no {name} in {observed:?}")).arn.clone()
}

/// Builds an ALB, changes it in place and removes it, and checks what is observed after each.
pub(crate) async fn life_of_an_alb(clients: &Clients, site: &Site) {
    complete(run(clients, application(site)).await);
    let first = observed(clients, Family::Application).await;
    let [balancer] = first.v2_load_balancers.as_slice() else { panic!("{first:?}") };
    assert_eq!(balancer.family, Family::Application);
    assert_eq!(balancer.attributes["idle_timeout.timeout_seconds"], "3600");
    assert_eq!(balancer.tags.owner(), Some(STACK));
    assert!(!balancer.canonical_zone.is_empty(), "{balancer:?}");
    assert_eq!(balancer.subnets.len(), site.subnets.len());
    let listener = &balancer.listeners[&443];
    assert_eq!(listener.certificate.as_ref(), Some(&site.certificates[0]));
    assert_eq!(listener.additional_certificates, BTreeSet::from([site.certificates[1].clone()]));
    assert_eq!(listener.tags.owner(), Some(STACK));
    let [found] = listener.rules.as_slice() else { panic!("{listener:?}") };
    assert_eq!((found.priority, &found.conditions), (10, &vec![path("/ws/*")]));
    assert_eq!(found.tags.owner(), Some(STACK));
    assert_eq!(balancer.listeners[&80].certificate, None);
    let [web, ws] = first.target_groups.as_slice() else { panic!("{first:?}") };
    assert_eq!((&web.name, &ws.name), (&name_of("web"), &name_of("ws")));
    assert_eq!(web.health_check, check(Protocol::Http));
    assert_eq!(web.attributes["deregistration_delay.timeout_seconds"], "10");
    assert_eq!(web.targets, targets(site));
    assert_eq!(web.load_balancers, BTreeSet::from([balancer.arn.clone()]));
    assert!(first.instances.iter().any(|found| found.id == site.instance), "{:?}", first.instances);

    let (rule_arn, listener) = (found.arn.clone(), existing(&listener.arn));
    let both = forward(&[(existing(&web.arn), 900), (existing(&ws.arn), 100)]);
    complete(
        run(
            clients,
            vec![
                V2Operation::ModifyListener {
                    listener: listener.clone(),
                    settings: ListenerSettings {
                        certificate: Some(existing(&site.certificates[1])),
                        default_action: both.clone(),
                        ..secure(site, Protocol::Https, existing(&web.arn))
                    },
                },
                V2Operation::RemoveListenerCertificates {
                    listener: listener.clone(),
                    port: 443,
                    certificates: BTreeSet::from([site.certificates[0].clone()]),
                },
                rule(listener.clone(), 20, "/b/*", not_found()),
                V2Operation::SetRulePriorities {
                    port: 443,
                    priorities: BTreeMap::from([(rule_arn.clone(), 30)]),
                },
                V2Operation::ModifyRule {
                    arn: rule_arn.clone(),
                    port: 443,
                    conditions: vec![path("/c/*")],
                    action: both,
                },
                V2Operation::ModifyHealthCheck {
                    group: existing(&web.arn),
                    health_check: HealthCheck { interval: 30, ..check(Protocol::Http) },
                },
                V2Operation::SetTags {
                    arn: balancer.arn.clone(),
                    key: key(Kind::LoadBalancer, STACK),
                    tags: TagChange {
                        set: Tags::from_iter([("Team", "chat")]),
                        remove: BTreeSet::from(["none".to_owned()]),
                    },
                },
            ],
        )
        .await,
    );
    let second = observed(clients, Family::Application).await;
    let balancer = &second.v2_load_balancers[0];
    let listener = &balancer.listeners[&443];
    assert_eq!(listener.certificate.as_ref(), Some(&site.certificates[1]));
    assert_eq!(listener.additional_certificates, BTreeSet::new());
    let rules: Vec<_> = listener.rules.iter().map(|rule| (rule.priority, rule.conditions.clone())).collect();
    assert_eq!(rules, [(20, vec![path("/b/*")]), (30, vec![path("/c/*")])]);
    assert_eq!(listener.rules[1].action, listener.default_action);
    assert_eq!(balancer.tags.0.get("Team").map(String::as_str), Some("chat"));
    assert_eq!(second.target_groups[0].health_check.interval, 30);

    remove(clients, &second, site).await;
}

/// Removes all that is there, and once more what is no longer there.
pub(crate) async fn remove(clients: &Clients, observed_before: &Observed, site: &Site) {
    let balancer = &observed_before.v2_load_balancers[0];
    let family = balancer.family;
    let mut removal = Vec::new();
    for rule in balancer.listeners.values().flat_map(|listener| &listener.rules) {
        removal.push(V2Operation::DeleteRule { arn: rule.arn.clone(), port: 443 });
    }
    for (port, listener) in &balancer.listeners {
        removal.push(V2Operation::DeleteListener { arn: listener.arn.clone(), port: *port });
    }
    for group in &observed_before.target_groups {
        removal.push(V2Operation::DeregisterTargets { group: group.arn.clone(), targets: targets(site) });
        removal.push(V2Operation::AwaitDrained { group: group.arn.clone(), delay: 10 });
    }
    let (arn, name) = (balancer.arn.clone(), balancer.name.clone());
    removal.push(V2Operation::DeleteLoadBalancer { arn, name });
    for group in &observed_before.target_groups {
        removal.push(V2Operation::DeleteTargetGroup { arn: group.arn.clone(), name: group.name.clone() });
    }
    complete(run(clients, removal.clone()).await);
    let left = observed(clients, family).await;
    assert!(left.v2_load_balancers.is_empty() && left.target_groups.is_empty(), "{left:?}");
    complete(run(clients, removal).await);
}

/// Builds an NLB, whose listeners have other attributes and no rules.
pub(crate) async fn an_nlb(clients: &Clients, site: &Site) -> Observed {
    let tcp = || planned(Kind::TargetGroup, "tcp");
    let operations = vec![
        group(site, "tcp", Protocol::Tcp),
        V2Operation::ModifyTargetGroupAttributes {
            group: tcp(),
            attributes: attributes(&[
                ("proxy_protocol_v2.enabled", "true"),
                ("preserve_client_ip.enabled", "false"),
                ("deregistration_delay.timeout_seconds", "0"),
            ]),
        },
        balancer(site, Family::Network),
        listener(secure(site, Protocol::Tls, tcp())),
        listener(ListenerSettings {
            port: 80,
            protocol: Protocol::Tcp,
            ssl_policy: None,
            alpn_policy: None,
            certificate: None,
            default_action: forward(&[(tcp(), 1)]),
        }),
        V2Operation::RegisterTargets { group: tcp(), targets: targets(site) },
    ];
    complete(run(clients, operations).await);
    let first = observed(clients, Family::Network).await;
    let balancer = &first.v2_load_balancers[0];
    assert_eq!(balancer.family, Family::Network);
    assert_eq!(balancer.listeners[&443].protocol, "TLS");
    assert_eq!(balancer.listeners[&443].alpn_policy, None);
    let group = &first.target_groups[0];
    assert_eq!(group.attributes["proxy_protocol_v2.enabled"], "true");
    assert_eq!(group.health_check, check(Protocol::Http));
    first
}

/// Builds an NLB, changes it in place and removes it.
async fn life_of_an_nlb(clients: &Clients, site: &Site) {
    let first = an_nlb(clients, site).await;
    let (balancer, group) = (&first.v2_load_balancers[0], &first.target_groups[0]);
    let settings = ListenerSettings {
        alpn_policy: Some("HTTP2Preferred".to_owned()),
        ..secure(site, Protocol::Tls, existing(&group.arn))
    };
    let listener = existing(&balancer.listeners[&443].arn);
    complete(run(clients, vec![V2Operation::ModifyListener { listener, settings }]).await);
    let second = observed(clients, Family::Network).await;
    let alpn = &second.v2_load_balancers[0].listeners[&443].alpn_policy;
    assert_eq!(alpn.as_deref(), Some("HTTP2Preferred"));
    remove(clients, &second, site).await;
}

#[test]
fn an_alb_is_built_changed_and_removed() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    account.run(Box::pin(life_of_an_alb(&clients, &site)));
}

#[test]
fn an_nlb_is_built_changed_and_removed() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    account.run(Box::pin(life_of_an_nlb(&clients, &site)));
}

#[test]
fn with_every_answer_lost_once_each_operation_ends_the_same() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    for point in 1.. {
        account.forget_calls();
        account.faults(&format!(r#"{{"operation":"*","nth":{point},"effect":"drop-after"}}"#));
        let (outcome, _) = account.run(Box::pin(run(&clients, application(&site))));
        assert!(outcome.is_complete(), "answer {point} lost: {outcome:?}");
        let struck = account.calls().iter().any(|call| call.dropped);
        account.no_faults();
        let found = account.run(observed(&clients, Family::Application));
        let counts = (found.v2_load_balancers.len(), found.target_groups.len());
        assert_eq!(counts, (1, 2), "answer {point} lost");
        assert_eq!(found.v2_load_balancers[0].listeners[&443].rules.len(), 1, "answer {point} lost");
        account.run(Box::pin(remove(&clients, &found, &site)));
        if !struck {
            assert!(point > 10, "only {point} calls");
            println!("{} answers lost", point - 1);
            break;
        }
    }
}
