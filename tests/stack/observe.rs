//! What is observed of a stack, and in how many calls.

use std::collections::BTreeSet;

use elbws::provision::resource::{DesiredBalancer, DesiredLoadBalancer, Kind, PolicyKind, Protocol, Stack};

use crate::account::{Account, stack};

const BLOG: &str = include_str!("../../specs/classic.yaml");
fn classic(stack: &Stack) -> &DesiredLoadBalancer {
    match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => classic,
        DesiredBalancer::V2(_) => panic!("no Classic load balancer is desired"),
    }
}

/// The most calls that planning the blog post's stack may take.
const BUDGET: usize = 12;

#[test]
fn the_blog_post_s_stack_is_observed_in_at_most_twelve_calls() {
    let account = Account::start();
    account.instance("ws-chat");
    account.acm("RequestCertificate", r#"{"DomainName":"chat.example.com"}"#);
    let stack = stack(BLOG);

    account.forget_calls();
    account.observe(&stack);
    let before = account.calls();
    assert!(!before.is_empty() && before.len() <= BUDGET, "{}: {before:?}", before.len());

    let (outcome, _) = account.apply(&stack);
    assert!(outcome.is_complete(), "{outcome:?}");
    account.forget_calls();
    account.observe(&stack);
    let after = account.calls();
    assert!(after.len() > before.len() && after.len() <= BUDGET, "{}: {after:?}", after.len());
    println!("calls without the stack: {}, with it: {}", before.len(), after.len());
}

#[test]
fn five_hundred_other_load_balancers_cost_no_call() {
    let account = Account::start();
    account.instance("ws-chat");
    account.certificate("chat.example.com");
    let stack = stack(BLOG);
    account.forget_calls();
    account.observe(&stack);
    let alone = account.calls().len();
    account.setting(r#"{"load_balancer_quota":1000}"#);
    for number in 0..500 {
        account.elb(&format!(
            "Action=CreateLoadBalancer&LoadBalancerName=other-{number}&AvailabilityZones.member.1=us-east-1a\
             &Listeners.member.1.Protocol=tcp&Listeners.member.1.LoadBalancerPort=80\
             &Listeners.member.1.InstancePort=80"
        ));
    }
    account.forget_calls();
    account.observe(&stack);
    assert_eq!(account.calls().len(), alone);
}

#[test]
fn the_clients_count_every_request() {
    let account = Account::start();
    account.instance("ws-chat");
    account.certificate("chat.example.com");
    account.forget_calls();
    let clients = account.clients();
    account.faults(r#"{"operation":"DescribeVpcs","effect":"drop-before"}"#);
    account.run(elbws::provision::observe::observe(&clients, &stack(BLOG))).unwrap();
    let counted: u64 = clients.calls().iter().map(|count| count.attempts).sum();
    assert_eq!(counted, account.calls().len() as u64);
    let vpcs = clients.calls().into_iter().find(|count| count.operation == "DescribeVpcs").unwrap();
    assert_eq!(vpcs.attempts, 2, "the lost one and the next");
}

#[test]
fn what_was_applied_is_observed() {
    let account = Account::start();
    let instance = account.instance("ws-chat");
    let arn = account.certificate("chat.example.com");
    let stack = stack(BLOG);
    let (outcome, _) = account.apply(&stack);
    assert!(outcome.is_complete(), "{outcome:?}");

    let observed = account.observe(&stack);
    let balancer = observed.load_balancer("ws-chat").unwrap();
    let secure = &balancer.listeners[&443];
    assert_eq!((secure.protocol, secure.instance_protocol), (Protocol::Ssl, Protocol::Tcp));
    assert_eq!(secure.certificate.as_deref(), Some(arn.as_str()));
    let negotiation = &balancer.policies[&secure.policies[0]];
    assert_eq!(negotiation.reference(), Some("ELBSecurityPolicy-TLS-1-2-2017-01"));
    assert_eq!(negotiation.attributes.len(), 1, "of the hundred attributes one is kept");
    assert_eq!(balancer.listeners[&80].protocol, Protocol::Tcp);
    assert!(balancer.policies["ws-chat-proxy-protocol"].turns_proxy_protocol_on());
    assert!(balancer.policies["ws-chat-proxy-protocol"].is(PolicyKind::ProxyProtocol));
    assert_eq!(balancer.backend_policies[&80], ["ws-chat-proxy-protocol"]);
    assert_eq!(balancer.attributes, classic(&stack).attributes);
    assert_eq!(balancer.health_check, classic(&stack).health_check);
    assert_eq!(balancer.instances, BTreeSet::from([instance.clone()]));
    assert_eq!(balancer.subnets.len(), 6, "one in each zone");
    assert_eq!(balancer.tags.owner(), Some("ws-chat"));

    assert_eq!(observed.region, "us-east-1");
    assert_eq!(observed.vpcs.len(), 1);
    assert_eq!(observed.subnets.len(), 6);
    assert_eq!(observed.instances.iter().map(|found| &found.id).collect::<Vec<_>>(), [&instance]);
    assert_eq!(observed.security_groups.len(), 1);
    assert_eq!(balancer.security_groups, BTreeSet::from([observed.security_groups[0].id.clone()]));
    let ours: Vec<_> =
        observed.rules.iter().filter(|rule| rule.stack.as_deref() == Some("ws-chat")).collect();
    assert_eq!(ours.len(), 4, "443 and 80 on its own group, 80 and 8081 on the instance's: {ours:?}");
    assert!(observed.rules.len() > ours.len(), "the instance's group has a rule of its own");
    assert_eq!(observed.certificates.len(), 1);
    assert!(observed.certificates[0].covers("chat.example.com") && observed.certificates[0].issued);
}

#[test]
fn unknown_and_terminated_instances_are_missing() {
    let account = Account::start();
    let (kept, gone) = (account.instance("a"), account.instance("b"));
    account.ec2(&format!("Action=TerminateInstances&InstanceId.1={gone}"));
    account.ec2("Action=DescribeInstances");
    let unknown = "i-0123456789abcdef0";
    let stack = stack(&format!(
        "stack: s\ninstances: {{ ids: [{kept}, {gone}, {unknown}] }}\n\
         load_balancer: {{ type: classic, listeners: [{{ port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }}] }}\n"
    ));
    let observed = account.observe(&stack);
    assert_eq!(observed.instances.iter().map(|found| &found.id).collect::<Vec<_>>(), [&kept]);
    assert_eq!(observed.missing_instances, BTreeSet::from([gone, unknown.to_owned()]));
}

#[test]
fn an_unknown_certificate_arn_is_absent() {
    let account = Account::start();
    account.instance("ws-chat");
    let known = account.certificate("chat.example.com");
    for (arn, found) in [
        (known.as_str(), 1),
        ("arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000", 0),
        ("arn:aws:iam::123456789012:server-certificate/none", 0),
    ] {
        let spec = BLOG.replace("domain: chat.example.com", &format!("arn: \"{arn}\""));
        assert_eq!(account.observe(&stack(&spec)).certificates.len(), found, "{arn}");
    }
}

#[test]
fn a_renamed_stack_still_finds_its_former_load_balancer() {
    let account = Account::start();
    account.instance("ws-chat");
    account.certificate("chat.example.com");
    let (outcome, _) = account.apply(&stack(BLOG));
    assert!(outcome.is_complete(), "{outcome:?}");
    let renamed = stack(&BLOG.replace("type: classic", "type: classic\n  name: ws-new"));
    let observed = account.observe(&renamed);
    let names: Vec<_> = observed.load_balancers.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["ws-chat"]);
    let (outcome, _) = account.apply(&renamed);
    assert!(outcome.is_complete(), "{outcome:?}");
    let names: Vec<_> =
        account.observe(&renamed).load_balancers.into_iter().map(|found| found.name).collect();
    assert_eq!(names, ["ws-new"]);
    assert!(account.plan(&renamed).changes.iter().all(|change| change.resource.kind != Kind::LoadBalancer));
}
