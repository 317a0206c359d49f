//! Every call for Application and Network load balancers, one operation at a time: against the local AWS and against
//! moto.

mod health;
mod lives;
mod records;
mod settings;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use elbws::provision::aws::{Cancel, Clients};
use elbws::provision::execute::{Event, ExecuteError, Outcome, events, execute};
use elbws::provision::observe::observe;
use elbws::provision::plan::v2::{
    ListenerSettings, NewAction, NewLoadBalancer, NewTargetGroup, V2Operation, WeightedGroup,
};
use elbws::provision::plan::{Operation, Plan, Reference, Step};
use elbws::provision::resource::v2::{
    AddressType, Condition, DesiredLoadBalancer, Family, Forward, HealthCheck, Protocol, Target, TargetKind,
};
use elbws::provision::resource::{
    Admission, DesiredBalancer, InstanceSelector, Kind, LoadBalancerType, Observed, ResourceKey, Scheme,
    Stack, SubnetSelector, Tags, VpcSelector,
};

pub(crate) use self::lives::{an_nlb, life_of_an_alb, remove};
pub(crate) use self::records::life_of_a_record;
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
        proxy: None,
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

/// The health check of a group whose targets speak the protocol.
pub(crate) fn check(protocol: Protocol) -> HealthCheck {
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

pub(crate) fn planned(kind: Kind, name: &str) -> Reference {
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
    NewAction::Forward(Forward { groups, stickiness: None })
}

pub(crate) fn secure(site: &Site, protocol: Protocol, group: Reference) -> ListenerSettings {
    ListenerSettings {
        port: 443,
        protocol,
        ssl_policy: Some("ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
        alpn_policy: None,
        certificate: Some(existing(&site.certificates[0])),
        default_action: forward(&[(group, 1)]),
    }
}

pub(crate) fn to_https() -> NewAction {
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

pub(crate) fn listener(settings: ListenerSettings) -> V2Operation {
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

pub(crate) fn path(pattern: &str) -> Condition {
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
