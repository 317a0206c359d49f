//! What is planned for a stack in each of the states that it can be found in.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::provision::resource::*;

pub(super) fn stack() -> Stack {
    let listener = |protocol, ssl_policy: Option<&str>| DesiredListener {
        protocol,
        instance_port: 80,
        instance_protocol: Protocol::Tcp,
        ssl_policy: ssl_policy.map(str::to_owned),
    };
    Stack {
        name: "chat".into(),
        tags: Tags::default(),
        vpc: VpcSelector::Default,
        subnets: SubnetSelector::All,
        instances: InstanceSelector {
            ids: BTreeSet::new(),
            tags: Tags::from_iter([("App", "chat")]),
            auto_scaling_group: None,
        },
        admission: Admission::Managed,
        certificate: Some(CertificateSource::Domain("chat.example.com".into())),
        additional_certificates: Vec::new(),
        dns: None,
        proxy: None,
        load_balancer: DesiredBalancer::Classic(DesiredLoadBalancer {
            name: "chat".into(),
            scheme: Scheme::InternetFacing,
            ingress: BTreeSet::from(["0.0.0.0/0".to_owned()]),
            listeners: BTreeMap::from([
                (443, listener(Protocol::Ssl, Some("ELBSecurityPolicy-TLS-1-2-2017-01"))),
                (80, listener(Protocol::Tcp, None)),
            ]),
            proxy_protocol: BTreeSet::from([80]),
            attributes: Attributes {
                idle_timeout: 3600,
                connection_draining: Some(300),
                cross_zone: true,
                access_logs: None,
            },
            health_check: HealthCheck {
                target: "HTTP:8081/healthz".into(),
                interval: 10,
                timeout: 5,
                healthy_threshold: 2,
                unhealthy_threshold: 3,
            },
        }),
    }
}

fn desired(stack: &mut Stack) -> &mut DesiredLoadBalancer {
    match &mut stack.load_balancer {
        DesiredBalancer::Classic(desired) => desired,
        DesiredBalancer::V2(_) => panic!("no Classic load balancer is desired"),
    }
}

pub(super) fn certificate(arn: &str, domain: &str, not_after: i64) -> Certificate {
    Certificate {
        arn: arn.into(),
        store: CertificateStore::Acm,
        issued: true,
        domains: vec![domain.into()],
        key_algorithm: Some("RSA_2048".into()),
        not_after: Some(not_after),
        fingerprint: None,
        tags: Tags::default(),
    }
}

pub(super) fn subnet(id: &str, zone: &str) -> Subnet {
    Subnet {
        id: id.into(),
        vpc: "vpc-1".into(),
        block: if id == "subnet-a" { "172.31.0.0/20" } else { "172.31.16.0/20" }.into(),
        zone: zone.into(),
        is_default: true,
        maps_public_address: true,
        tags: Tags::default(),
    }
}

pub(super) fn surroundings() -> Observed {
    Observed {
        region: "us-east-1".into(),
        vpcs: vec![Vpc { id: "vpc-1".into(), is_default: true, tags: Tags::default() }],
        subnets: vec![subnet("subnet-a", "us-east-1a"), subnet("subnet-b", "us-east-1b")],
        instances: vec![Instance {
            id: "i-1".into(),
            state: InstanceState::Running,
            vpc: Some("vpc-1".into()),
            zone: "us-east-1a".into(),
            architecture: Some(Architecture::X86_64),
            profile: None,
            security_groups: BTreeSet::from(["sg-app".to_owned()]),
            tags: Tags::from_iter([("App", "chat")]),
        }],
        certificates: vec![
            certificate("arn:old", "chat.example.com", 100),
            certificate("arn:new", "*.example.com", 200),
        ],
        ..Observed::default()
    }
}

fn rule(id: &str, group: &str, port: i32, source: RuleSource) -> GroupRule {
    GroupRule {
        id: id.into(),
        group: group.into(),
        protocol: "tcp".into(),
        from_port: port,
        to_port: port,
        source,
        stack: Some("chat".into()),
    }
}

fn policy(name: &str, kind: PolicyKind, attribute: (&str, &str)) -> (String, Policy) {
    let attributes = BTreeMap::from([(attribute.0.to_owned(), attribute.1.to_owned())]);
    (name.to_owned(), Policy { name: name.into(), type_name: kind.as_api().into(), attributes })
}

/// The stack as it is found after its first apply.
pub(super) fn applied() -> Observed {
    let mut stack = stack();
    let key = |kind| ResourceKey::new(kind, "chat");
    let listener = |port, protocol, certificate: Option<&str>, policies: &[&str]| Listener {
        port,
        protocol,
        instance_port: 80,
        instance_protocol: Protocol::Tcp,
        certificate: certificate.map(str::to_owned),
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
    };
    let ssl = "chat-ELBSecurityPolicy-TLS-1-2-2017-01";
    Observed {
        security_groups: vec![SecurityGroup {
            id: "sg-own".into(),
            name: "elbws-chat".into(),
            vpc: "vpc-1".into(),
            tags: stack.tags.owned_by("chat", &key(Kind::SecurityGroup)),
        }],
        rules: vec![
            rule("sgr-1", "sg-own", 443, RuleSource::Cidr("0.0.0.0/0".into())),
            rule("sgr-2", "sg-own", 80, RuleSource::Cidr("0.0.0.0/0".into())),
            rule("sgr-3", "sg-app", 80, RuleSource::Group("sg-own".into())),
            rule("sgr-4", "sg-app", 8081, RuleSource::Group("sg-own".into())),
        ],
        load_balancers: vec![LoadBalancer {
            name: "chat".into(),
            dns_name: "chat-1.us-east-1.elb.amazonaws.com".into(),
            scheme: Scheme::InternetFacing,
            vpc: Some("vpc-1".into()),
            subnets: BTreeSet::from(["subnet-a".to_owned(), "subnet-b".to_owned()]),
            security_groups: BTreeSet::from(["sg-own".to_owned()]),
            listeners: BTreeMap::from([
                (443, listener(443, Protocol::Ssl, Some("arn:new"), &[ssl])),
                (80, listener(80, Protocol::Tcp, None, &[])),
            ]),
            policies: BTreeMap::from([
                policy("chat-proxy-protocol", PolicyKind::ProxyProtocol, ("ProxyProtocol", "True")),
                policy(
                    ssl,
                    PolicyKind::SslNegotiation,
                    ("Reference-Security-Policy", "ELBSecurityPolicy-TLS-1-2-2017-01"),
                ),
            ]),
            backend_policies: BTreeMap::from([(80, vec!["chat-proxy-protocol".to_owned()])]),
            attributes: desired(&mut stack).attributes.clone(),
            health_check: desired(&mut stack).health_check.clone(),
            instances: BTreeSet::from(["i-1".to_owned()]),
            tags: stack.tags.owned_by("chat", &key(Kind::LoadBalancer)),
        }],
        ..surroundings()
    }
}

/// Plans and returns a line a change and a line an operation with what it needs.
fn script(stack: &Stack, observed: &Observed) -> String {
    let plan = plan(stack, observed, Adoption::Refuse).unwrap();
    script_of(&plan)
}

pub(super) fn script_of(plan: &Plan) -> String {
    let changes = plan
        .changes
        .iter()
        .map(|change| format!("{:?} {} {:?}", change.action, change.resource, change.disruption));
    let steps = plan.steps.iter().map(|step| format!("{} {} {:?}", step.id, step.operation, step.needs));
    changes.chain(steps).collect::<Vec<_>>().join("\n")
}

fn balancer(observed: &mut Observed) -> &mut LoadBalancer {
    &mut observed.load_balancers[0]
}

#[test]
fn a_stack_is_built_in_the_order_of_its_dependencies() {
    insta::assert_snapshot!(script(&stack(), &surroundings()));
}

#[test]
fn what_is_as_desired_needs_nothing() {
    assert_eq!(script(&stack(), &applied()), "");
}

#[test]
fn another_certificate_is_set_without_recreating_the_listener() {
    let mut observed = applied();
    observed.certificates.push(certificate("arn:newest", "chat.example.com", 300));
    insta::assert_snapshot!(script(&stack(), &observed));
}

#[test]
fn other_policies_on_an_instance_port_are_kept_and_a_false_one_is_swapped() {
    let mut observed = applied();
    let balancer = balancer(&mut observed);
    balancer.policies.extend([
        policy("chat-proxy-protocol", PolicyKind::ProxyProtocol, ("ProxyProtocol", "false")),
        (
            "theirs".to_owned(),
            Policy { name: "theirs".into(), type_name: "Other".into(), attributes: BTreeMap::new() },
        ),
    ]);
    balancer.backend_policies.insert(80, vec!["theirs".into(), "chat-proxy-protocol".into()]);
    insta::assert_snapshot!(script(&stack(), &observed));
}

#[test]
fn a_stale_instance_port_is_swept_before_its_listener_goes() {
    let mut observed = applied();
    let balancer = balancer(&mut observed);
    let listener = Listener { port: 8443, instance_port: 8443, ..balancer.listeners[&80].clone() };
    balancer.listeners.insert(8443, listener);
    balancer.backend_policies.insert(8443, vec!["chat-proxy-protocol".into()]);
    balancer.backend_policies.insert(9999, vec!["chat-proxy-protocol".into()]);
    insta::assert_snapshot!(script(&stack(), &observed));
}

#[test]
fn other_protocols_replace_the_listener() {
    let mut observed = applied();
    let listener = balancer(&mut observed).listeners.get_mut(&443).unwrap();
    listener.protocol = Protocol::Https;
    listener.instance_protocol = Protocol::Http;
    insta::assert_snapshot!(script(&stack(), &observed));
}

#[test]
fn another_scheme_replaces_the_load_balancer_and_keeps_its_group() {
    let mut stack = stack();
    desired(&mut stack).scheme = Scheme::Internal;
    insta::assert_snapshot!(script(&stack, &applied()));
}

#[test]
fn another_name_builds_the_new_one_before_the_old_one_goes() {
    let mut stack = stack();
    desired(&mut stack).name = "talk".into();
    insta::assert_snapshot!(script(&stack, &applied()));
}

#[test]
fn subnets_are_swapped_within_their_zone() {
    let mut observed = applied();
    observed.subnets.push(subnet("subnet-c", "us-east-1c"));
    observed.subnets.push(subnet("subnet-b2", "us-east-1b"));
    let mut stack = stack();
    stack.subnets = SubnetSelector::Ids(["subnet-b2", "subnet-c"].map(str::to_owned).into());
    insta::assert_snapshot!(script(&stack, &observed));
}

#[test]
fn one_subnet_per_zone_is_chosen_and_two_named_ones_are_refused() {
    let mut observed = surroundings();
    observed.subnets.push(Subnet { is_default: false, ..subnet("subnet-0", "us-east-1b") });
    let placed = plan(&stack(), &observed, Adoption::Refuse).unwrap();
    let Some(Operation::CreateLoadBalancer { subnets, .. }) = placed
        .steps
        .iter()
        .map(|step| &step.operation)
        .find(|operation| matches!(operation, Operation::CreateLoadBalancer { .. }))
    else {
        panic!("no load balancer is created");
    };
    assert_eq!(subnets.iter().collect::<Vec<_>>(), ["subnet-a", "subnet-b"]);

    let mut stack = stack();
    stack.subnets = SubnetSelector::Ids(["subnet-b", "subnet-0"].map(str::to_owned).into());
    let errors = plan(&stack, &observed, Adoption::Refuse).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "network.subnets: subnet-0 and subnet-b are in the same availability zone, us-east-1b"
    );
}

#[test]
fn what_is_not_ours_is_refused_unless_adopted() {
    let mut observed = applied();
    balancer(&mut observed).tags = Tags::from_iter([("Name", "by hand")]);
    let errors = plan(&stack(), &observed, Adoption::Refuse).unwrap_err();
    assert_eq!(errors, [PlanError::NotOwned { name: "chat".into(), owner: None }]);
    let adopted = plan(&stack(), &observed, Adoption::Adopt).unwrap();
    assert_eq!(adopted.steps.len(), 1, "{}", script_of(&adopted));
    assert!(matches!(adopted.steps[0].operation, Operation::TagLoadBalancer { .. }));

    balancer(&mut observed).tags =
        Tags::default().owned_by("other", &ResourceKey::new(Kind::LoadBalancer, "chat"));
    assert!(plan(&stack(), &observed, Adoption::Adopt).is_err());
}

#[test]
fn destroying_takes_only_what_carries_the_tags_and_groups_last() {
    let mut observed = applied();
    observed.certificates[0].tags =
        Tags::default().owned_by("chat", &ResourceKey::new(Kind::Certificate, "main"));
    insta::assert_snapshot!(script_of(&destroy(&stack(), &observed).unwrap()));
    balancer(&mut observed).tags = Tags::default();
    let plan = destroy(&stack(), &observed).unwrap();
    assert!(plan.changes.iter().all(|change| change.resource.kind != Kind::LoadBalancer));
    assert_eq!(plan.warnings.len(), 1);
}

#[test]
fn a_group_that_admits_already_is_preferred_to_a_more_common_one() {
    let mut observed = applied();
    for id in ["i-2", "i-3"] {
        observed.instances.push(Instance {
            id: id.into(),
            security_groups: ["sg-app", "sg-wide"].map(str::to_owned).into(),
            ..observed.instances[0].clone()
        });
    }
    observed.instances.push(Instance {
        id: "i-4".into(),
        security_groups: ["sg-wide", "sg-lone"].map(str::to_owned).into(),
        ..observed.instances[0].clone()
    });
    let plan = plan(&stack(), &observed, Adoption::Refuse).unwrap();
    let admissions: Vec<_> =
        plan.changes.iter().filter(|change| change.resource.kind == Kind::Admission).collect();
    assert_eq!(admissions.len(), 1, "{admissions:?}");
    assert_eq!(admissions[0].resource.name, "sg-lone");
}

#[test]
fn everything_in_the_way_is_said_at_once() {
    let mut stack = stack();
    stack.instances.ids.insert("i-none".into());
    stack.certificate = Some(CertificateSource::Domain("chat.example.org".into()));
    let mut observed = surroundings();
    observed.missing_instances.insert("i-none".into());
    observed.instances[0].vpc = Some("vpc-2".into());
    let errors = plan(&stack, &observed, Adoption::Refuse).unwrap_err();
    let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 3, "{text:?}");
    assert!(errors.iter().all(|error| !error.hint().is_empty()));
}

#[test]
fn a_saved_plan_is_refused_once_what_was_observed_has_changed() {
    let observed = surroundings();
    let plan = plan(&stack(), &observed, Adoption::Refuse).unwrap();
    let saved = SavedPlan::new(stack(), Adoption::Refuse, plan, &observed);
    let read = SavedPlan::from_json(&saved.to_json().unwrap()).unwrap();
    assert_eq!(read, saved);
    assert!(read.check(&observed).is_ok());
    assert!(matches!(read.check(&applied()), Err(SavedPlanError::Stale)));
    assert!(matches!(SavedPlan::from_json("{}"), Err(SavedPlanError::Malformed(_))));
    let other = saved.to_json().unwrap().replacen("\"format\": 3", "\"format\": 7", 1);
    assert!(matches!(SavedPlan::from_json(&other), Err(SavedPlanError::Format { found: 7 })));
}
