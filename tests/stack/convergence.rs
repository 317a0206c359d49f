//! Apply settles, one change in a spec is exactly that in the plan, and destroy leaves the account as it was:
//! for every example, for odd stacks, and for a change of every field.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use elbws::provision::resource::Stack;

use crate::changes::{Change, changes};
use crate::iam_policy::allows_what_was_called;
use crate::specs::yaml_files;
use crate::stacks::ODD;
use crate::world::{World, assert_same, certificate_files};

/// Applies and checks that a second plan has nothing to do.
#[track_caller]
pub(crate) fn apply_and_settle(world: &World, stack: &Stack, when: &str) {
    let (outcome, _) = world.account.apply(stack);
    assert!(outcome.is_complete(), "{when}: {outcome:?}");
    let plan = world.account.plan(stack);
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{when}: {plan:#?}");
}

#[track_caller]
pub(crate) fn destroy(world: &World, stack: &Stack, when: &str) {
    let (outcome, _) = world.account.destroy(stack);
    assert!(outcome.is_complete(), "{when}: {outcome:?}");
}

pub(crate) fn converges(name: &str, directory: &Path, text: &str) {
    let world = World::for_spec(text);
    let stack = world.stack(directory, text);
    let before = world.everything();
    world.account.forget_calls();
    apply_and_settle(&world, &stack, name);
    allows_what_was_called(&world, &[&stack], name);
    assert_ne!(world.everything(), before, "{name}");
    world.account.forget_calls();
    destroy(&world, &stack, name);
    allows_what_was_called(&world, &[&stack], name);
    assert_same(&before, &world.everything(), name);
    assert!(world.account.destroy(&stack).0.done.is_empty(), "{name}: a second destroy has nothing to do");
}

/// Runs every case, a few at a time, since they mostly wait; then fails if any has.
pub(crate) fn at_once<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    const AT_ONCE: usize = 4;
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if catch_unwind(AssertUnwindSafe(|| run(case))).is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0, "of {} cases; why stands above", cases.len());
}

#[test]
fn every_example_converges_and_leaves_nothing() {
    let directory = certificate_files();
    let (mut texts, mut deploying) = (Vec::new(), Vec::new());
    for file in yaml_files("specs") {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        let is_deploy = |line: &&str| line.starts_with("  deploy: ");
        if text.lines().any(|line| is_deploy(&line)) {
            deploying.push(name.clone());
        }
        // Instances run no scripts in this account.
        let text = text
            .lines()
            .filter(|line| !is_deploy(line))
            .fold(String::new(), |text, line| text + line + "\n")
            .replace("i-0123456789abcdef0", "${one}")
            .replace("i-0fedcba9876543210", "${two}");
        texts.push((name, text));
    }
    assert!(texts.len() >= 5, "{texts:?}");
    // With the proxy, tests/deploy applies them.
    assert_eq!(deploying, ["chat.yaml"]);
    at_once(&texts, |(name, text)| converges(name, directory.path(), text));
}

#[test]
fn odd_stacks_converge_and_leave_nothing() {
    let directory = certificate_files();
    assert!(ODD.len() >= 12);
    at_once(ODD, |(name, text)| converges(name, directory.path(), text));
}

fn changes_only_that(change: &Change, directory: &Path) {
    let Change { field, base, edits, expected } = change;
    let mut text = (*base).to_owned();
    for (from, to) in *edits {
        assert_eq!(text.matches(from).count(), 1, "{field}: {from} in {text}");
        text = text.replace(from, to);
    }
    let world = World::for_spec(base);
    let (old, new) = (world.stack(directory, base), world.stack(directory, &text));
    let before = world.everything();
    world.account.forget_calls();
    apply_and_settle(&world, &old, field);
    let plan = world.account.plan(&new);
    let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(world.changes(&plan), expected, "{field}");
    assert_eq!(plan.steps.is_empty(), expected.is_empty(), "{field}: {plan:#?}");
    apply_and_settle(&world, &new, field);
    destroy(&world, &new, field);
    allows_what_was_called(&world, &[&old, &new], field);
    assert_same(&before, &world.everything(), field);
}

#[test]
fn a_change_of_any_field_is_planned_alone_and_converges() {
    let directory = certificate_files();
    let changes = changes();
    assert!(changes.len() >= 40);
    at_once(&changes, |change| changes_only_that(change, directory.path()));
    println!("{} changes of a field", changes.len());
}
