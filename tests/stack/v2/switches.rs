//! From one type or name to another: the new one beside the old one, which goes with the cutover.

use elbws::provision::plan::{self, Adoption, Choices, Cutover, Plan};
use elbws::provision::resource::Stack;

use super::stacks::{APPLICATION, NETWORK};
use crate::convergence::{apply_and_settle, at_once, destroy};
use crate::stacks::FULL as CLASSIC;
use crate::world::{World, assert_same, certificate_files};

fn cutover(world: &World, stack: &Stack) -> Plan {
    let choices = Choices { adoption: Adoption::Refuse, cutover: Cutover::Now };
    plan::plan(stack, &world.account.observe(stack), choices).unwrap()
}

#[test]
fn another_type_stands_beside_until_the_cutover_and_then_alone() {
    let directory = certificate_files();
    let named = |text: &str, name: &str| text.replace("\n  name: ws-chat", &format!("\n  name: {name}"));
    let ways = [
        ("classic to application", CLASSIC.to_owned(), APPLICATION.to_owned()),
        ("classic to network", CLASSIC.to_owned(), NETWORK.to_owned()),
        ("application to classic", APPLICATION.to_owned(), CLASSIC.to_owned()),
        ("network to classic", NETWORK.to_owned(), CLASSIC.to_owned()),
        ("application to network", APPLICATION.to_owned(), named(NETWORK, "ws-nlb")),
        ("network to application", NETWORK.to_owned(), named(APPLICATION, "ws-alb")),
        ("another name", APPLICATION.to_owned(), named(APPLICATION, "ws-new")),
    ];
    at_once(&ways, |(name, from, to)| {
        let world = World::for_spec(from);
        let (old, new) = (world.stack(directory.path(), from), world.stack(directory.path(), to));
        let before = world.everything();
        apply_and_settle(&world, &old, name);
        let built = world.state(&old);
        apply_and_settle(&world, &new, name);
        let plan = world.account.plan(&new);
        assert!(plan.warnings.iter().any(|warning| warning.contains("--cutover")), "{name}: {plan:#?}");
        // What the old one needs is still there: its own spec finds nothing to do.
        assert!(!built.is_null());
        let (outcome, _) = world.account.execute(&cutover(&world, &new));
        assert!(outcome.is_complete(), "{name}: {outcome:?}");
        let plan = cutover(&world, &new);
        assert!(plan.steps.is_empty() && plan.warnings.is_empty(), "{name}: {plan:#?}");
        destroy(&world, &new, name);
        assert_same(&before, &world.everything(), name);
    });
}

#[test]
fn destroying_in_between_takes_both() {
    let directory = certificate_files();
    let world = World::for_spec(CLASSIC);
    let before = world.everything();
    let (old, new) = (world.stack(directory.path(), CLASSIC), world.stack(directory.path(), APPLICATION));
    apply_and_settle(&world, &old, "classic");
    apply_and_settle(&world, &new, "application");
    destroy(&world, &new, "both");
    assert_same(&before, &world.everything(), "both");
}
