//! What an operation for an Application or a Network load balancer waits for, takes for done, and refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use elbws::provision::aws::Cancel;
use elbws::provision::execute::{ExecuteError, events, execute, wait_healthy};
use elbws::provision::plan::Operation;
use elbws::provision::plan::v2::{ListenerSettings, NewTargetGroup, V2Operation};
use elbws::provision::resource::v2::{Family, LoadBalancerState, Protocol, Target};
use elbws::provision::resource::{Kind, Scheme, Tags};

use super::{
    STACK, Site, application, attributes, balancer, complete, existing, failure, forward, group, group_arn,
    key, name_of, not_found, observed, plan_of, rule, run, targets,
};
use crate::account::Account;

#[test]
fn targets_are_waited_for_and_named_with_their_reason() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let (sender, mut receiver) = events();
    let never = Cancel::never();
    let groups = BTreeMap::from([(name_of("web"), targets(&site)), (name_of("ws"), targets(&site))]);
    let wait = |timeout| account.run(wait_healthy(&clients, STACK, &groups, timeout, &sender, &never));
    wait(Duration::from_secs(30)).unwrap();
    let last = std::iter::from_fn(|| receiver.try_recv().ok()).last().unwrap();
    let text = serde_json::to_string(&last).unwrap();
    assert!(text.contains(r#""event":"target-changed""#) && text.contains(r#""state":"healthy""#), "{text}");
    assert!(text.contains(&format!("{}:80", site.instance)) && text.contains("ws-v2-w"), "{text}");

    account.setting(r#"{"assume_healthy":false}"#);
    let other =
        BTreeMap::from([(name_of("web"), BTreeSet::from([Target { id: "i-0".to_owned(), port: 1 }]))]);
    let error = account
        .run(wait_healthy(&clients, STACK, &other, Duration::ZERO, &sender, &never))
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("not in service after 0 s: i-0:1 in {} is NotRegistered", name_of("web")));
    let none = BTreeMap::from([(name_of("web"), BTreeSet::new())]);
    let error = account.run(wait_healthy(&clients, STACK, &none, Duration::ZERO, &sender, &never));
    assert!(matches!(error, Err(ExecuteError::NothingRegistered { .. })), "{error:?}");
}

#[test]
fn a_load_balancer_or_group_of_someone_else_is_not_taken() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let disowned = |operation: V2Operation| match operation {
        V2Operation::CreateLoadBalancer { key, mut new } => {
            new.tags = Tags::default().owned_by("other", &key);
            new.scheme = Scheme::Internal;
            V2Operation::CreateLoadBalancer { key, new }
        }
        V2Operation::CreateTargetGroup { key, mut new } => {
            new.tags = Tags::default().owned_by("other", &key);
            new.port = 81;
            V2Operation::CreateTargetGroup { key, new }
        }
        other => other,
    };
    for (operation, words) in [
        (balancer(&site, Family::Application), "load balancer ws-v2 was created by someone else meanwhile"),
        (group(&site, "web", Protocol::Http), "there is another target group called ws-v2-web-0123456789"),
    ] {
        let (outcome, _) = account.run(Box::pin(run(&clients, vec![disowned(operation)])));
        assert_eq!(failure(&outcome).to_string(), words);
    }
}

#[test]
fn someone_else_s_listener_or_rule_in_the_place_is_told() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let found = account.run(observed(&clients, Family::Application));
    let balancer = &found.v2_load_balancers[0];
    let taken = rule(existing(&balancer.listeners[&443].arn), 10, "/other/*", not_found());
    let (outcome, _) = account.run(Box::pin(run(&clients, vec![taken])));
    let error = failure(&outcome);
    assert_eq!(error.to_string(), "another rule with the priority 10 was created by someone else meanwhile");
    assert_eq!(error.hint().as_deref(), Some("plan again to see what differs"));
    let web = existing(&group_arn(&found, "web"));
    let other = V2Operation::CreateListener {
        key: key(Kind::Listener, "80"),
        load_balancer: existing(&balancer.arn),
        settings: ListenerSettings {
            port: 80,
            protocol: Protocol::Http,
            ssl_policy: None,
            alpn_policy: None,
            certificate: None,
            default_action: forward(&[(web, 1)]),
        },
        tags: Tags::default(),
    };
    let (outcome, _) = account.run(Box::pin(run(&clients, vec![other])));
    let words = "another listener on port 80 was created by someone else meanwhile";
    assert_eq!(failure(&outcome).to_string(), words);
}

#[test]
fn an_attribute_that_aws_does_not_have_is_left_out_with_a_warning() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let found = account.run(observed(&clients, Family::Application));
    let change = V2Operation::ModifyLoadBalancerAttributes {
        load_balancer: existing(&found.v2_load_balancers[0].arn),
        attributes: attributes(&[("idle_timeout.timeout_seconds", "120"), ("no.such.attribute", "true")]),
    };
    let (outcome, reported) = account.run(Box::pin(run(&clients, vec![change])));
    assert!(outcome.is_complete(), "{outcome:?}");
    let text = serde_json::to_string(&reported).unwrap();
    assert!(text.contains("step-warned") && text.contains("left out no.such.attribute"), "{text}");
    let found = account.run(observed(&clients, Family::Application));
    assert_eq!(found.v2_load_balancers[0].attributes["idle_timeout.timeout_seconds"], "120");
}

#[test]
fn a_protected_load_balancer_is_an_error_that_says_how_to_go_on() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let found = account.run(observed(&clients, Family::Application));
    let (arn, name) = (found.v2_load_balancers[0].arn.clone(), STACK.to_owned());
    let protect = V2Operation::ModifyLoadBalancerAttributes {
        load_balancer: existing(&arn),
        attributes: attributes(&[("deletion_protection.enabled", "true")]),
    };
    let delete = V2Operation::DeleteLoadBalancer { arn, name };
    let (outcome, _) = account.run(Box::pin(run(&clients, vec![protect, delete])));
    let error = failure(&outcome);
    assert_eq!(error.to_string(), "load balancer ws-v2 is protected from deletion");
    assert!(error.hint().unwrap().contains("deletion_protection: false"));
}

#[test]
fn a_group_that_a_listener_uses_is_waited_for() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    let found = account.run(observed(&clients, Family::Application));
    let arn = group_arn(&found, "ws");
    let delete = V2Operation::DeleteTargetGroup { arn: arn.clone(), name: name_of("ws") };
    account.forget_calls();
    let (sender, mut receiver) = events();
    let plan = plan_of(vec![Operation::V2(delete)]);
    let rule = found.v2_load_balancers[0].listeners[&443].rules[0].arn.clone();
    let outcome = account.run(async {
        let never = Cancel::never();
        let deletion = execute(&plan, &clients, &sender, &never);
        let release = async {
            // Once it waits, the rule that uses it goes.
            while let Some(event) = receiver.recv().await {
                if serde_json::to_string(&event).unwrap().contains("ResourceInUse") {
                    let gone = vec![V2Operation::DeleteRule { arn: rule.clone(), port: 443 }];
                    return run(&clients, gone).await.0;
                }
            }
            panic!("it did not wait");
        };
        let (outcome, released) = tokio::join!(Box::pin(deletion), Box::pin(release));
        assert!(released.is_complete(), "{released:?}");
        outcome
    });
    assert!(outcome.is_complete(), "{outcome:?}");
    let calls = account.calls().into_iter().filter(|call| call.operation == "DeleteTargetGroup").count();
    assert!(calls >= 2, "{calls}");
}

/// What AWS may answer before it has caught up with itself, by the operation.
const NOT_YET: &[(&str, &str)] = &[
    ("CreateLoadBalancer", "InvalidSecurityGroup"),
    ("CreateLoadBalancer", "InvalidConfigurationRequest"),
    ("ModifyLoadBalancerAttributes", "LoadBalancerNotFound"),
    ("ModifyTargetGroupAttributes", "TargetGroupNotFound"),
    ("CreateListener", "CertificateNotFound"),
    ("CreateListener", "TargetGroupNotFound"),
    ("CreateListener", "LoadBalancerNotFound"),
    ("CreateListener", "DuplicateListener"),
    ("CreateRule", "ListenerNotFound"),
    ("CreateRule", "PriorityInUse"),
    ("AddListenerCertificates", "CertificateNotFound"),
    ("RegisterTargets", "InvalidTarget"),
    ("RegisterTargets", "TargetGroupNotFound"),
];

#[test]
fn what_aws_does_not_see_yet_is_tried_again() {
    for (operation, code) in NOT_YET {
        let account = Account::start();
        let site = Site::of(&account);
        let clients = account.clients();
        account.forget_calls();
        // The code is one for other refusals as well, which are not repeated.
        let message = match *code {
            "InvalidConfigurationRequest" => "One or more security groups are invalid",
            _ => "not yet",
        };
        account.faults(&format!(
            r#"{{"operation":"{operation}","effect":{{"error":{{"code":"{code}","message":"{message}"}}}}}}"#
        ));
        let (outcome, _) = account.run(Box::pin(run(&clients, application(&site))));
        assert!(outcome.is_complete(), "{operation} {code}: {outcome:?}");
        let refused = account.calls().into_iter().find(|call| call.code.as_deref() == Some(*code));
        assert_eq!(refused.map(|call| call.operation).as_deref(), Some(*operation), "{code}");
        let found = account.run(observed(&clients, Family::Application));
        assert_eq!(found.v2_load_balancers[0].listeners.len(), 2, "{operation} {code}");
    }
}

#[test]
fn what_else_is_in_the_account_costs_no_call() {
    // Two of them are for the tags of the account's certificates, and one more for each of these.
    const BUDGET: usize = 26;
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    account.forget_calls();
    let alone = account.run(observed(&clients, Family::Application));
    let calls = account.calls();
    assert!(!calls.is_empty() && calls.len() <= BUDGET, "{}: {calls:?}", calls.len());
    for number in 0..60 {
        let form =
            format!("Action=CreateTargetGroup&Name=other-{number}&Protocol=HTTP&Port=80&VpcId={}", site.vpc);
        account.elbv2(&form);
    }
    account.forget_calls();
    assert_eq!(account.run(observed(&clients, Family::Application)), alone);
    assert_eq!(account.calls().len(), calls.len());
    println!("{} calls", calls.len());
}

#[test]
fn a_listener_that_goes_while_it_is_read_is_not_taken_for_the_load_balancer() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    complete(account.run(Box::pin(run(&clients, application(&site)))));
    account.faults(
        r#"{"operation":"DescribeListenerAttributes","effect":{"error":{"code":"ListenerNotFound","message":"gone"}}}"#,
    );
    let found = account.run(observed(&clients, Family::Application));
    assert_eq!(found.v2_load_balancers[0].listeners.len(), 2);
}

#[test]
fn a_load_balancer_is_waited_for_until_it_is_active() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    account.setting(r#"{"load_balancer_provisioning_ms":300}"#);
    let (outcome, reported) = account.run(Box::pin(run(&clients, vec![balancer(&site, Family::Network)])));
    assert!(outcome.is_complete(), "{outcome:?}");
    let text = serde_json::to_string(&reported).unwrap();
    assert!(text.contains("load balancer ws-v2 is being provisioned"), "{text}");
    let found = account.run(observed(&clients, Family::Network));
    assert_eq!(found.v2_load_balancers[0].state, LoadBalancerState::Active);
}

#[test]
fn a_group_that_no_listener_uses_is_found_and_someone_else_s_is_not() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    let other = match group(&site, "other", Protocol::Http) {
        V2Operation::CreateTargetGroup { key, new } => {
            let tags = Tags::default().owned_by("another", &key);
            V2Operation::CreateTargetGroup { key, new: NewTargetGroup { tags, ..new } }
        }
        operation => panic!("{operation:?}"),
    };
    complete(account.run(Box::pin(run(&clients, vec![group(&site, "web", Protocol::Http), other]))));
    let found = account.run(observed(&clients, Family::Application));
    let names: Vec<_> = found.target_groups.iter().map(|group| group.name.clone()).collect();
    assert_eq!(names, [name_of("web")]);
}
