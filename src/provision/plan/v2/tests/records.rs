//! The record in Route 53: whose it is, when it moves and when it goes.

use super::*;

fn with_record(weight: Option<u8>) -> Stack {
    let set_identifier = weight.map(|_| "chat".to_owned());
    let (zone, name) = ("example.com".to_owned(), "chat.example.com".to_owned());
    Stack { dns: Some(DesiredRecord { zone, name, weight, set_identifier }), ..application() }
}

fn zones(observed: Observed) -> Observed {
    let zone = |id: &str, private| Zone { id: id.into(), domain: "example.com".into(), private };
    Observed { zones: vec![zone("ZIN", true), zone("ZOUT", false)], ..observed }
}

fn record(alias: &str) -> Record {
    Record {
        zone: "ZOUT".into(),
        name: "chat.example.com".into(),
        kind: "A".into(),
        alias: Some(alias.into()),
        alias_zone: None,
        weight: None,
        set_identifier: None,
    }
}

#[test]
fn a_record_moves_the_traffic_from_a_classic_load_balancer_before_that_goes() {
    let classic = crate::provision::plan::tests::applied();
    let mut observed = zones(classic);
    observed.records.push(record("chat-1.us-east-1.elb.amazonaws.com"));
    insta::assert_snapshot!(script(&planned(&with_record(None), &observed)));
}

#[test]
fn with_a_weight_the_old_one_stays_until_the_cutover() {
    let observed = zones(crate::provision::plan::tests::applied());
    let plan = planned(&with_record(Some(10)), &observed);
    assert!(plan.changes.iter().all(|change| change.action != Happens::Delete), "{}", script(&plan));
    assert!(plan.warnings.iter().any(|warning| warning.contains("--cutover")), "{:?}", plan.warnings);
}

#[test]
fn a_record_that_leads_elsewhere_is_refused_unless_adopted() {
    let stack = with_record(None);
    let mut observed = zones(applied(&stack));
    observed.records.push(record("someone-else.example.org"));
    let errors = plan_stack(&stack, &observed, Adoption::Refuse).unwrap_err();
    assert!(matches!(errors.as_slice(), [PlanError::RecordTaken { .. }]), "{errors:?}");
    let plan = plan_stack(&stack, &observed, Adoption::Adopt).unwrap();
    insta::assert_snapshot!(script(&plan));

    observed = noted(&stack);
    assert_eq!(script(&planned(&stack, &observed)), "");
    observed.zones.clear();
    let errors = plan_stack(&stack, &observed, Adoption::Refuse).unwrap_err();
    assert!(matches!(errors.as_slice(), [PlanError::NoZone { .. }]), "{errors:?}");
}

#[test]
fn destroying_goes_from_the_record_to_the_security_group() {
    let stack = with_record(None);
    let mut observed = zones(applied(&stack));
    observed.records = vec![record("chat-1.us-east-1.elb.amazonaws.com")];
    insta::assert_snapshot!(script(&destroy(&stack, &observed).unwrap()));
}

/// The same, with the tag by which the load balancer notes it.
fn noted(stack: &Stack) -> Observed {
    let mut observed = zones(applied(stack));
    let note = stack.dns.as_ref().unwrap().note(&observed.zones[1]);
    let balancer = &mut observed.v2_load_balancers[0];
    balancer.tags.0.extend([note]);
    observed.records = vec![record(&balancer.dns_name)];
    observed
}

#[test]
fn a_noted_record_goes_with_its_place_in_the_spec_and_then_the_note() {
    let observed = noted(&with_record(None));
    insta::assert_snapshot!(script(&planned(&application(), &observed)));
    // One that is not noted may have been made by hand.
    let mut by_hand = observed.clone();
    by_hand.v2_load_balancers[0].tags = applied(&application()).v2_load_balancers[0].tags.clone();
    assert_eq!(script(&planned(&application(), &by_hand)), "");
}

#[test]
fn another_name_is_written_before_the_old_one_goes() {
    let observed = noted(&with_record(None));
    let mut renamed = with_record(None);
    renamed.dns.as_mut().unwrap().name = "talk.example.com".into();
    insta::assert_snapshot!(script(&planned(&renamed, &observed)));
}

#[test]
fn another_identifier_is_written_before_the_old_one_goes() {
    let stack = with_record(Some(10));
    let mut observed = noted(&stack);
    observed.records[0].weight = Some(10);
    observed.records[0].set_identifier = Some("chat".into());
    assert_eq!(script(&planned(&stack, &observed)), "");
    let mut renamed = stack;
    renamed.dns.as_mut().unwrap().set_identifier = Some("other".into());
    insta::assert_snapshot!(script(&planned(&renamed, &observed)));
}

#[test]
fn a_cutover_with_a_weight_keeps_the_old_record_until_the_new_one_serves() {
    let old = with_record(Some(10));
    let mut observed = noted(&old);
    observed.records[0].weight = Some(10);
    observed.records[0].set_identifier = Some("chat".into());
    let mut stack = with_record(Some(20));
    stack.dns.as_mut().unwrap().set_identifier = Some("talk".into());
    balancer(&mut stack).name = "talk".into();
    let choices = Choices { adoption: Adoption::Refuse, cutover: Cutover::Now };
    insta::assert_snapshot!(script(&plan_stack(&stack, &observed, choices).unwrap()));
}

#[test]
fn a_record_of_somebody_else_that_leads_to_what_goes_is_told() {
    let stack = with_record(None);
    let mut observed = noted(&stack);
    let www = Record { name: "www.example.com".into(), ..observed.records[0].clone() };
    observed.records.push(www);
    assert_eq!(script(&planned(&stack, &observed)), "");
    let plan = destroy(&stack, &observed).unwrap();
    assert_eq!(
        plan.warnings,
        [
            "the record www.example.com leads to chat-1.us-east-1.elb.amazonaws.com, which goes: it is not the \
             stack's, stays, and leads nowhere then"
        ]
    );
    let deleted = plan.steps.iter().filter(|step| {
        matches!(&step.operation, Operation::V2(V2Operation::DeleteRecord { record }) if record.name == "chat.example.com")
    });
    assert_eq!(deleted.count(), 1);
}

#[test]
fn plans_survive_being_saved() {
    let plan = planned(&with_record(Some(10)), &zones(surroundings()));
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}
