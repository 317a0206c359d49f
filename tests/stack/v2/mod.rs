//! Application and Network load balancers: apply settles, a change of one field is exactly that in the plan, and
//! destroy leaves the account as it was.

mod changes;
mod records;
pub(crate) mod stacks;
mod switches;

use std::fmt::Write as _;
use std::sync::Mutex;

use self::changes::{Change, changes};
use self::stacks::STACKS;
use crate::convergence::{apply_and_settle, at_once, converges, destroy};
use crate::world::{World, assert_same, certificate_files};

#[test]
fn stacks_of_both_types_converge_and_leave_nothing() {
    let directory = certificate_files();
    assert!(STACKS.len() >= 6);
    at_once(STACKS, |(name, text)| converges(name, directory.path(), text));
}

/// Applies the old spec, plans the new one, applies that, goes back and forth again, and destroys it; returns what the
/// first plan showed.
fn changed(change: &Change, directory: &std::path::Path) -> String {
    let Change { field, base, edits } = change;
    let mut text = (*base).to_owned();
    for (from, to) in *edits {
        assert_eq!(text.matches(from).count(), 1, "{field}: {from} in {text}");
        text = text.replace(from, to);
    }
    let world = World::for_spec(base);
    let (old, new) = (world.stack(directory, base), world.stack(directory, &text));
    let before = world.everything();
    apply_and_settle(&world, &old, field);
    let plan = world.account.plan(&new);
    let mut shown = format!("{field}\n");
    for line in world.changes_with_effect(&plan) {
        let _ = writeln!(shown, "    {line}");
    }
    assert_eq!(plan.steps.is_empty(), plan.changes.is_empty(), "{field}: {plan:#?}");
    apply_and_settle(&world, &new, field);
    apply_and_settle(&world, &old, &format!("back from {field}"));
    let last = if field.ends_with("deletion_protection") {
        &old
    } else {
        apply_and_settle(&world, &new, &format!("{field}, again"));
        &new
    };
    destroy(&world, last, field);
    assert_same(&before, &world.everything(), field);
    shown
}

#[test]
fn a_change_of_any_field_is_planned_alone_and_converges() {
    let directory = certificate_files();
    let changes: Vec<&Change> = changes().collect();
    assert!(changes.len() >= 110, "{}", changes.len());
    let shown: Vec<Mutex<String>> = changes.iter().map(|_| Mutex::default()).collect();
    let cases: Vec<(&Change, &Mutex<String>)> = changes.into_iter().zip(&shown).collect();
    at_once(&cases, |(change, shown)| *shown.lock().unwrap() = changed(change, directory.path()));
    let table: String = shown.into_iter().map(|shown| shown.into_inner().unwrap()).collect();
    insta::assert_snapshot!(table);
}
