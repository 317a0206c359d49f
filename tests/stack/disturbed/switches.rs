//! The ways from one load balancer of a stack to another: by its type or its name, with and without a record.

use super::{Then, Way, disturb, edited};
use crate::stacks::FULL as CLASSIC;
use crate::v2::stacks::{APPLICATION, NETWORK};

fn with_record(text: &str, record: &str) -> String {
    let plain = "certificate: { domain: chat.example.com }\n";
    edited(text, &[(plain, &format!("{plain}dns: {{ zone: example.com, name: chat{record} }}\n"))])
}

fn named(text: &str, name: &str) -> String {
    edited(text, &[("\n  name: ws-chat", &format!("\n  name: {name}"))])
}

#[test]
fn building_another_type_beside() {
    disturb(&Way::change("application beside classic", CLASSIC, APPLICATION));
}

#[test]
fn cutting_over_from_classic_to_application() {
    let way =
        Way::new("cut over from classic", &[CLASSIC, APPLICATION], Then::CutOver(APPLICATION.to_owned()));
    disturb(&way);
}

#[test]
fn building_and_cutting_over_in_one() {
    let nlb = named(NETWORK, "ws-nlb");
    disturb(&Way::new("application to network at once", &[APPLICATION], Then::CutOver(nlb)));
}

#[test]
fn moving_a_record_from_classic_to_application() {
    let (from, to) = (with_record(CLASSIC, ""), with_record(APPLICATION, ""));
    disturb(&Way::change("classic to application with a record", &from, &to));
}

#[test]
fn moving_a_record_from_application_to_network() {
    let (from, to) = (with_record(APPLICATION, ""), with_record(&named(NETWORK, "ws-nlb"), ""));
    disturb(&Way::change("application to network with a record", &from, &to));
}

#[test]
fn moving_a_record_back_to_classic() {
    let (from, to) = (with_record(NETWORK, ""), with_record(CLASSIC, ""));
    disturb(&Way::change("network to classic with a record", &from, &to));
}

#[test]
fn moving_the_weight_of_a_record() {
    let from = with_record(CLASSIC, ", weight: 200, set_identifier: old");
    let to = with_record(APPLICATION, ", weight: 20, set_identifier: new");
    disturb(&Way::change("a weighted record of each type", &from, &to));
}

#[test]
fn cutting_over_at_once_with_the_weight_of_a_record() {
    let from = with_record(CLASSIC, ", weight: 200, set_identifier: old");
    let to = with_record(APPLICATION, ", weight: 20, set_identifier: new");
    disturb(&Way::new("cut over with a weighted record", &[&from], Then::CutOver(to)));
}

#[test]
fn letting_a_record_go() {
    disturb(&Way::change("let a record go", &with_record(APPLICATION, ""), APPLICATION));
    disturb(&Way::change("let a Classic one's record go", &with_record(CLASSIC, ""), CLASSIC));
}

#[test]
fn renaming_a_record() {
    let to = edited(&with_record(APPLICATION, ""), &[("name: chat }", "name: talk, weight: 1 }")]);
    disturb(&Way::change("rename a record", &with_record(APPLICATION, ""), &to));
}

#[test]
fn renaming_an_alb() {
    let (from, to) = (with_record(APPLICATION, ""), with_record(&named(APPLICATION, "ws-new"), ""));
    disturb(&Way::change("rename an ALB", &from, &to));
}

#[test]
fn destroying_both() {
    disturb(&Way::destroy("destroy both", &[CLASSIC, APPLICATION]));
}
