//! The DNS records that lead to a load balancer: against the local AWS and against moto.

use std::collections::BTreeSet;

use elbws::provision::aws::Clients;
use elbws::provision::observe::observe;
use elbws::provision::plan::v2::{AliasTarget, NewRecord, V2Operation};
use elbws::provision::resource::v2::{DesiredRecord, Family, Record};
use elbws::provision::resource::{Observed, Stack};

use super::{Site, an_nlb, complete, existing, run, stack};
use crate::account::Account;

/// The stack with a record.
fn with_record(family: Family) -> Stack {
    let dns = DesiredRecord {
        zone: "example.com".to_owned(),
        name: "chat.example.com".to_owned(),
        weight: None,
        set_identifier: None,
    };
    Stack { dns: Some(dns), ..stack(family) }
}

/// Leads a record to the load balancer, and checks what is observed and what is left alone.
pub(crate) async fn life_of_a_record(clients: &Clients, built: &Observed) {
    let balancer = &built.v2_load_balancers[0];
    let records = || async {
        let found = Box::pin(observe(clients, &with_record(balancer.family))).await.unwrap();
        assert_eq!(found.zones.len(), 1, "{:?}", found.zones);
        (found.zones[0].clone(), found.records)
    };
    let (zone, none) = records().await;
    assert_eq!((zone.domain.as_str(), zone.private, none.len()), ("example.com", false, 0));
    let upsert = V2Operation::UpsertRecord {
        record: NewRecord {
            zone: zone.id.clone(),
            name: "chat.example.com".to_owned(),
            kinds: BTreeSet::from(["A".to_owned(), "AAAA".to_owned()]),
            target: AliasTarget::V2(existing(&balancer.arn)),
            weight: None,
            set_identifier: None,
        },
        replaces: Vec::new(),
    };
    let resolvers = V2Operation::AwaitResolvers { name: "chat.example.com".to_owned(), seconds: 60 };
    complete(run(clients, vec![upsert.clone(), upsert, resolvers]).await);
    let (_, found) = records().await;
    let kinds: Vec<_> = found.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["A", "AAAA"]);
    for record in &found {
        assert_eq!(record.alias.as_deref(), Some(balancer.dns_name.to_ascii_lowercase().as_str()));
        assert_eq!((&record.name[..], &record.zone), ("chat.example.com", &zone.id));
    }
    // One that leads elsewhere by now is not the one to delete.
    let moved = Record { alias: Some("elsewhere.example.com".to_owned()), ..found[0].clone() };
    complete(run(clients, vec![V2Operation::DeleteRecord { record: moved }]).await);
    assert_eq!(records().await.1.len(), 2);
    let delete = found.into_iter().map(|record| V2Operation::DeleteRecord { record });
    let delete: Vec<_> = delete.collect();
    complete(run(clients, delete.clone()).await);
    complete(run(clients, delete).await);
    assert_eq!(records().await.1, []);
}

#[test]
fn a_record_leads_to_a_load_balancer_and_is_deleted_only_as_it_was_seen() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    let built = account.run(Box::pin(an_nlb(&clients, &site)));
    account.hosted_zone("example.com");
    account.run(Box::pin(life_of_a_record(&clients, &built)));
}

#[test]
fn a_record_takes_the_place_of_a_former_one_in_one_change() {
    let account = Account::start();
    let site = Site::of(&account);
    let clients = account.clients();
    let built = account.run(Box::pin(an_nlb(&clients, &site)));
    let zone = account.hosted_zone("example.com");
    let values = |value: &str| {
        format!(
            "<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{value}</Value></ResourceRecord></ResourceRecords>"
        )
    };
    let records = || {
        let found = account.run(Box::pin(observe(&clients, &with_record(Family::Network)))).unwrap();
        found.records
    };
    let upsert = |weight: Option<u8>, replaces: &[Record]| V2Operation::UpsertRecord {
        record: NewRecord {
            zone: zone.clone(),
            name: "chat.example.com".to_owned(),
            kinds: BTreeSet::from(["A".to_owned()]),
            target: AliasTarget::V2(existing(&built.v2_load_balancers[0].arn)),
            weight,
            set_identifier: weight.map(|_| "chat".to_owned()),
        },
        replaces: replaces.to_vec(),
    };
    let twice = |operation: &V2Operation| {
        for _ in 0..2 {
            complete(account.run(Box::pin(run(&clients, vec![operation.clone()]))));
        }
    };
    // A CNAME cannot stand beside an A record of its name.
    account.put_record(&zone, "chat.example.com", "CNAME", &values("old.example.org"));
    let cname = records();
    assert_eq!(cname[0].kind, "CNAME");
    let (outcome, _) = account.run(Box::pin(run(&clients, vec![upsert(None, &[])])));
    assert!(!outcome.is_complete());
    assert_eq!(records(), cname);
    twice(&upsert(None, &cname));
    let plain = records();
    assert_eq!((plain.len(), plain[0].kind.as_str(), plain[0].weight), (1, "A", None));
    // Nor a record without a weight beside one with.
    twice(&upsert(Some(10), &plain));
    let weighted = records();
    assert_eq!((weighted.len(), weighted[0].weight), (1, Some(10)));
    // An address of somebody else is overwritten; there is never none.
    twice(&V2Operation::DeleteRecord { record: weighted[0].clone() });
    account.put_record(&zone, "chat.example.com", "A", &values("192.0.2.1"));
    twice(&upsert(None, &[]));
    assert_eq!(records(), plain);
}
