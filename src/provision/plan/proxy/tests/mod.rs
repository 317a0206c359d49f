//! What is planned for the proxy on the instances.

mod switch;

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::super::tests::{applied, stack};
use super::super::{Action, Adoption, Disruption, Operation, Plan, deploy, plan};
use super::*;
use crate::provision::resource::{
    Architecture, Installation, InstanceState, ObservedProxy, ProgramFile, Tags,
};

const PROGRAM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn with_proxy(max_unavailable: u16) -> Stack {
    let program = ProgramFile { path: PathBuf::from("/opt/elbws-proxy"), sha256: PROGRAM.to_owned() };
    Stack {
        proxy: Some(DesiredProxy {
            bucket: "artifacts".to_owned(),
            programs: BTreeMap::from([(Architecture::X86_64, program)]),
            installation: Installation {
                config: "listen: [80]\naccept: v1\n".to_owned(),
                unit: "[Service]\n".to_owned(),
                health: "http://127.0.0.1:8081/healthz".to_owned(),
                status: None,
            },
            listen: BTreeSet::from([80]),
            max_unavailable,
            timeout: 600,
        }),
        ..stack()
    }
}

/// What an instance has once the proxy is installed.
fn installed(stack: &Stack) -> Installed {
    let installation = &stack.proxy.as_ref().unwrap().installation;
    Installed {
        program: Some(PROGRAM.to_owned()),
        running: Some(PROGRAM.to_owned()),
        config: Some(sha256_of(&installation.config)),
        loaded: Some(sha256_of(&installation.config)),
        unit: Some(sha256_of(&installation.unit)),
        fixed: Some(installation.fixed_sha256()),
        accept: Some("v1".to_owned()),
        optional_until: None,
    }
}

/// The stack as it was applied, with `count` instances that have what `has` says.
fn observed(count: usize, has: impl Fn(usize) -> Management) -> Observed {
    let mut observed = applied();
    let first = observed.instances[0].clone();
    observed.instances.clear();
    for number in 1..=count {
        let id = format!("i-{number}");
        observed.load_balancers[0].instances.insert(id.clone());
        observed.proxies.push(ObservedProxy { instance: id.clone(), management: has(number) });
        observed.instances.push(Instance {
            id,
            tags: Tags::from_iter([("App", "chat")]),
            profile: Some("arn:profile".to_owned()),
            ..first.clone()
        });
    }
    observed
}

fn nothing(_: usize) -> Management {
    Management::Managed(Installed::default())
}

/// The steps about the proxy, each with its needs.
fn steps(plan: &Plan) -> Vec<String> {
    let ours = plan.steps.iter().filter(|step| matches!(step.operation, Operation::Proxy(_)));
    ours.map(|step| format!("{} {} after {:?}", step.id, step.operation, step.needs)).collect()
}

#[test]
fn instances_get_it_one_after_the_other_once_the_program_is_uploaded() {
    let plan = plan(&with_proxy(1), &observed(3, nothing), Adoption::Refuse).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "0 upload /opt/elbws-proxy to artifacts after {}",
            "1 install the proxy on i-1 after {0}",
            "2 install the proxy on i-2 after {0, 1}",
            "3 install the proxy on i-3 after {0, 2}",
        ]
    );
    let changes: Vec<String> =
        plan.changes.iter().map(|change| format!("{:?} {}", change.action, change.resource)).collect();
    assert_eq!(
        changes,
        ["Create program/x86_64", "Create proxy/i-1", "Create proxy/i-2", "Create proxy/i-3"]
    );
    assert!(plan.changes.iter().all(|change| change.disruption == Disruption::None));
}

#[test]
fn several_may_be_changed_at_the_same_time() {
    let mut observed = observed(5, nothing);
    observed.programs.insert(PROGRAM.to_owned());
    let plan = plan(&with_proxy(2), &observed, Adoption::Refuse).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "0 install the proxy on i-1 after {}",
            "1 install the proxy on i-2 after {}",
            "2 install the proxy on i-3 after {0}",
            "3 install the proxy on i-4 after {1}",
            "4 install the proxy on i-5 after {2}",
        ]
    );
}

#[test]
fn an_instance_that_has_it_all_is_left_alone() {
    let stack = with_proxy(1);
    let has = |number| match number {
        2 => Management::Managed(Installed { running: Some("bb".to_owned()), ..installed(&stack) }),
        _ => Management::Managed(installed(&stack)),
    };
    let found = plan(&stack, &observed(3, has), Adoption::Refuse).unwrap();
    assert_eq!(
        steps(&found),
        ["0 upload /opt/elbws-proxy to artifacts after {}", "1 install the proxy on i-2 after {0}"][1..]
            .iter()
            .map(|step| step.replace("1 install", "0 install").replace("{0}", "{}"))
            .collect::<Vec<_>>()
    );
    let all = |_| Management::Managed(installed(&stack));
    assert!(plan(&stack, &observed(3, all), Adoption::Refuse).unwrap().changes.is_empty());
}

#[test]
fn what_differs_is_shown_and_a_restart_is_foretold() {
    let stack = with_proxy(1);
    let differing: [(Installed, &[&str], Disruption); 6] = [
        (Installed { running: Some("bb".to_owned()), ..installed(&stack) }, &["program"], Disruption::None),
        (
            Installed { config: Some("bb".to_owned()), ..installed(&stack) },
            &["configuration"],
            Disruption::None,
        ),
        // It has not read what lies there.
        (
            Installed { loaded: Some("bb".to_owned()), ..installed(&stack) },
            &["configuration"],
            Disruption::None,
        ),
        (
            Installed {
                config: Some("bb".to_owned()),
                fixed: Some("bb".to_owned()),
                accept: Some("off".to_owned()),
                ..installed(&stack)
            },
            &["configuration", "accept"],
            Disruption::DropsConnections,
        ),
        (Installed { unit: None, ..installed(&stack) }, &["unit"], Disruption::None),
        (Installed { running: None, loaded: None, ..installed(&stack) }, &["state"], Disruption::None),
    ];
    for (has, fields, disruption) in differing {
        let observed = observed(1, |_| Management::Managed(has.clone()));
        let plan = plan(&stack, &observed, Adoption::Refuse).unwrap();
        let [change] = plan.changes.as_slice() else { panic!("{:?}", plan.changes) };
        let found: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
        assert_eq!((found.as_slice(), change.disruption), (fields, disruption), "{has:?}");
        assert_eq!(change.action, Action::Update);
    }
}

#[test]
fn instances_that_cannot_be_reached_are_named_with_what_they_lack() {
    let has = |number| match number {
        1 => Management::Offline("ConnectionLost".to_owned()),
        2 | 3 => Management::Unknown,
        _ => Management::Failed { status: "TimedOut".to_owned(), output: String::new() },
    };
    let mut observed = observed(4, has);
    observed.instances[1].profile = None;
    let errors = plan(&with_proxy(1), &observed, Adoption::Refuse).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "proxy.deploy: SSM cannot reach i-1: its agent is not connected (ConnectionLost)",
            "proxy.deploy: SSM cannot reach i-2: it has no instance profile",
            "proxy.deploy: SSM cannot reach i-3: its agent has never registered",
            "proxy.deploy: SSM cannot reach i-4: it did not carry out a command (TimedOut)",
        ]
    );
    for (error, said) in errors.iter().zip([
        "VPC endpoints",
        "AmazonSSMManagedInstanceCore",
        "ssm.us-east-1.amazonaws.com",
        "amazon-ssm-agent.log",
    ]) {
        assert!(error.hint().contains(said), "{}", error.hint());
    }
}

#[test]
fn a_program_for_another_machine_is_refused_before_anything_is_sent() {
    let mut observed = observed(3, nothing);
    observed.instances[1].architecture = Some(Architecture::Aarch64);
    observed.instances[2].architecture = None;
    let errors = plan(&with_proxy(1), &observed, Adoption::Refuse).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "proxy.deploy: elbws-proxy is not made for what i-3 is",
            "proxy.deploy: there is no elbws-proxy for aarch64, which i-2 needs; /opt/elbws-proxy is for x86_64",
        ]
    );
    assert!(errors[1].hint().contains("elbws-proxy-aarch64"), "{}", errors[1].hint());
}

#[test]
fn the_first_build_installs_it_on_registered_instances() {
    let mut observed = super::super::tests::surroundings();
    observed.proxies.push(ObservedProxy { instance: "i-1".to_owned(), management: nothing(1) });
    let plan = plan(&with_proxy(1), &observed, Adoption::Refuse).unwrap();
    let place = |wanted: &dyn Fn(&Operation) -> bool| {
        plan.steps.iter().position(|step| wanted(&step.operation)).unwrap()
    };
    let registered = place(&|operation| matches!(operation, Operation::RegisterInstances { .. }));
    let installed = place(&|operation| {
        matches!(operation, Operation::Proxy(ProxyOperation::Install { gate, .. })
            if *gate == Gate::Classic { load_balancer: "chat".to_owned() })
    });
    assert!(plan.steps[installed].needs.contains(&registered));
}

#[test]
fn deploy_plans_the_proxy_alone() {
    let stack = with_proxy(1);
    let mut found = observed(2, nothing);
    found.load_balancers[0].attributes.idle_timeout = 60;
    let plan = deploy(&stack, &found, Adoption::Refuse).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "0 upload /opt/elbws-proxy to artifacts after {}",
            "1 install the proxy on i-1 after {0}",
            "2 install the proxy on i-2 after {0, 1}",
        ]
    );
    assert_eq!(plan.steps.len(), 3);
    assert_eq!(plan.changes.len(), 3);
    assert_eq!(
        plan.warnings,
        ["1 resource of the stack differs from the spec: elbws apply changes them".to_owned()]
    );
    found.load_balancers.clear();
    let errors = deploy(&stack, &found, Adoption::Refuse).unwrap_err();
    assert_eq!(errors[0].to_string(), "load balancer chat does not exist in us-east-1");
    assert!(errors[0].hint().contains("elbws apply"));
}

#[test]
fn an_instance_that_does_not_run_is_left_for_later() {
    let mut observed = observed(2, nothing);
    observed.instances[1].state = InstanceState::Stopped;
    observed.proxies.pop();
    let mut stack = with_proxy(1);
    stack.instances.ids.insert("i-2".to_owned());
    let plan = plan(&stack, &observed, Adoption::Refuse).unwrap();
    assert_eq!(steps(&plan).len(), 2);
    assert!(
        plan.warnings[0].starts_with("instance i-2 is stopped: the proxy is not installed"),
        "{:?}",
        plan.warnings
    );
}
