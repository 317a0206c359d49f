//! The wait for a target group's first healthy target.

use std::time::Duration;

use elbws::provision::aws::{Cancel, cancellation};
use elbws::provision::event::Happening;
use elbws::provision::execute::{ExecuteError, Outcome, events, execute};
use elbws::provision::plan::Operation;
use elbws::provision::plan::v2::V2Operation;
use elbws::provision::resource::v2::Family;

use super::{Site, application, complete, existing, failure, group_arn, observed, plan_of, run};
use crate::account::Account;

/// An ALB whose targets answer nobody, and the wait for two of its groups.
fn unanswered(seconds: u32) -> (Account, Site, V2Operation) {
    let account = Account::start();
    let site = Site::of(&account);
    account.setting(r#"{"assume_healthy":false}"#);
    complete(account.run(Box::pin(run(&account.clients(), application(&site)))));
    let found = account.run(observed(&account.clients(), Family::Application));
    let groups = ["web", "ws"].map(|name| existing(&group_arn(&found, name)));
    (account, site, V2Operation::AwaitHealthy { groups: groups.into(), seconds })
}

/// Runs the wait, and does something else once it has said why it waits; returns that reason as well.
fn run_until_it_waits(
    account: &Account,
    wait: V2Operation,
    cancel: &Cancel,
    then: impl FnOnce() + Send,
) -> (Outcome, String) {
    let plan = plan_of(vec![Operation::V2(wait)]);
    let (sender, mut receiver) = events();
    let clients = account.clients();
    account.run(async {
        let run = execute(&plan, &clients, &sender, cancel);
        let meanwhile = async {
            while let Some(event) = receiver.recv().await {
                if let Happening::StepRetrying { reason, .. } = event.happening {
                    then();
                    return reason;
                }
            }
            panic!("it does not wait");
        };
        tokio::join!(Box::pin(run), meanwhile)
    })
}

#[test]
fn a_target_that_becomes_healthy_ends_the_wait() {
    let (account, _, wait) = unanswered(600);
    let heal = || account.setting(r#"{"assume_healthy":true}"#);
    let (outcome, reason) = run_until_it_waits(&account, wait, &Cancel::never(), heal);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert!(reason.starts_with("target group ws-v2-web-0123456789 has no healthy target: "), "{reason}");
}

#[test]
fn a_target_that_never_does_is_told_with_its_reason() {
    let (account, site, wait) = unanswered(1);
    let (outcome, _) = account.run(Box::pin(run(&account.clients(), vec![wait])));
    let error = failure(&outcome);
    let ExecuteError::NotInService { seconds: 1, targets } = error else { panic!("{error}") };
    assert_eq!(targets.len(), 2, "{targets:?}");
    for target in targets {
        assert_eq!(target.id, format!("{}:80", site.instance));
        assert_ne!(target.state, "healthy");
        assert!(target.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "{target:?}");
    }
    assert!(error.hint().unwrap().contains("health check"), "{error}");
}

#[test]
fn a_wait_that_is_cancelled_ends_at_once_and_remains() {
    let (account, _, wait) = unanswered(600);
    let (canceller, cancel) = cancellation();
    let begun = std::time::Instant::now();
    let (outcome, _) = run_until_it_waits(&account, wait, &cancel, || canceller.cancel());
    assert!(outcome.cancelled && outcome.failed.is_empty(), "{outcome:?}");
    assert_eq!(outcome.remaining.len(), 1);
    assert!(begun.elapsed() < Duration::from_mins(10));
}
