//! Runs that are killed, throttled or robbed of an answer at a call end in the state of an undisturbed one, and leave
//! the account as it was once destroyed.
//!
//! There are some 20 ways of a plan and up to 60 calls on each. One run of these tests disturbs every call of every
//! way once, each time by another one of the four disturbances; with `ELBWS_SWEEP=every` by all four.
#![allow(clippy::print_stdout, reason = "the number of points tried is a result")]

mod classic;
mod switches;
mod v2;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use elbws::provision::plan::{self, Adoption, Choices, Cutover, Plan};
use elbws::provision::resource::Stack;
use serde_json::Value;

use crate::account::{Account, Call};
use crate::convergence::{apply_and_settle, at_once, destroy};
use crate::world::{World, assert_same, certificate_files};

/// What is done to the account's stack.
enum Then {
    /// It becomes what this spec says.
    Apply(String),
    /// The same, and what it had before goes.
    CutOver(String),
    /// It is destroyed.
    Destroy,
}

/// From what to what a plan leads.
struct Way {
    name: &'static str,
    /// The specs that were applied before, one after the other.
    before: Vec<String>,
    then: Then,
    /// How an undisturbed run ends.
    undisturbed: OnceLock<End>,
}

/// How a run ended.
struct End {
    /// The stack; null once it is destroyed.
    state: Value,
    calls: usize,
}

impl Way {
    fn new(name: &'static str, before: &[&str], then: Then) -> Self {
        let before = before.iter().map(|text| (*text).to_owned()).collect();
        Self { name, before, then, undisturbed: OnceLock::new() }
    }

    fn create(name: &'static str, to: &str) -> Self {
        Self::new(name, &[], Then::Apply(to.to_owned()))
    }

    fn change(name: &'static str, from: &str, to: &str) -> Self {
        Self::new(name, &[from], Then::Apply(to.to_owned()))
    }

    fn destroy(name: &'static str, before: &[&str]) -> Self {
        Self::new(name, before, Then::Destroy)
    }
}

/// Edits a spec; what is to be replaced must be there.
fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    })
}

impl Way {
    /// Returns the stack that is planned for.
    fn stack(&self, world: &World, directory: &Path) -> Stack {
        let text = match &self.then {
            Then::Apply(to) | Then::CutOver(to) => Some(to),
            Then::Destroy => self.before.last(),
        };
        world.stack(directory, text.unwrap())
    }

    fn plan(&self, world: &World, directory: &Path) -> Plan {
        let stack = self.stack(world, directory);
        let observed = world.account.observe(&stack);
        let cutover = match &self.then {
            Then::Apply(_) => Cutover::WhenMoved,
            Then::CutOver(_) => Cutover::Now,
            Then::Destroy => return plan::destroy(&stack, &observed).unwrap(),
        };
        plan::plan(&stack, &observed, Choices { adoption: Adoption::Refuse, cutover }).unwrap()
    }

    /// Plans and runs to the end, and checks that nothing is left to do.
    fn finish(&self, world: &World, directory: &Path, when: &str) {
        let (outcome, _) = world.account.execute(&self.plan(world, directory));
        assert!(outcome.is_complete(), "{when}: {outcome:?}");
        let plan = self.plan(world, directory);
        assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{when}: {plan:#?}");
    }

    /// Furnishes a world in which the way begins; returns it with what was in it before the stack.
    fn begin(&self, directory: &Path, when: &str) -> (World, Vec<String>) {
        let world = World::furnish_with_zone();
        let empty = world.everything();
        for from in &self.before {
            apply_and_settle(&world, &world.stack(directory, from), when);
        }
        (world, empty)
    }

    /// Returns what the stack is in the end, and destroys it.
    fn end(&self, world: &World, directory: &Path, empty: &[String], when: &str) -> Value {
        let state = match &self.then {
            Then::Apply(_) | Then::CutOver(_) => {
                let stack = self.stack(world, directory);
                let state = world.state(&stack);
                destroy(world, &stack, when);
                state
            }
            Then::Destroy => Value::Null,
        };
        assert_same(empty, &world.everything(), when);
        state
    }

    /// Goes the way without a fault, once.
    fn undisturbed(&self, directory: &Path) -> &End {
        self.undisturbed.get_or_init(|| {
            let (world, empty) = self.begin(directory, self.name);
            let plan = self.plan(&world, directory);
            world.account.forget_calls();
            let (outcome, _) = world.account.execute(&plan);
            assert!(outcome.is_complete(), "{}: {outcome:?}", self.name);
            let calls = world.account.calls().len();
            assert!(calls >= 2, "{}: {calls} calls", self.name);
            self.finish(&world, directory, self.name);
            End { state: self.end(&world, directory, &empty, self.name), calls }
        })
    }

    /// Goes the way with a fault at call `point`; says whether it struck.
    fn go(&self, directory: &Path, point: usize, disturbance: &Disturbance) -> bool {
        let expected = &self.undisturbed(directory).state;
        let when = format!("{}, {} {point}", self.name, disturbance.what);
        let (world, empty) = self.begin(directory, &when);
        let plan = self.plan(&world, directory);
        world.account.forget_calls();
        world.account.faults(&(disturbance.faults)(point));
        let struck = (disturbance.run)(&world.account, &plan);
        world.account.no_faults();
        self.finish(&world, directory, &when);
        let state = self.end(&world, directory, &empty, &when);
        assert_eq!(&state, expected, "{when}");
        struck
    }
}

/// What happens to call number `n`, and how the plan is run against it; says whether anything happened.
struct Disturbance {
    what: &'static str,
    faults: fn(usize) -> String,
    run: fn(&Account, &Plan) -> bool,
}

const DISTURBANCES: [Disturbance; 4] = [
    Disturbance {
        what: "killed before call",
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"halt"}}"#),
        run: Account::execute_until_dropped,
    },
    Disturbance {
        what: "killed after call",
        faults: |point| {
            let next = point + 1;
            format!(
                r#"[{{"operation":"*","nth":{point},"effect":"drop-after"}},{{"operation":"*","nth":{next},"effect":"halt"}}]"#
            )
        },
        run: Account::execute_until_dropped,
    },
    Disturbance {
        what: "robbed of the answer to call",
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"drop-after"}}"#),
        run: |account, plan| run_to_the_end(account, plan, |call| call.dropped),
    },
    Disturbance {
        what: "throttled at call",
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"throttle"}}"#),
        run: |account, plan| {
            run_to_the_end(account, plan, |call| {
                let code = call.code.as_deref().unwrap_or_default();
                code.contains("Throttl") || code == "RequestLimitExceeded"
            })
        },
    },
];

fn run_to_the_end(account: &Account, plan: &Plan, struck: fn(&Call) -> bool) -> bool {
    let (outcome, _) = account.execute(plan);
    assert!(outcome.is_complete(), "{outcome:?}");
    account.calls().iter().any(struck)
}

/// Disturbs a way at its calls.
fn disturb(way: &Way) {
    let directory = certificate_files();
    let every = std::env::var("ELBWS_SWEEP").is_ok_and(|value| value == "every");
    let calls = way.undisturbed(directory.path()).calls;
    let all = (1..=calls).flat_map(|point| (0..DISTURBANCES.len()).map(move |index| (point, index)));
    let points: Vec<(usize, usize)> =
        all.filter(|(point, index)| every || point % DISTURBANCES.len() == *index).collect();
    let struck = AtomicUsize::new(0);
    at_once(&points, |(point, index)| {
        if way.go(directory.path(), *point, &DISTURBANCES[*index]) {
            struck.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (struck, name) = (struck.into_inner(), way.name);
    println!("{name}: {struck} of {} disturbances of {calls} calls", calls * DISTURBANCES.len());
    // Waits take more calls or fewer from one run to the next: the last ones may not come.
    assert!(struck > 0 && struck * 10 >= points.len() * 8, "{name}: {struck} of {}", points.len());
}
