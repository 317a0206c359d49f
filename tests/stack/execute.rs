//! Plans that are run: to their end, and against what is in the way. Faults at every single call are in
//! `disturbed`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use elbws::provision::aws::{Cancel, cancellation};
use elbws::provision::event::Happening;
use elbws::provision::execute::{ExecuteError, Outcome, events, execute, wait_in_service};
use elbws::provision::plan::{Operation, Plan, Reference, Step};
use elbws::provision::resource::{Kind, LoadBalancerType, PolicyKind, ResourceKey, Stack, Tags};

use crate::account::{Account, between, stack, stack_in};

/// The blog post's stack with a certificate from files, which takes the most kinds of call.
pub(crate) const FILES: &str = "
stack: ws-chat
tags: { Team: realtime }
instances: { tags: { App: ws-chat } }
certificate: { files: { certificate: cert.pem, private_key: key.pem } }
load_balancer: { type: classic, idle_timeout: 1h }
";

/// The same with something changed of each kind that can change in place, and another listener.
pub(crate) const CHANGED: &str = "
stack: ws-chat
tags: { Team: chat, Cost: low }
instances: { tags: { App: ws-new } }
certificate: { files: { certificate: cert2.pem, private_key: key2.pem } }
load_balancer:
  type: classic
  idle_timeout: 30m
  ingress: [10.0.0.0/8, \"2001:db8::/32\"]
  connection_draining: false
  health_check: { target: \"TCP:80\", interval: 20s, timeout: 5s, healthy_threshold: 3, unhealthy_threshold: 3 }
  listeners:
    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp, ssl_policy: ELBSecurityPolicy-2016-08 }
    - { port: 8080, protocol: tcp, instance_port: 80, instance_protocol: tcp }
  proxy_protocol: false
";

/// A stack without a certificate.
const PLAIN: &str = "
stack: plain
instances: { tags: { App: ws-chat } }
load_balancer:
  type: classic
  listeners: [ { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp } ]
";

fn certificates() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (certificate, key) in [("cert.pem", "key.pem"), ("cert2.pem", "key2.pem")] {
        let pair = rcgen::generate_simple_self_signed(["chat.example.com".to_owned()]).unwrap();
        fs::write(directory.path().join(certificate), pair.cert.pem()).unwrap();
        fs::write(directory.path().join(key), pair.signing_key.serialize_pem()).unwrap();
    }
    directory
}

fn complete((outcome, _): (Outcome, Vec<elbws::provision::execute::Event>)) {
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!(!outcome.cancelled);
}

#[track_caller]
fn settled(account: &Account, stack: &Stack) {
    let plan = account.plan(stack);
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{plan:#?}");
}

#[test]
fn apply_settles_and_destroy_leaves_nothing() {
    let directory = certificates();
    let account = Account::start();
    account.instance("ws-chat");
    account.instance("ws-new");
    let before = account.contents();
    for text in [FILES, CHANGED, FILES] {
        let stack = stack_in(directory.path(), text);
        complete(account.apply(&stack));
        settled(&account, &stack);
    }
    assert_ne!(account.contents(), before);
    complete(account.destroy(&stack_in(directory.path(), FILES)));
    assert_eq!(account.contents(), before);
}

#[test]
fn a_server_certificate_is_uploaded_to_iam_and_deleted_from_it() {
    let directory = certificates();
    let account = Account::start();
    account.instance("ws-chat");
    let before = account.contents();
    let iam = |text: &str| text.replace("key.pem }", "key.pem, store: iam }");
    let stack = stack_in(directory.path(), &iam(FILES));
    complete(account.apply(&stack));
    settled(&account, &stack);
    let arn = account.observe(&stack).certificates[0].arn.clone();
    assert!(arn.contains(":server-certificate/elbws/ws-chat/"), "{arn}");
    fs::copy(directory.path().join("cert2.pem"), directory.path().join("cert.pem")).unwrap();
    fs::copy(directory.path().join("key2.pem"), directory.path().join("key.pem")).unwrap();
    let rotated = stack_in(directory.path(), &iam(FILES));
    complete(account.apply(&rotated));
    settled(&account, &rotated);
    assert_eq!(account.observe(&rotated).certificates.len(), 1);
    complete(account.destroy(&rotated));
    assert_eq!(account.contents(), before);
}

#[test]
fn a_certificate_that_shows_late_is_waited_for() {
    let directory = certificates();
    let account = Account::start();
    account.instance("ws-chat");
    account.setting(r#"{"certificate_visibility_delay_ms":300}"#);
    let stack = stack_in(directory.path(), FILES);
    let (outcome, reported) = account.apply(&stack);
    assert!(outcome.is_complete(), "{outcome:?}");
    let waited = reported.iter().any(|event| {
        matches!(&event.happening, Happening::StepRetrying { reason, .. } if reason.contains("CertificateNotFound"))
    });
    assert!(waited, "{reported:?}");
    settled(&account, &stack);
}

#[test]
fn a_changed_certificate_file_is_refused() {
    let directory = certificates();
    let account = Account::start();
    account.instance("ws-chat");
    let plan = account.plan(&stack_in(directory.path(), FILES));
    fs::copy(directory.path().join("cert2.pem"), directory.path().join("cert.pem")).unwrap();
    let (outcome, _) = account.execute(&plan);
    let [(_, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert!(error.to_string().ends_with("cert.pem has changed since the plan was made"), "{error}");
    assert!(!outcome.remaining.is_empty());
    assert!(!account.calls().iter().any(|call| call.operation == "ImportCertificate"));
}

#[test]
fn a_failed_step_stops_those_that_need_it_and_the_next_run_goes_on() {
    let account = Account::start();
    account.instance("ws-chat");
    let stack = stack(PLAIN);
    let plan = account.plan(&stack);
    account.faults(
        r#"{"operation":"CreateLoadBalancer","effect":{"error":{"code":"OperationNotPermitted","message":"no"}}}"#,
    );
    let (outcome, reported) = account.execute(&plan);
    let [(failed, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    assert!(
        error.to_string().contains("ELB refused CreateLoadBalancer: no (OperationNotPermitted"),
        "{error}"
    );
    assert!(plan.steps.iter().filter(|step| step.needs.contains(failed)).count() > 2);
    let skipped = |step: usize| {
        reported
            .iter()
            .any(|event| matches!(event.happening, Happening::StepSkipped { step: id } if id == step))
    };
    for step in plan.steps.iter().filter(|step| step.needs.contains(failed)) {
        assert!(outcome.remaining.contains(&step.id) && skipped(step.id));
    }
    assert_eq!(outcome.done.len() + outcome.remaining.len() + 1, plan.steps.len());
    complete(account.apply(&stack));
    settled(&account, &stack);
}

#[test]
fn a_cancelled_run_says_what_remains() {
    let account = Account::start();
    account.instance("ws-chat");
    let stack = stack(PLAIN);
    let plan = account.plan(&stack);
    let (sender, mut receiver) = events();
    let (canceller, cancel) = cancellation();
    let clients = account.clients();
    // Answers that are there at once could come to the plan's end before anybody is heard.
    account.faults(r#"{"operation":"*","every":true,"effect":{"delay_ms":50}}"#);
    let outcome = account.run(async {
        let run = execute(&plan, &clients, &sender, &cancel);
        let stop = async {
            // The first thing that ends.
            while let Some(event) = receiver.recv().await {
                if matches!(event.happening, Happening::StepFinished { .. }) {
                    canceller.cancel();
                    break;
                }
            }
        };
        tokio::join!(run, stop).0
    });
    account.no_faults();
    assert!(outcome.cancelled && outcome.failed.is_empty(), "{outcome:?}");
    assert!(!outcome.done.is_empty() && !outcome.remaining.is_empty(), "{outcome:?}");
    assert_eq!(outcome.done.len() + outcome.remaining.len(), plan.steps.len());
    complete(account.apply(&stack));
    settled(&account, &stack);
}

fn one(operation: Operation) -> Plan {
    Plan {
        stack: "s".to_owned(),
        region: "us-east-1".to_owned(),
        load_balancer: "s".to_owned(),
        load_balancer_type: LoadBalancerType::Classic,
        targets: BTreeSet::new(),
        target_groups: BTreeMap::new(),
        changes: Vec::new(),
        warnings: Vec::new(),
        steps: vec![Step { id: 0, needs: BTreeSet::new(), resources: Vec::new(), operation }],
    }
}

fn failure(outcome: &Outcome) -> &ExecuteError {
    let [(_, error)] = outcome.failed.as_slice() else { panic!("{outcome:?}") };
    error
}

#[test]
fn someone_else_s_security_group_of_the_same_name_is_refused() {
    let account = Account::start();
    let vpc = between(&account.ec2("Action=DescribeVpcs"), "<vpcId>", "<").to_owned();
    let key = ResourceKey::new(Kind::SecurityGroup, "s");
    let create = |stack: &str| {
        one(Operation::CreateSecurityGroup {
            key: key.clone(),
            name: "elbws-s".to_owned(),
            description: "d".to_owned(),
            vpc: vpc.clone(),
            tags: Tags::default().owned_by(stack, &key),
        })
    };
    complete(account.execute(&create("s")));
    complete(account.execute(&create("s")));
    let (outcome, _) = account.execute(&create("other"));
    let error = failure(&outcome);
    assert!(error.to_string().contains("called elbws-s (sg-"), "{error}");
    assert!(error.hint().unwrap().starts_with("delete sg-"));
}

#[test]
fn a_group_that_a_foreign_rule_refers_to_is_not_waited_for_long() {
    let account = Account::start();
    let vpc = between(&account.ec2("Action=DescribeVpcs"), "<vpcId>", "<").to_owned();
    let group = |name: &str| {
        let form = format!("Action=CreateSecurityGroup&GroupName={name}&GroupDescription=d&VpcId={vpc}");
        between(&account.ec2(&form), "<groupId>", "<").to_owned()
    };
    let (ours, other) = (group("ours"), group("other"));
    account.ec2(&format!(
        "Action=AuthorizeSecurityGroupIngress&GroupId={other}&IpPermissions.1.IpProtocol=tcp\
         &IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId={ours}"
    ));
    let delete = one(Operation::DeleteSecurityGroup { id: ours.clone() });
    let (outcome, _) = account.execute(&delete);
    let error = failure(&outcome).to_string();
    assert!(error.contains(&format!("security group {ours} is still used by rule sgr-")), "{error}");
    assert!(error.contains(&format!("of security group {other}")), "{error}");
    account.ec2(&format!("Action=DeleteSecurityGroup&GroupId={other}"));
    complete(account.execute(&delete));
    complete(account.execute(&delete));
}

#[test]
fn a_policy_of_the_same_name_and_content_is_taken_and_another_refused() {
    let account = Account::start();
    account.instance("ws-chat");
    let stack = stack(PLAIN);
    complete(account.apply(&stack));
    let create = |value: &str| {
        one(Operation::CreatePolicy {
            name: "plain".to_owned(),
            policy: "p".to_owned(),
            kind: PolicyKind::ProxyProtocol,
            attributes: BTreeMap::from([("ProxyProtocol".to_owned(), value.to_owned())]),
        })
    };
    complete(account.execute(&create("true")));
    complete(account.execute(&create("True")));
    let (outcome, _) = account.execute(&create("false"));
    assert_eq!(failure(&outcome).to_string(), "load balancer plain has another policy called p");
}

#[test]
fn what_no_step_has_made_is_an_error_not_a_call() {
    let account = Account::start();
    let key = ResourceKey::new(Kind::SecurityGroup, "s");
    let (outcome, _) = account.execute(&one(Operation::ApplySecurityGroups {
        name: "s".to_owned(),
        security_groups: vec![Reference::Planned(key)],
    }));
    assert_eq!(failure(&outcome).to_string(), "the plan has made no security-group/s");
    assert_eq!(account.calls(), []);
}

#[test]
fn instances_are_waited_for_until_they_are_in_service() {
    let account = Account::start();
    let instance = account.instance("ws-chat");
    complete(account.apply(&stack(PLAIN)));
    let (sender, mut receiver) = events();
    let clients = account.clients();
    let never = Cancel::never();
    let wait = |instances: &BTreeSet<String>, timeout| {
        let wait = wait_in_service(&clients, "plain", instances, timeout, &sender, &never);
        account.run(wait)
    };
    let only = BTreeSet::from([instance.clone()]);
    wait(&only, Duration::from_secs(30)).unwrap();
    let last = std::iter::from_fn(|| receiver.try_recv().ok()).last().unwrap();
    let state = "InService".to_owned();
    let expected = Happening::TargetChanged { group: None, id: instance, state, reason: None };
    assert_eq!(last.happening, expected);

    let other = BTreeSet::from(["i-0123456789abcdef0".to_owned()]);
    let error = wait(&other, Duration::ZERO).unwrap_err().to_string();
    assert_eq!(error, "not in service after 0 s: i-0123456789abcdef0 is NotRegistered");
    assert!(wait(&BTreeSet::new(), Duration::ZERO).is_err());
}

#[test]
fn an_instance_that_never_answers_is_named_with_its_reason() {
    let account = Account::start();
    let instance = account.instance("ws-chat");
    account.setting(r#"{"assume_healthy":false}"#);
    complete(account.apply(&stack(PLAIN)));
    let clients = account.clients();
    let only = BTreeSet::from([instance.clone()]);
    let timeout = Duration::from_millis(400);
    let (sender, never) = (events().0, Cancel::never());
    let wait = wait_in_service(&clients, "plain", &only, timeout, &sender, &never);
    let error = account.run(wait).unwrap_err();
    let ExecuteError::NotInService { targets, .. } = &error else { panic!("{error}") };
    assert_eq!((&targets[0].id, targets[0].state.as_str()), (&instance, "OutOfService"));
    assert!(targets[0].reason.is_some());
}
