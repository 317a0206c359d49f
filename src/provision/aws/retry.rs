//! Repeats a call while AWS has not caught up with itself: which code, of which operation, for how long.
//!
//! Throttling, lost connections and faults of the server are the SDK's own retries. The rows here are about
//! eventual consistency; they follow terraform-provider-aws and kubernetes/cloud-provider-aws.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{AwsError, Cancel};

/// How fast a call is repeated: after `first`, then twice as long each time, up to `longest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The first pause.
    pub(crate) first: Duration,
    /// The longest pause.
    pub(crate) longest: Duration,
    /// How long nothing must be heard of a former state before it is over everywhere.
    pub(crate) quiet: Duration,
}

impl Pace {
    /// For AWS itself, which takes seconds to settle.
    pub(crate) const AWS: Self = Self {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(10),
        quiet: Duration::from_secs(30),
    };
    /// For an AWS on this machine, which settles at once and has no rate limit.
    pub(crate) const LOCAL: Self = Self {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(250),
        quiet: Duration::from_secs(2),
    };
}

/// Repeat while AWS answers with `code`, for at most `patience`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    code: &'static str,
    /// A part of the message, in lower case; empty for any.
    message: &'static str,
    patience: Duration,
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const fn rule(code: &'static str, patience: Duration) -> Rule {
    Rule { code, message: "", patience }
}

/// A certificate just imported, which ELB does not see yet.
pub(crate) const NEW_CERTIFICATE: Rule = rule("CertificateNotFound", minutes(5));
/// A listener just deleted on the same port.
pub(crate) const DELETED_LISTENER: Rule = rule("DuplicateListener", minutes(5));
/// A subnet just detached in the same zone.
pub(crate) const DETACHED_SUBNET: Rule = Rule {
    code: "InvalidConfigurationRequest",
    // "AZ" of Classic load balancers, "Availability Zone" of the others.
    message: "multiple subnets in the same a",
    patience: minutes(5),
};
/// An instance just launched.
pub(crate) const NEW_INSTANCE: Rule = rule("InvalidInstance", minutes(10));
/// A security group just created, which ELB does not see yet.
pub(crate) const NEW_GROUP_AT_ELB: Rule = rule("InvalidSecurityGroup", minutes(2));
/// The same in the words of Application and Network load balancers.
pub(crate) const NEW_GROUP_AT_ELB_V2: Rule = Rule {
    code: "InvalidConfigurationRequest",
    message: "security groups are invalid",
    patience: minutes(2),
};
/// A security group just created, which EC2 itself does not see everywhere yet.
pub(crate) const NEW_GROUP: Rule = rule("InvalidGroup.NotFound", minutes(2));
/// A policy just created.
pub(crate) const NEW_POLICY: Rule = rule("PolicyNotFound", minutes(1));
/// An ACM certificate whose load balancer has just let go of it.
pub(crate) const RELEASED_CERTIFICATE: Rule = rule("ResourceInUseException", minutes(5));
/// The same in IAM.
pub(crate) const RELEASED_SERVER_CERTIFICATE: Rule = rule("DeleteConflict", minutes(5));
/// A certificate just imported, to be served by SNI.
pub(crate) const NEW_SNI_CERTIFICATE: Rule = rule("CertificateNotFound", minutes(2));
/// A target group just created, which a listener or a rule does not see yet.
pub(crate) const NEW_TARGET_GROUP: Rule = rule("TargetGroupNotFound", minutes(5));
/// A listener just created.
pub(crate) const NEW_LISTENER: Rule = rule("ListenerNotFound", minutes(5));
/// A load balancer just created.
pub(crate) const NEW_LOAD_BALANCER: Rule = rule("LoadBalancerNotFound", minutes(5));
/// A load balancer or a target group just created, which Auto Scaling does not see yet.
pub(crate) const NEW_TRAFFIC_SOURCE: Rule =
    Rule { code: "ValidationError", message: "may not be valid", patience: minutes(2) };
/// An instance just launched, as a target.
pub(crate) const NEW_TARGET: Rule = rule("InvalidTarget", minutes(10));
/// A target group that a listener has just let go of.
pub(crate) const RELEASED_TARGET_GROUP: Rule = rule("ResourceInUse", minutes(2));
/// How long a rule just deleted may keep its priority, and a listener its port.
pub(crate) const DELETED_RULE: Duration = minutes(5);
/// How long a load balancer may take until it is active, and a deleted one until it is gone.
pub(crate) const PROVISIONING: Duration = minutes(10);
/// How long every server of Route 53 may take to hear of a change; most hear of it within a minute.
pub(crate) const RECORD_SPREADS: Duration = minutes(10);
/// How long a deleted load balancer may keep its network interfaces, and its group in use.
pub(crate) const INTERFACES_GO: Duration = minutes(35);
/// How many first pauses something that is not ours may keep a group in use; it may be a rule that was just
/// revoked.
pub(crate) const FOREIGN_USE: u32 = 30;

impl Rule {
    fn fits(&self, error: &AwsError) -> bool {
        error.is(self.code) && error.message().to_lowercase().contains(self.message)
    }
}

/// What accompanies repeated calls: their pace, the wish to stop, and whom to tell.
pub(crate) struct Patience<'a> {
    pace: Pace,
    cancel: &'a Cancel,
    retrying: &'a (dyn Fn(&str) + Send + Sync),
    interrupted: AtomicBool,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(pace: Pace, cancel: &'a Cancel, retrying: &'a (dyn Fn(&str) + Send + Sync)) -> Self {
        Self { pace, cancel, retrying, interrupted: AtomicBool::new(false) }
    }

    /// Returns the pause before the first repetition.
    pub(crate) fn first_pause(&self) -> Duration {
        self.pace.first
    }

    /// Returns how long nothing must be heard of a former state before it is over everywhere.
    pub(crate) fn quiet(&self) -> Duration {
        self.pace.quiet
    }

    /// Says whether a cancellation has ended a wait.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Tells why the next try is put off, sleeps, and lengthens the pause. False where a cancellation ends
    /// the sleep.
    pub(crate) async fn wait(&self, pause: &mut Duration, reason: &str) -> bool {
        (self.retrying)(reason);
        let slept = self.cancel.sleep(*pause).await;
        if !slept {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        *pause = (*pause * 2).min(self.pace.longest);
        slept
    }

    /// Does the same whatever is wished: what goes on elsewhere cannot be stopped, only waited for.
    pub(crate) async fn wait_out(&self, pause: &mut Duration, reason: &str) {
        (self.retrying)(reason);
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(self.pace.longest);
    }

    /// Makes `call` until it succeeds, fails for a reason that is in none of `rules`, or that rule's time is
    /// over. A cancellation ends the wait, not the call, and gives the last error.
    pub(crate) async fn retry<T, F>(&self, rules: &[Rule], mut call: impl FnMut() -> F) -> Result<T, AwsError>
    where
        F: Future<Output = Result<T, AwsError>>,
    {
        let start = Instant::now();
        let mut pause = self.pace.first;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(rule) = rules.iter().find(|rule| rule.fits(&error)) else { return Err(error) };
            if start.elapsed() + pause > rule.patience {
                return Err(error);
            }
            if !self.wait(&mut pause, &error.to_string()).await {
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::provision::aws::{Failure, Service, cancellation};

    fn error(code: &str, message: &str) -> AwsError {
        AwsError {
            service: Service::Elb,
            operation: "CreateLoadBalancer",
            failure: Failure::Refused {
                code: code.to_owned(),
                message: message.to_owned(),
                request_id: None,
            },
        }
    }

    /// A thousandth of [`Pace::AWS`].
    const PACE: Pace =
        Pace { first: Duration::from_millis(1), longest: Duration::from_millis(10), quiet: Duration::ZERO };

    /// Fails `failures` times with `error`, then succeeds; gives the result, the calls and the time passed.
    async fn run(
        rules: &[Rule],
        failures: u32,
        error: AwsError,
        cancel: &Cancel,
    ) -> (Result<(), AwsError>, u32, Duration) {
        let calls = AtomicU32::new(0);
        let start = Instant::now();
        let patience = Patience::new(PACE, cancel, &|_| {});
        let result = patience
            .retry(rules, || async {
                if calls.fetch_add(1, Ordering::Relaxed) < failures { Err(error.clone()) } else { Ok(()) }
            })
            .await;
        (result, calls.load(Ordering::Relaxed), start.elapsed())
    }

    #[tokio::test]
    async fn a_new_certificate_is_waited_for() {
        let error = error("CertificateNotFound", "");
        let (result, calls, elapsed) = run(&[NEW_CERTIFICATE], 5, error, &Cancel::never()).await;
        assert_eq!(result, Ok(()));
        assert_eq!(calls, 6);
        assert!(elapsed >= Duration::from_millis(1 + 2 + 4 + 8 + 10), "{elapsed:?}");
    }

    #[tokio::test]
    async fn patience_ends_after_the_rule_s_time() {
        let error = error("CertificateNotFound", "");
        let rule = Rule { patience: Duration::from_millis(100), ..NEW_CERTIFICATE };
        let (result, calls, elapsed) = run(&[rule], u32::MAX, error.clone(), &Cancel::never()).await;
        assert_eq!(result, Err(error));
        // No pause is begun that would end after the rule's time; each of the last ones takes the longest.
        assert!((2..=13).contains(&calls), "{calls} calls in {elapsed:?}");
    }

    #[tokio::test]
    async fn other_codes_and_other_words_fail_at_once() {
        for (rule, error) in [
            (NEW_CERTIFICATE, error("ValidationError", "")),
            (DETACHED_SUBNET, error("InvalidConfigurationRequest", "VPC has no internet gateway")),
        ] {
            let (result, calls, _) = run(&[rule], 5, error.clone(), &Cancel::never()).await;
            assert_eq!((result, calls), (Err(error), 1));
        }
    }

    #[tokio::test]
    async fn the_same_zone_s_words_are_known() {
        for message in [
            "ELB cannot be attached to multiple subnets in the same AZ.",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ] {
            let error = error("InvalidConfigurationRequest", message);
            let (result, calls, _) = run(&[DETACHED_SUBNET], 2, error, &Cancel::never()).await;
            assert_eq!((result, calls), (Ok(()), 3), "{message}");
        }
    }

    #[tokio::test]
    async fn a_cancellation_ends_the_wait() {
        let (canceller, cancel) = cancellation();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(25)).await;
            canceller.cancel();
        });
        let error = error("CertificateNotFound", "");
        // The rule would wait for five minutes.
        let (result, _, elapsed) = run(&[NEW_CERTIFICATE], u32::MAX, error.clone(), &cancel).await;
        assert_eq!(result, Err(error));
        assert!(elapsed < minutes(1), "{elapsed:?}");
    }
}
