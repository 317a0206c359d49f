//! Operations that change in place what a load balancer is made in, and what its listeners are set to.

use std::collections::{BTreeMap, BTreeSet};

use elbws::provision::plan::v2::V2Operation;
use elbws::provision::resource::v2::{AddressType, Family};

use super::{Site, an_nlb, application, attributes, complete, existing, observed, run};
use crate::account::{Account, between};

/// An account with an ALB, and the load balancer's ARN.
fn with_an_alb() -> (Account, Site, String) {
    let account = Account::start();
    let site = Site::of(&account);
    complete(account.run(Box::pin(run(&account.clients(), application(&site)))));
    let found = account.run(observed(&account.clients(), Family::Application));
    let arn = found.v2_load_balancers[0].arn.clone();
    (account, site, arn)
}

/// Runs an operation twice, since every one may be repeated.
fn twice(account: &Account, operation: &V2Operation) {
    for _ in 0..2 {
        complete(account.run(Box::pin(run(&account.clients(), vec![operation.clone()]))));
    }
}

#[test]
fn subnets_are_the_whole_set_that_was_set() {
    let (account, site, arn) = with_an_alb();
    assert!(site.subnets.len() >= 3, "{site:?}");
    for wanted in [&site.subnets[..2], &site.subnets[1..3], &site.subnets[..]] {
        let subnets: BTreeMap<_, _> = wanted.iter().map(|subnet| (subnet.clone(), None)).collect();
        let set = V2Operation::SetSubnets { load_balancer: existing(&arn), subnets: subnets.clone() };
        twice(&account, &set);
        let found = account.run(observed(&account.clients(), Family::Application));
        assert_eq!(found.v2_load_balancers[0].subnets, subnets);
    }
}

#[test]
fn security_groups_are_the_whole_set_and_a_new_one_is_waited_for() {
    let (account, site, arn) = with_an_alb();
    let groups: Vec<String> = ["one", "two"]
        .iter()
        .map(|name| {
            let form =
                format!("Action=CreateSecurityGroup&GroupName={name}&GroupDescription=d&VpcId={}", site.vpc);
            between(&account.ec2(&form), "<groupId>", "<").to_owned()
        })
        .collect();
    account.faults(
        r#"[{"operation":"SetSecurityGroups","effect":{"error":{"code":"InvalidSecurityGroup","message":"not yet"}}},
            {"operation":"SetSecurityGroups","nth":2,"effect":{"error":{"code":"InvalidConfigurationRequest",
             "message":"One or more security groups are invalid"}}}]"#,
    );
    account.forget_calls();
    for wanted in [&groups[..], &groups[1..]] {
        let security_groups = wanted.iter().map(|id| existing(id)).collect();
        twice(&account, &V2Operation::SetSecurityGroups { load_balancer: existing(&arn), security_groups });
        let found = account.run(observed(&account.clients(), Family::Application));
        let expected: BTreeSet<String> = wanted.iter().cloned().collect();
        assert_eq!(found.v2_load_balancers[0].security_groups, expected);
    }
    let refused = account.calls().into_iter().filter(|call| call.code.is_some()).count();
    assert_eq!(refused, 2);
}

#[test]
fn an_address_type_is_set_and_set_back() {
    let (account, _, arn) = with_an_alb();
    for address_type in [AddressType::Dualstack, AddressType::Ipv4] {
        twice(&account, &V2Operation::SetAddressType { load_balancer: existing(&arn), address_type });
        let found = account.run(observed(&account.clients(), Family::Application));
        assert_eq!(found.v2_load_balancers[0].address_type, address_type);
    }
}

#[test]
fn attributes_of_listeners_are_set_one_by_one() {
    let (account, _, _) = with_an_alb();
    let listener = |family, port: u16| {
        let found = account.run(observed(&account.clients(), family));
        let balancer = found.v2_load_balancers.iter().find(|balancer| balancer.family == family);
        balancer.unwrap().listeners[&port].clone()
    };
    let set = |family, port: u16, key: &str, value: &str| {
        let before = listener(family, port);
        let operation = V2Operation::ModifyListenerAttributes {
            listener: existing(&before.arn),
            port,
            attributes: attributes(&[(key, value)]),
        };
        twice(&account, &operation);
        let mut expected = before.attributes;
        assert_ne!(expected.insert(key.to_owned(), value.to_owned()).as_deref(), Some(value));
        assert_eq!(listener(family, port).attributes, expected);
    };
    let alb = Family::Application;
    set(alb, 443, "routing.http.response.server.enabled", "false");
    set(
        alb,
        443,
        "routing.http.response.strict_transport_security.header_value",
        "max-age=63072000; includeSubDomains",
    );
    let account = Account::start();
    let site = Site::of(&account);
    let found = account.run(Box::pin(an_nlb(&account.clients(), &site)));
    let plain = &found.v2_load_balancers[0].listeners[&80];
    let operation = V2Operation::ModifyListenerAttributes {
        listener: existing(&plain.arn),
        port: 80,
        attributes: attributes(&[("tcp.idle_timeout.seconds", "1000")]),
    };
    twice(&account, &operation);
    let found = account.run(observed(&account.clients(), Family::Network));
    let found = &found.v2_load_balancers[0].listeners[&80];
    assert_eq!(found.attributes["tcp.idle_timeout.seconds"], "1000");
}
