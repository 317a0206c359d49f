//! Two applies of one spec at the same moment: both end well or one says why not, and what stands in the end is
//! the desired state, once.
#![allow(clippy::print_stdout, reason = "how the races ended is a result")]

use std::sync::Barrier;
use std::thread;

use elbws::provision::execute::Outcome;

use crate::convergence::{apply_and_settle, destroy};
use crate::stacks::{FILES, FILES_IN_IAM, FULL};
use crate::world::{World, assert_same, certificate_files};

const ROUNDS: usize = 20;

#[test]
fn two_applies_at_the_same_moment_end_in_the_desired_state() {
    let directory = certificate_files();
    let specs = [FULL, FILES, FILES_IN_IAM];
    let mut refused = 0;
    for round in 0..ROUNDS {
        let text = specs[round % specs.len()];
        let when = format!("round {round}");
        let world = World::for_spec(text);
        let before = world.everything();
        let stack = world.stack(directory.path(), text);
        let barrier = Barrier::new(2);
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let apply = || {
                let plan = world.account.plan(&stack);
                barrier.wait();
                world.account.execute(&plan).0
            };
            let runs = [scope.spawn(apply), scope.spawn(apply)];
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(outcomes.iter().any(Outcome::is_complete), "{when}: {outcomes:?}");
        for (_, error) in outcomes.iter().flat_map(|outcome| &outcome.failed) {
            refused += 1;
            assert!(error.hint().is_some(), "{when}: {error}");
        }
        // The one that failed is run again; where both ended well, nothing may be left to do or be doubled.
        let observed = world.account.observe(&stack);
        if outcomes.iter().all(Outcome::is_complete) {
            let plan = world.account.plan(&stack);
            assert!(plan.steps.is_empty(), "{when}: {plan:#?}");
        } else {
            apply_and_settle(&world, &stack, &when);
        }
        let counts = (observed.load_balancers.len(), observed.security_groups.len());
        assert_eq!(counts, (1, 1), "{when}");
        destroy(&world, &stack, &when);
        assert_same(&before, &world.everything(), &when);
    }
    println!("{ROUNDS} times two applies; {refused} were refused a step");
}
