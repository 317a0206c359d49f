//! Load balancers of both kinds from their first call to their last.

use std::collections::{BTreeMap, BTreeSet};

use elbws::provision::aws::Clients;
use elbws::provision::plan::TagChange;
use elbws::provision::plan::v2::{ListenerSettings, V2Operation};
use elbws::provision::resource::v2::{Family, HealthCheck, Protocol};
use elbws::provision::resource::{Kind, Observed, Tags};

use super::{
    STACK, Site, application, attributes, balancer, check, complete, existing, forward, group, key, listener,
    name_of, not_found, observed, path, planned, rule, run, secure, targets,
};
use crate::account::Account;

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
