//! Runs that are killed, throttled or robbed of an answer at every single call end in the state of an
//! undisturbed one, and leave the account as it was once destroyed. The ways are those that remake things; those
//! that create and change them are in `execute`.
#![allow(clippy::print_stdout, reason = "the number of points tried is a result")]

use std::path::Path;
use std::sync::OnceLock;
use std::thread;

use elbws::provision::plan::{self, Plan};
use serde_json::Value;

use crate::account::{Account, Call};
use crate::convergence::{apply_and_settle, destroy};
use crate::stacks::{FILES_IN_IAM, FULL};
use crate::world::{World, assert_same, certificate_files};

/// From what to what a plan leads; none is an account without the stack.
struct Way {
    name: &'static str,
    from: Option<String>,
    to: Option<String>,
    /// The state in which an undisturbed run ends.
    end: OnceLock<Value>,
}

impl Way {
    fn new(name: &'static str, from: Option<String>, to: Option<String>) -> Self {
        Self { name, from, to, end: OnceLock::new() }
    }
}

/// Edits a spec; what is to be replaced must be there.
fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} in {text}");
        text.replace(from, to)
    })
}

fn ways() -> Vec<Way> {
    let files = |store: &str| {
        let source = format!("files: {{ certificate: cert.pem, private_key: key.pem, store: {store} }}");
        edited(FULL, &[("domain: chat.example.com", &source)])
    };
    let remade = edited(
        FULL,
        &[
            ("  name: ws-chat", "  name: ws-new"),
            ("{ Team: realtime }", "{ Team: chat }"),
            ("port: 80, protocol: tcp", "port: 80, protocol: ssl"),
            ("port: 8080", "port: 8888"),
            ("domain: chat.example.com", "files: { certificate: cert2.pem, private_key: key2.pem }"),
        ],
    );
    let inside = edited(
        FULL,
        &[
            ("internet-facing", "internal"),
            ("ids: [\"${one}\"]", "ids: [\"${two}\"]"),
            ("proxy_protocol: [80]", "proxy_protocol: false"),
        ],
    );
    let by_domain = edited(
        FILES_IN_IAM,
        &[("files: { certificate: cert.pem, private_key: key.pem, store: iam }", "domain: chat.example.com")],
    );
    let iam = || Some(FILES_IN_IAM.to_owned());
    vec![
        Way::new("create with a server certificate", None, iam()),
        Way::new("rename, replace, other files", Some(files("acm")), Some(remade)),
        Way::new("make it internal, let files go", Some(files("acm")), Some(inside)),
        Way::new("from IAM to ACM", iam(), Some(edited(FILES_IN_IAM, &[("store: iam", "store: acm")]))),
        Way::new("from IAM to a domain", iam(), Some(by_domain)),
        Way::new("destroy with a server certificate", iam(), None),
    ]
}

impl Way {
    fn plan(&self, world: &World, directory: &Path) -> Plan {
        if let Some(to) = &self.to {
            return world.account.plan(&world.stack(directory, to));
        }
        let stack = world.stack(directory, self.from.as_ref().unwrap());
        plan::destroy(&stack, &world.account.observe(&stack)).unwrap()
    }

    /// Goes the way with a fault at call `point`; says whether it struck.
    fn go(&self, directory: &Path, point: usize, disturbance: &Disturbance) -> bool {
        let when = format!("{} at call {point}", self.name);
        let world = World::for_spec(FULL);
        let before = world.everything();
        if let Some(from) = &self.from {
            apply_and_settle(&world, &world.stack(directory, from), &when);
        }
        let plan = self.plan(&world, directory);
        world.account.forget_calls();
        world.account.faults(&(disturbance.faults)(point));
        let struck = (disturbance.run)(&world.account, &plan);
        world.account.no_faults();
        if let Some(to) = &self.to {
            let stack = world.stack(directory, to);
            apply_and_settle(&world, &stack, &when);
            let end = world.state(&stack);
            // A run that nothing disturbs gives the state that all must end in.
            let expected = self.end.get_or_init(|| self.undisturbed(directory));
            assert_eq!(&end, expected, "{when}");
            destroy(&world, &stack, &when);
        } else {
            let (outcome, _) = world.account.execute(&self.plan(&world, directory));
            assert!(outcome.is_complete(), "{when}: {outcome:?}");
        }
        assert_same(&before, &world.everything(), &when);
        struck
    }

    fn undisturbed(&self, directory: &Path) -> Value {
        let world = World::for_spec(FULL);
        for text in self.from.iter().chain(&self.to) {
            apply_and_settle(&world, &world.stack(directory, text), self.name);
        }
        world.state(&world.stack(directory, self.to.as_ref().unwrap()))
    }
}

/// What happens to call number `n`, and how the plan is run against it; says whether anything happened.
struct Disturbance {
    faults: fn(usize) -> String,
    run: fn(&Account, &Plan) -> bool,
}

/// How many points are tried at the same time: they mostly wait.
const AT_ONCE: usize = 6;

/// Disturbs every way at its first call, its second, and so on to its last; gives the number of points.
fn sweep(disturbance: &Disturbance) -> usize {
    let directory = certificate_files();
    let mut total = 0;
    for way in &ways() {
        let mut points = 0;
        loop {
            let next: Vec<usize> = (points + 1..=points + AT_ONCE).collect();
            let struck: Vec<bool> = thread::scope(|scope| {
                let go = |point| way.go(directory.path(), point, disturbance);
                let runs: Vec<_> = next.into_iter().map(|point| scope.spawn(move || go(point))).collect();
                runs.into_iter().map(|run| run.join().unwrap()).collect()
            });
            points += struck.iter().filter(|struck| **struck).count();
            if struck.contains(&false) {
                break;
            }
        }
        assert!(points >= 2, "{}: only {points} calls", way.name);
        total += points;
    }
    total
}

fn run_to_the_end(account: &Account, plan: &Plan, struck: fn(&Call) -> bool) -> bool {
    let (outcome, _) = account.execute(plan);
    assert!(outcome.is_complete(), "{outcome:?}");
    account.calls().iter().any(struck)
}

#[test]
fn killed_before_any_call_takes_effect_the_next_run_ends_the_same() {
    let points = sweep(&Disturbance {
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"halt"}}"#),
        run: Account::execute_until_dropped,
    });
    println!("killed before {points} calls");
}

#[test]
fn killed_after_any_call_took_effect_the_next_run_ends_the_same() {
    let points = sweep(&Disturbance {
        faults: |point| {
            let next = point + 1;
            format!(
                r#"[{{"operation":"*","nth":{point},"effect":"drop-after"}},{{"operation":"*","nth":{next},"effect":"halt"}}]"#
            )
        },
        run: Account::execute_until_dropped,
    });
    println!("killed after {points} calls");
}

#[test]
fn a_remaking_run_survives_the_loss_of_any_answer() {
    let points = sweep(&Disturbance {
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"drop-after"}}"#),
        run: |account, plan| run_to_the_end(account, plan, |call| call.dropped),
    });
    println!("lost {points} answers");
}

#[test]
fn a_remaking_run_survives_a_throttle_at_any_call() {
    let points = sweep(&Disturbance {
        faults: |point| format!(r#"{{"operation":"*","nth":{point},"effect":"throttle"}}"#),
        run: |account, plan| {
            run_to_the_end(account, plan, |call| {
                let code = call.code.as_deref().unwrap_or_default();
                code.contains("Throttl") || code == "RequestLimitExceeded"
            })
        },
    });
    println!("throttled at {points} calls");
}
