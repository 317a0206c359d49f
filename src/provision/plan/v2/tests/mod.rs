//! What is planned for a stack with an Application or a Network load balancer.

mod beside;
mod records;

use super::*;
use crate::provision::plan::Adoption;
use crate::provision::plan::tests::{certificate, script_of, stack as classic_stack, subnet, surroundings};
use crate::provision::plan::{Action as Happens, Choices, Cutover, Plan, destroy, plan as plan_stack};
use crate::provision::resource::v2::{
    Action, AddressType, Condition, DesiredListener, DesiredRecord, DesiredRule, DesiredTargetGroup, Forward,
    HealthCheck, Listener, LoadBalancerState, Protocol, Record, Rule, TargetGroup, TargetSelector, Zone,
};
use crate::provision::resource::{DesiredBalancer, GroupRule, RuleSource, Scheme, SecurityGroup};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn forward(groups: &[(&str, u16)]) -> Action {
    let groups = groups.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    Action::Forward(Forward { groups, stickiness: None })
}

fn group(port: u16, protocol: Protocol) -> DesiredTargetGroup {
    let is_http = protocol == Protocol::Http;
    DesiredTargetGroup {
        protocol,
        protocol_version: is_http.then(|| "HTTP1".to_owned()),
        port,
        targets: TargetSelector::Instances { ports: BTreeSet::new() },
        health_check: HealthCheck {
            protocol: Protocol::Http,
            port: Some(8081),
            path: Some("/healthz".into()),
            matcher: Some("200".into()),
            interval: 10,
            timeout: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 3,
        },
        attributes: map(&[("deregistration_delay.timeout_seconds", "300")]),
    }
}

fn path_rule(path: &str, group: &str) -> DesiredRule {
    DesiredRule {
        conditions: vec![Condition::Path(BTreeSet::from([path.to_owned()]))],
        action: forward(&[(group, 1)]),
    }
}

fn to_https() -> Action {
    let text = str::to_owned;
    Action::Redirect {
        protocol: text("HTTPS"),
        host: text("#{host}"),
        port: text("443"),
        path: text("/#{path}"),
        query: text("#{query}"),
        status: 301,
    }
}

fn listener(protocol: Protocol, default_action: Action) -> DesiredListener {
    DesiredListener {
        protocol,
        ssl_policy: protocol.is_secure().then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()),
        alpn_policy: None,
        default_action,
        rules: Vec::new(),
        attributes: BTreeMap::new(),
    }
}

fn with(balancer: DesiredLoadBalancer) -> Stack {
    Stack { load_balancer: DesiredBalancer::V2(balancer), ..classic_stack() }
}

fn application() -> Stack {
    let mut https = listener(Protocol::Https, forward(&[("web", 1)]));
    https.rules = vec![path_rule("/ws/*", "ws")];
    with(DesiredLoadBalancer {
        name: "chat".into(),
        family: Family::Application,
        scheme: Scheme::InternetFacing,
        address_type: AddressType::Ipv4,
        ingress: BTreeSet::from(["0.0.0.0/0".to_owned()]),
        addresses: BTreeMap::new(),
        attributes: map(&[("idle_timeout.timeout_seconds", "3600")]),
        listeners: BTreeMap::from([(443, https), (80, listener(Protocol::Http, to_https()))]),
        target_groups: BTreeMap::from([
            ("web".to_owned(), group(80, Protocol::Http)),
            ("ws".to_owned(), group(9000, Protocol::Http)),
        ]),
    })
}

fn network() -> Stack {
    let mut web = group(80, Protocol::Tcp);
    web.attributes.insert("proxy_protocol_v2.enabled".into(), "true".into());
    with(DesiredLoadBalancer {
        name: "chat".into(),
        family: Family::Network,
        scheme: Scheme::InternetFacing,
        address_type: AddressType::Ipv4,
        ingress: BTreeSet::from(["0.0.0.0/0".to_owned()]),
        addresses: BTreeMap::new(),
        attributes: map(&[("load_balancing.cross_zone.enabled", "true")]),
        listeners: BTreeMap::from([(443, listener(Protocol::Tls, forward(&[("web", 1)])))]),
        target_groups: BTreeMap::from([("web".to_owned(), web)]),
    })
}

fn balancer(stack: &mut Stack) -> &mut DesiredLoadBalancer {
    match &mut stack.load_balancer {
        DesiredBalancer::V2(balancer) => balancer,
        DesiredBalancer::Classic(_) => panic!("a Classic load balancer is desired"),
    }
}

fn desired(stack: &Stack) -> &DesiredLoadBalancer {
    match &stack.load_balancer {
        DesiredBalancer::V2(balancer) => balancer,
        DesiredBalancer::Classic(_) => panic!("a Classic load balancer is desired"),
    }
}

fn observed_action(action: &Action) -> Action {
    match action {
        Action::Forward(forward) => Action::Forward(Forward {
            groups: forward.groups.iter().map(|(name, weight)| (group_arn(name), *weight)).collect(),
            stickiness: forward.stickiness,
        }),
        other => other.clone(),
    }
}

fn group_arn(word: &str) -> String {
    format!("arn:targetgroup/{word}/1")
}

/// The stack as it is found after it was applied.
fn applied(stack: &Stack) -> Observed {
    let wanted = desired(stack);
    let own = Stack::security_group_key(wanted.family.into(), &wanted.name);
    let owned = |key: &ResourceKey| stack.tags.owned_by("chat", key);
    let arn = "arn:loadbalancer/app/chat/1".to_owned();
    let admitted = |index: usize, group: &str, port: u16, source| GroupRule {
        id: format!("sgr-{group}-{index}"),
        group: group.to_owned(),
        protocol: "tcp".into(),
        from_port: port.into(),
        to_port: port.into(),
        source,
        stack: Some("chat".into()),
    };
    let ingress = wanted
        .listeners
        .keys()
        .enumerate()
        .map(|(index, port)| admitted(index, "sg-own", *port, RuleSource::Cidr("0.0.0.0/0".into())));
    let admissions = wanted.instance_ports().into_iter().enumerate();
    let admissions =
        admissions.map(|(index, port)| admitted(index, "sg-app", port, RuleSource::Group("sg-own".into())));
    let listeners = wanted.listeners.iter().map(|(port, listener)| {
        let rules = listener.rules.iter().zip(1_u16..).map(|(rule, number)| Rule {
            arn: format!("arn:listener-rule/app/chat/1/1/{number}"),
            priority: number * 100,
            conditions: rule.conditions.clone(),
            action: observed_action(&rule.action),
            tags: owned(&ResourceKey::new(Kind::Rule, port)),
        });
        let found = Listener {
            arn: format!("arn:listener/{port}"),
            protocol: listener.protocol.as_aws().to_owned(),
            ssl_policy: listener.ssl_policy.clone(),
            alpn_policy: None,
            certificate: listener.protocol.is_secure().then(|| "arn:new".to_owned()),
            additional_certificates: BTreeSet::new(),
            default_action: observed_action(&listener.default_action),
            rules: rules.collect(),
            attributes: listener.attributes.clone(),
            tags: owned(&scene::listener_key(*port)),
        };
        (*port, found)
    });
    let groups = wanted.target_groups.iter().map(|(word, group)| {
        let targets: BTreeSet<Target> =
            group.target_ports().into_iter().map(|port| Target { id: "i-1".into(), port }).collect();
        TargetGroup {
            arn: group_arn(word),
            name: group.name_in_aws("chat", &wanted.name, word, "vpc-1"),
            protocol: group.protocol.as_aws().to_owned(),
            protocol_version: group.protocol_version.clone(),
            port: group.port,
            vpc: "vpc-1".into(),
            kind: Some(group.targets.kind()),
            load_balancers: BTreeSet::from([arn.clone()]),
            health_check: group.health_check.clone(),
            attributes: group.attributes.clone(),
            targets: targets.clone(),
            healthy: targets,
            tags: owned(&group_key(word)),
        }
    });
    Observed {
        security_groups: vec![SecurityGroup {
            id: "sg-own".into(),
            name: Stack::security_group_name(wanted.family.into(), &wanted.name),
            vpc: "vpc-1".into(),
            tags: owned(&own),
        }],
        rules: ingress.chain(admissions).collect(),
        target_groups: groups.collect(),
        v2_load_balancers: vec![LoadBalancer {
            arn: arn.clone(),
            name: wanted.name.clone(),
            family: wanted.family,
            dns_name: format!("{}-1.us-east-1.elb.amazonaws.com", wanted.name),
            canonical_zone: "ZELB".into(),
            state: LoadBalancerState::Active,
            scheme: wanted.scheme,
            address_type: wanted.address_type,
            vpc: "vpc-1".into(),
            subnets: ["subnet-a", "subnet-b"].map(|id| (id.to_owned(), None)).into(),
            security_groups: BTreeSet::from(["sg-own".to_owned()]),
            attributes: wanted.attributes.clone(),
            listeners: listeners.collect(),
            tags: owned(&ResourceKey::new(Kind::LoadBalancer, &wanted.name)),
        }],
        ..surroundings()
    }
}

fn planned(stack: &Stack, observed: &Observed) -> Plan {
    plan_stack(stack, observed, Adoption::Refuse).unwrap()
}

/// Returns a plan as lines: its warnings, its changes with their fields, its steps.
fn script(plan: &Plan) -> String {
    let warnings = plan.warnings.iter().map(|warning| format!("warning: {warning}\n"));
    let fields = plan.changes.iter().filter(|change| change.action != Happens::Create).map(|change| {
        let fields: Vec<String> =
            change.fields.iter().map(|field| format!("{} {}→{}", field.path, field.from, field.to)).collect();
        format!("{}: {}\n", change.resource, fields.join("; "))
    });
    warnings.chain(fields).collect::<String>() + &script_of(plan)
}

/// Edits the desired load balancer of an applied stack and returns the plan.
fn edited(mut stack: Stack, edit: impl FnOnce(&mut DesiredLoadBalancer)) -> Plan {
    let observed = applied(&stack);
    edit(balancer(&mut stack));
    planned(&stack, &observed)
}

#[test]
fn an_alb_is_built_in_the_order_of_its_dependencies() {
    insta::assert_snapshot!(script(&planned(&application(), &surroundings())));
}

#[test]
fn an_nlb_is_built_in_the_order_of_its_dependencies() {
    insta::assert_snapshot!(script(&planned(&network(), &surroundings())));
}

#[test]
fn what_is_as_desired_needs_nothing() {
    for stack in [application(), network()] {
        assert_eq!(script(&planned(&stack, &applied(&stack))), "");
    }
}

#[test]
fn another_port_of_a_group_is_a_group_beside_it_that_takes_over_once_healthy() {
    let plan = edited(application(), |balancer| {
        balancer.target_groups.insert("ws".into(), group(9001, Protocol::Http));
    });
    insta::assert_snapshot!(script(&plan));
}

#[test]
fn a_run_that_ended_before_the_switch_goes_on_from_there() {
    let mut stack = application();
    let mut observed = applied(&stack);
    let changed = group(9001, Protocol::Http);
    let (name, arn) = (changed.name_in_aws("chat", "chat", "ws", "vpc-1"), group_arn("ws-new"));
    let old = observed.target_groups.iter().find(|found| found.port == 9000).unwrap();
    let targets = BTreeSet::from([Target { id: "i-1".into(), port: 9001 }]);
    let new = TargetGroup { arn: arn.clone(), name, port: 9001, targets, ..old.clone() };
    observed.target_groups.push(new);
    let rule = &mut observed.v2_load_balancers[0].listeners.get_mut(&443).unwrap().rules[0];
    rule.action = Action::Forward(Forward {
        groups: BTreeMap::from([(group_arn("ws"), 1), (arn, 0)]),
        stickiness: None,
    });
    balancer(&mut stack).target_groups.insert("ws".into(), changed);
    insta::assert_snapshot!(script(&planned(&stack, &observed)));
}

#[test]
fn an_nlb_switches_as_an_alb_does() {
    let plan = edited(network(), |balancer| {
        let mut web = group(81, Protocol::Tcp);
        web.attributes.insert("proxy_protocol_v2.enabled".into(), "true".into());
        balancer.target_groups.insert("web".into(), web);
    });
    insta::assert_snapshot!(script(&plan));
}

#[test]
fn https_becomes_http_in_place_without_a_certificate() {
    let plan = edited(application(), |balancer| {
        let https = balancer.listeners.get_mut(&443).unwrap();
        https.protocol = Protocol::Http;
        https.ssl_policy = None;
    });
    let [step] = plan.steps.as_slice() else { panic!("{}", script(&plan)) };
    let Operation::V2(V2Operation::ModifyListener { settings, .. }) = &step.operation else {
        panic!("{}", step.operation)
    };
    assert_eq!(
        (settings.protocol, &settings.certificate, &settings.ssl_policy),
        (Protocol::Http, &None, &None)
    );
}

#[test]
fn another_default_certificate_does_not_stay_among_those_of_sni() {
    let stack = application();
    let mut observed = applied(&stack);
    observed.certificates.push(certificate("arn:newest", "chat.example.com", 300));
    insta::assert_snapshot!(script(&planned(&stack, &observed)));
}

#[test]
fn rules_are_put_in_order_then_created_then_deleted() {
    let plan = edited(application(), |balancer| {
        let https = balancer.listeners.get_mut(&443).unwrap();
        https.rules = vec![path_rule("/chat/*", "ws"), path_rule("/ws/*", "ws"), path_rule("/b/*", "web")];
    });
    insta::assert_snapshot!(script(&plan));
}

#[test]
fn what_others_have_put_on_a_listener_is_left_alone() {
    let mut stack = application();
    let mut observed = applied(&stack);
    let https = observed.v2_load_balancers[0].listeners.get_mut(&443).unwrap();
    https.rules[0].tags = crate::provision::resource::Tags::default();
    balancer(&mut stack).listeners.get_mut(&443).unwrap().rules.clear();
    let plan = planned(&stack, &observed);
    let steps: Vec<String> = plan.steps.iter().map(|step| step.operation.to_string()).collect();
    assert!(!steps.iter().any(|step| step.contains("rule")), "{steps:?}");
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
}

#[test]
fn another_scheme_under_the_same_name_says_how_to_have_no_gap() {
    let plan = edited(application(), |balancer| balancer.scheme = Scheme::Internal);
    let change = plan.changes.iter().find(|change| change.action == Happens::Replace).unwrap();
    assert!(change.reason.as_deref().unwrap().contains("another load_balancer.name"), "{change:?}");
    insta::assert_snapshot!(script(&plan));
}

#[test]
fn one_zone_is_too_few_for_an_alb() {
    let mut observed = surroundings();
    observed.subnets = vec![subnet("subnet-a", "us-east-1a")];
    let errors = plan_stack(&application(), &observed, Adoption::Refuse).unwrap_err();
    assert_eq!(errors, [PlanError::TooFewZones { found: 1 }]);
    assert!(plan_stack(&network(), &observed, Adoption::Refuse).is_ok());
}
