//! The record that a spec names comes and goes with it; records that others have made stay.

use elbws::provision::resource::Stack;

use super::stacks::APPLICATION;
use crate::convergence::{apply_and_settle, at_once, destroy};
use crate::stacks::FULL as CLASSIC;
use crate::world::{World, assert_same, certificate_files};

/// A spec with a record of this name.
fn named(text: &str, name: &str) -> String {
    let plain = "certificate: { domain: chat.example.com }\n";
    assert!(text.contains(plain), "{text}");
    text.replace(plain, &format!("{plain}dns: {{ zone: example.com, name: {name} }}\n"))
}

/// The names of the zone's records, without those that every zone has.
fn names(world: &World) -> Vec<String> {
    let records = world.account.records(&world.fill("${zone}"));
    let names = records.split("<Name>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    names.filter(|name| name != "example.com.").collect()
}

/// Leads another record to the load balancer of `stack`, by hand.
fn lead_by_hand(world: &World, stack: &Stack, name: &str) {
    let found = world.account.observe(stack);
    let own = &found.records[0];
    let (target, zone) = (own.alias.as_ref().unwrap(), own.alias_zone.as_ref().unwrap());
    world.account.put_record(
        &world.fill("${zone}"),
        name,
        "A",
        &format!(
            "<AliasTarget><HostedZoneId>{zone}</HostedZoneId><DNSName>{target}</DNSName>\
             <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>"
        ),
    );
}

#[test]
fn a_record_goes_with_its_place_in_the_spec_and_another_s_stays() {
    let directory = certificate_files();
    at_once(&[("classic", CLASSIC), ("application", APPLICATION)], |(kind, text)| {
        let world = World::furnish_with_zone();
        let stack = |text: &str| world.stack(directory.path(), text);
        let (chat, talk, without) = (stack(&named(text, "chat")), stack(&named(text, "talk")), stack(text));
        apply_and_settle(&world, &chat, kind);
        assert_eq!(names(&world), ["chat.example.com.", "other.example.com."], "{kind}");
        lead_by_hand(&world, &chat, "www.example.com");
        let before = world.everything();
        let plan = world.account.plan(&chat);
        assert!(plan.steps.is_empty(), "{kind}: {plan:#?}");

        apply_and_settle(&world, &talk, kind);
        assert_eq!(names(&world), ["other.example.com.", "talk.example.com.", "www.example.com."], "{kind}");
        apply_and_settle(&world, &without, kind);
        assert_eq!(names(&world), ["other.example.com.", "www.example.com."], "{kind}");
        apply_and_settle(&world, &chat, kind);
        assert_same(&before, &world.everything(), kind);

        let plan = elbws::provision::plan::destroy(&chat, &world.account.observe(&chat)).unwrap();
        let warned =
            plan.warnings.iter().any(|warning| warning.starts_with("the record www.example.com leads to "));
        assert!(warned, "{kind}: {:?}", plan.warnings);
        destroy(&world, &chat, kind);
        assert_eq!(names(&world), ["other.example.com.", "www.example.com."], "{kind}");
    });
}

#[test]
fn destroying_by_a_spec_that_has_let_go_of_it_takes_the_record() {
    let directory = certificate_files();
    let world = World::furnish_with_zone();
    let before = world.everything();
    let (with, without) = (
        world.stack(directory.path(), &named(APPLICATION, "chat")),
        world.stack(directory.path(), APPLICATION),
    );
    apply_and_settle(&world, &with, "with");
    destroy(&world, &without, "without");
    assert_same(&before, &world.everything(), "destroyed");
}

#[test]
fn a_record_made_by_hand_is_taken_by_the_spec_that_names_it() {
    let directory = certificate_files();
    let world = World::furnish_with_zone();
    let stack = |text: &str| world.stack(directory.path(), text);
    let (talk, www) = (stack(&named(APPLICATION, "talk")), stack(&named(APPLICATION, "www")));
    apply_and_settle(&world, &talk, "talk");
    lead_by_hand(&world, &talk, "www.example.com");
    apply_and_settle(&world, &stack(APPLICATION), "without");
    assert_eq!(names(&world), ["other.example.com.", "www.example.com."]);
    // It leads where it should: the load balancer only notes that it is the stack's now.
    let plan = world.account.plan(&www);
    assert_eq!(plan.steps.len(), 1, "{plan:#?}");
    apply_and_settle(&world, &www, "www");
    apply_and_settle(&world, &stack(APPLICATION), "without again");
    assert_eq!(names(&world), ["other.example.com."]);
}
