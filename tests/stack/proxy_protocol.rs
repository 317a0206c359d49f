//! The PROXY header, switched on and off on load balancers that belong to no stack.

use std::collections::BTreeSet;

use elbws::provision::proxy_protocol::{ProxyProtocolError, Wish, disable, enable, plan, run};

use crate::account::Account;

/// Makes a load balancer called `hand-made` with the instance ports 80 and 8080 and a policy of its own on 80.
fn account() -> Account {
    let account = Account::start();
    account.elb(
        "Action=CreateLoadBalancer&LoadBalancerName=hand-made&AvailabilityZones.member.1=us-east-1a\
         &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort=80\
         &Listeners.member.1.InstancePort=80\
         &Listeners.member.2.Protocol=tcp&Listeners.member.2.LoadBalancerPort=8080\
         &Listeners.member.2.InstancePort=8080",
    );
    account.elb(
        "Action=CreateLoadBalancerPolicy&LoadBalancerName=hand-made&PolicyName=users\
         &PolicyTypeName=ProxyProtocolPolicyType&PolicyAttributes.member.1.AttributeName=ProxyProtocol\
         &PolicyAttributes.member.1.AttributeValue=true",
    );
    account.elb(
        "Action=SetLoadBalancerPoliciesForBackendServer&LoadBalancerName=hand-made&InstancePort=80\
         &PolicyNames.member.1=users",
    );
    account
}

/// What is on the ports, as `port:policy`.
fn on_ports(account: &Account) -> Vec<String> {
    let body = account.elb("Action=DescribeLoadBalancers&LoadBalancerNames.member.1=hand-made");
    let backends = body
        .split("<BackendServerDescriptions>")
        .nth(1)
        .map_or("", |rest| rest.split("</BackendServerDescriptions>").next().unwrap());
    let mut found = Vec::new();
    for backend in backends.split("<InstancePort>").skip(1) {
        let (port, names) = backend.split_once('<').unwrap();
        for name in names.split("<member>").skip(1) {
            if let Some((name, _)) = name.split_once("</member>") {
                found.push(format!("{port}:{name}"));
            }
        }
    }
    found
}

fn has_policy(account: &Account, name: &str) -> bool {
    account
        .elb("Action=DescribeLoadBalancerPolicies&LoadBalancerName=hand-made")
        .contains(&format!("<PolicyName>{name}</PolicyName>"))
}

#[test]
fn enabling_and_disabling_several_ports_is_idempotent() {
    let account = account();
    let clients = account.clients();
    let ports = BTreeSet::from([80, 8080]);
    let switched = account.run(enable(&clients, "hand-made", &ports)).unwrap();
    assert_eq!(switched.create.as_deref(), Some("hand-made-proxy-protocol"));
    assert_eq!(switched.ports.len(), 2);
    assert_eq!(on_ports(&account), ["80:hand-made-proxy-protocol", "8080:hand-made-proxy-protocol"]);
    assert!(account.run(enable(&clients, "hand-made", &ports)).unwrap().is_empty());
    assert!(has_policy(&account, "users"), "it is not ours to delete");

    let one = BTreeSet::from([80]);
    account.run(disable(&clients, "hand-made", &one)).unwrap();
    assert_eq!(on_ports(&account), ["8080:hand-made-proxy-protocol"]);
    assert!(has_policy(&account, "hand-made-proxy-protocol"));
    let switched = account.run(disable(&clients, "hand-made", &ports)).unwrap();
    assert_eq!(switched.delete, ["hand-made-proxy-protocol"]);
    assert!(on_ports(&account).is_empty());
    assert!(!has_policy(&account, "hand-made-proxy-protocol"));
    assert!(account.run(disable(&clients, "hand-made", &ports)).unwrap().is_empty());
}

#[test]
fn planning_changes_nothing_and_running_twice_ends_the_same() {
    let account = account();
    let clients = account.clients();
    let ports = BTreeSet::from([80]);
    let planned = account.run(plan(&clients, "hand-made", &ports, Wish::Enable)).unwrap();
    assert_eq!(on_ports(&account), ["80:users"]);
    for _ in 0..2 {
        account.run(run(&clients, &planned)).unwrap();
        assert_eq!(on_ports(&account), ["80:hand-made-proxy-protocol"]);
    }
}

#[test]
fn a_lost_answer_changes_nothing_about_the_end() {
    for point in 1.. {
        let account = account();
        let clients = account.clients();
        account.forget_calls();
        account.faults(&format!(r#"{{"operation":"*","nth":{point},"effect":"drop-after"}}"#));
        account.run(enable(&clients, "hand-made", &BTreeSet::from([80, 8080]))).unwrap();
        if !account.calls().iter().any(|call| call.dropped) {
            assert_eq!(point, 8, "four reads, a policy and two ports");
            break;
        }
        assert_eq!(on_ports(&account), ["80:hand-made-proxy-protocol", "8080:hand-made-proxy-protocol"]);
    }
}

#[test]
fn what_does_not_exist_is_refused_with_what_does() {
    let account = account();
    let clients = account.clients();
    let error = account.run(enable(&clients, "hand-mode", &BTreeSet::from([80]))).unwrap_err();
    assert!(matches!(error, ProxyProtocolError::UnknownLoadBalancer { .. }));
    assert_eq!(error.to_string(), "there is no classic load balancer called hand-mode in us-east-1");
    assert_eq!(error.hint().unwrap(), "there are hand-made");
    let error = account.run(enable(&clients, "hand-made", &BTreeSet::from([80, 443]))).unwrap_err();
    assert_eq!(error.to_string(), "load balancer hand-made has no listener with instance port 443");
    assert_eq!(error.hint().unwrap(), "its listeners have the instance ports 80, 8080");
    assert_eq!(on_ports(&account), ["80:users"]);
}
