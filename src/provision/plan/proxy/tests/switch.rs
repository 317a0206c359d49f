//! The PROXY header turned on and off under proxies that serve.

use super::*;
use crate::provision::plan::PlanError;
use crate::provision::resource::DesiredBalancer;

/// The stack whose proxies tell what they see, with the header on port 80 or without it.
fn stack_with(header: bool) -> Stack {
    let mut stack = with_proxy(1);
    let DesiredBalancer::Classic(balancer) = &mut stack.load_balancer else { panic!("it is a Classic one") };
    if !header {
        balancer.proxy_protocol.clear();
    }
    let installation = &mut stack.proxy.as_mut().unwrap().installation;
    installation.config = format!("listen: [80]\naccept: {}\n", if header { "v1" } else { "off" });
    installation.status = Some("http://127.0.0.1:9145/status".to_owned());
    stack
}

/// Two instances that run what `stack` asks for; the load balancer sends the header or does not.
fn observed_with(stack: &Stack, header: bool, change: impl Fn(&mut Installed)) -> Observed {
    let accept = stack.proxy.as_ref().unwrap().installation.accept().to_owned();
    let mut observed = observed(2, |_| {
        let mut has = Installed { accept: Some(accept.clone()), ..installed(stack) };
        change(&mut has);
        Management::Managed(has)
    });
    observed.programs.insert(PROGRAM.to_owned());
    if !header {
        observed.load_balancers[0].backend_policies.clear();
        observed.load_balancers[0].policies.remove("chat-proxy-protocol");
    }
    observed
}

/// All steps, each with its needs.
fn all_steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} {} after {:?}", step.id, step.operation, step.needs)).collect()
}

/// The configuration that a round installs.
fn configs(plan: &Plan) -> Vec<&str> {
    let installs = plan.steps.iter().filter_map(|step| match &step.operation {
        Operation::Proxy(ProxyOperation::Install { installation, .. }) => Some(installation.config.as_str()),
        _ => None,
    });
    installs.collect()
}

#[test]
fn the_header_is_turned_on_between_two_rounds() {
    let before = stack_with(false);
    let found = plan(&stack_with(true), &observed_with(&before, false, |_| ()), Adoption::Refuse).unwrap();
    assert_eq!(
        all_steps(&found),
        [
            "0 create policy chat-proxy-protocol after {}",
            "1 install the proxy on i-1, with the PROXY header optional after {}",
            "2 install the proxy on i-2, with the PROXY header optional after {1}",
            "3 ask the proxies whether they serve with the PROXY header and without it after {1, 2}",
            "4 put chat-proxy-protocol on instance port 80 of chat after {0, 3}",
            "5 see connections with a PROXY header of version 1 on the instances after {4}",
            "6 install the proxy on i-1 after {5}",
            "7 install the proxy on i-2 after {5, 6}",
        ]
    );
    let optional = "accept: v1\ntrusted: [\"172.31.0.0/20\", \"172.31.16.0/20\"]\nheader_optional_until: @UNTIL@\nlisten: [80]\n";
    let strict = "listen: [80]\naccept: v1\n";
    assert_eq!(configs(&found), [optional, optional, strict, strict]);
    assert!(found.changes.iter().all(|change| change.disruption == Disruption::None), "{:?}", found.changes);
    let turned = found.changes.iter().find(|change| change.resource.to_string() == "backend-policies/80");
    assert_eq!(
        turned.unwrap().reason.as_deref().unwrap(),
        "in steps, with nobody turned away: the proxies serve with no PROXY header and with a PROXY header of version 1; \
         each of them confirms it; this changes; a PROXY header of version 1 is seen on each of them; they serve with a \
         PROXY header of version 1 alone"
    );
}

#[test]
fn the_header_is_turned_off_between_two_rounds() {
    let before = stack_with(true);
    let found = plan(&stack_with(false), &observed_with(&before, true, |_| ()), Adoption::Refuse).unwrap();
    assert_eq!(
        all_steps(&found),
        [
            "0 install the proxy on i-1, with the PROXY header optional after {}",
            "1 install the proxy on i-2, with the PROXY header optional after {0}",
            "2 ask the proxies whether they serve with the PROXY header and without it after {0, 1}",
            "3 clear the policies of instance port 80 of chat after {2}",
            "4 delete policy chat-proxy-protocol after {3}",
            "5 see connections with no PROXY header on the instances after {3}",
            "6 install the proxy on i-1 after {5}",
            "7 install the proxy on i-2 after {5, 6}",
        ]
    );
    assert!(configs(&found)[0].starts_with("accept: v1\n"));
    assert_eq!(configs(&found)[2], "listen: [80]\naccept: off\n");
}

#[test]
fn instances_are_switched_in_as_many_lanes_as_may_be_unavailable() {
    let mut stack = stack_with(true);
    stack.proxy.as_mut().unwrap().max_unavailable = 2;
    let found = plan(&stack, &observed_with(&stack_with(false), false, |_| ()), Adoption::Refuse).unwrap();
    let needs: Vec<&BTreeSet<usize>> = found.steps.iter().map(|step| &step.needs).collect();
    assert_eq!(needs[2], &BTreeSet::new());
    assert_eq!(needs[7], &BTreeSet::from([5]));
}

/// Somebody took the policy away: the proxies turn everybody away until they are told to do without it.
#[test]
fn proxies_that_expect_it_already_do_without_it_first() {
    let stack = stack_with(true);
    let found = plan(&stack, &observed_with(&stack, false, |_| ()), Adoption::Refuse).unwrap();
    assert_eq!(found.steps.len(), 8);
    assert_eq!(steps(&found).len(), 6);
}

#[test]
fn a_run_that_ended_after_the_switch_goes_on_from_there() {
    for (header, word) in [(true, "a PROXY header of version 1"), (false, "no PROXY header")] {
        let stack = stack_with(header);
        // One proxy is strict by now, the other serves both.
        let mut observed = observed_with(&stack, header, |_| ());
        let lagging = Installed {
            config: Some("bb".to_owned()),
            loaded: Some("bb".to_owned()),
            accept: Some("v1".to_owned()),
            optional_until: Some("2026-01-31T18:30:00Z".to_owned()),
            ..installed(&stack)
        };
        observed.proxies[1].management = Management::Managed(lagging);
        let expected = [
            format!("0 see connections with {word} on the instances after {{}}"),
            "1 install the proxy on i-2 after {0}".to_owned(),
        ];
        let found = plan(&stack, &observed, Adoption::Refuse).unwrap();
        assert_eq!(all_steps(&found), expected);
        // That is about the proxies alone.
        assert_eq!(all_steps(&deploy(&stack, &observed, Adoption::Refuse).unwrap()), expected);
    }
}

#[test]
fn proxies_that_lag_behind_a_switch_by_other_means_are_set_right_at_once() {
    let (before, stack) = (stack_with(false), stack_with(true));
    let found = plan(&stack, &observed_with(&before, true, |_| ()), Adoption::Refuse).unwrap();
    assert_eq!(
        all_steps(&found),
        ["0 install the proxy on i-1 after {}", "1 install the proxy on i-2 after {0}"]
    );
}

#[test]
fn deploy_alone_does_not_switch() {
    let found =
        deploy(&stack_with(true), &observed_with(&stack_with(false), false, |_| ()), Adoption::Refuse);
    let errors = found.unwrap_err();
    let [error @ PlanError::SwitchedByApply { .. }] = errors.as_slice() else { panic!("{errors:?}") };
    assert_eq!(
        error.to_string(),
        "the proxies are to expect another PROXY header, and backend-policies/80 still sends the former one"
    );
    assert!(error.hint().contains("elbws apply"));
}

#[test]
fn proxies_that_tell_nothing_are_not_switched() {
    let mut stack = stack_with(true);
    stack.proxy.as_mut().unwrap().installation.status = None;
    let errors = plan(&stack, &observed_with(&stack, false, |_| ()), Adoption::Refuse).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "proxy.metrics: the proxies cannot tell when no PROXY header has become a PROXY header of version 1"
        ]
    );
    assert!(errors[0].hint().contains("127.0.0.1:9145"));
}

#[test]
fn a_port_that_the_proxies_do_not_serve_is_switched_at_once() {
    let mut stack = stack_with(true);
    stack.proxy.as_mut().unwrap().listen = BTreeSet::from([8080]);
    let found = plan(&stack, &observed_with(&stack, false, |_| ()), Adoption::Refuse).unwrap();
    assert_eq!(steps(&found), Vec::<String>::new());
    assert!(found.changes.iter().any(|change| change.disruption == Disruption::NewConnections));
}

#[test]
fn a_saved_plan_has_no_time_in_it() {
    let (stack, observed) = (stack_with(true), observed_with(&stack_with(false), false, |_| ()));
    let found = plan(&stack, &observed, Adoption::Refuse).unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(text.matches("@UNTIL@").count(), 2);
    let read: Plan = serde_json::from_str(&text).unwrap();
    assert_eq!(read, found);
}
