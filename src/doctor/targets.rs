//! Whether targets are in service, and what AWS's reasons ask for.
//!
//! Sources: "Troubleshoot a Classic Load Balancer: Health checks" and `InstanceState` of the API reference,
//! `TargetHealth` of the newer one.

use super::facts::Facts;
use super::live::{Live, Pool, Standing, Target};
use super::sheet::{APPLY, Sheet, finding, list};
use super::{Name, Severity};

pub(super) fn check(live: &Live, facts: &Facts, sheet: &mut Sheet) {
    for pool in &live.pools {
        if pool.targets.is_empty() {
            let problem = "nobody is registered";
            let why = "there is nobody to serve: visitors are turned away";
            let fix = if facts.observed.instances.is_empty() && pool.of_instances {
                format!("instances.ids or instances.tags, then {APPLY}")
            } else {
                APPLY.to_owned()
            };
            sheet.wrong(Name::Target, &pool.title, finding(Severity::Error, problem, why, fix));
        }
        let (serving, others): (Vec<&Target>, Vec<&Target>) =
            pool.targets.iter().partition(|target| target.standing == Standing::Serving);
        if !serving.is_empty() {
            let found = format!("in service: {}", list(serving.iter().map(|target| &target.title)));
            sheet.right(Name::Target, &pool.title, found);
        }
        for target in others {
            let words = target.words.as_deref().unwrap_or("AWS gives no reason").trim_end_matches('.');
            let code = match &target.code {
                Some(code) if code.contains('.') => format!(" ({code})"),
                Some(_) | None => String::new(),
            };
            let (severity, state) = match &target.standing {
                Standing::Passing(state) => (Severity::Note, state),
                Standing::Out(state) => (Severity::Error, state),
                Standing::Serving => continue,
            };
            let why = match (severity, serving.is_empty()) {
                (Severity::Note, _) => "it gets no new connections until that is over",
                (_, true) => "nobody serves: visitors' connections are closed as soon as they are made",
                (_, false) => "it gets no connections, the others carry its visitors",
            };
            let problem = format!("{state}: {words}{code}");
            let fix = fix(pool, target);
            sheet.wrong(Name::Target, &target.title, finding(severity, problem, why, fix));
        }
    }
}

/// What mends it, by AWS's code, and for Classic load balancers by AWS's words.
fn fix(pool: &Pool, target: &Target) -> String {
    let asked = &pool.check.text;
    match target.code.as_deref() {
        Some("Target.Timeout") => {
            format!(
                "{asked} must be let through (security groups above) and answer in time: is the proxy running?"
            )
        }
        Some("Target.FailedHealthChecks") => {
            format!("something must listen for {asked} on the instance: `systemctl status elbws-proxy` there")
        }
        Some("Target.ResponseCodeMismatch") => {
            format!(
                "{asked} must answer with a status that health_check.matcher has: the path, or the matcher"
            )
        }
        Some("Target.NotInUse") => {
            format!("{APPLY}: a listener must forward to the group, and its zone be one of network.subnets")
        }
        Some("Target.NotRegistered") => APPLY.to_owned(),
        Some("Target.InvalidState") => format!("`aws ec2 start-instances --instance-ids {}`", target.id),
        Some("Target.IpUnusable") => {
            "another address in target_groups.….ips: this one is a load balancer's".to_owned()
        }
        Some("Target.DeregistrationInProgress") => {
            "nothing: it finishes what it has; `elbws apply SPEC` registers it again".to_owned()
        }
        Some("Elb.RegistrationInProgress" | "Elb.InitialHealthChecking") => {
            "wait: the first health checks take seconds to minutes".to_owned()
        }
        Some("Elb.InternalError") => "wait, and see https://health.aws.amazon.com/health/status".to_owned(),
        _ => classic_fix(asked, target),
    }
}

fn classic_fix(asked: &str, target: &Target) -> String {
    let words = target.words.as_deref().unwrap_or_default();
    if words.contains("UnhealthyThreshold") || words.contains("HealthyThreshold") {
        return format!(
            "{asked} must be let through (security groups above) and answer 200: `systemctl status elbws-proxy` on the \
             instance"
        );
    }
    if words.contains("not configured to route traffic to") {
        return format!("a subnet of its zone in network.subnets, then {APPLY}");
    }
    if words.contains("stopped") {
        return format!("`aws ec2 start-instances --instance-ids {}`", target.id);
    }
    if words.contains("terminated") {
        return format!("another instance in instances, then {APPLY}");
    }
    if words.contains("not currently registered") {
        return APPLY.to_owned();
    }
    if words.contains("transient error") || words.contains("in progress") {
        return "wait, and look again".to_owned();
    }
    format!("`elbws status SPEC` shows it as AWS does; {asked} must answer on the instance")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::doctor::live::{Asked, Leaving};

    fn fix_of(code: Option<&str>, words: &str) -> String {
        let pool = Pool {
            title: "instances".to_owned(),
            name: None,
            ports: BTreeMap::new(),
            version: None,
            check: Asked {
                text: "HTTP:8081/healthz".to_owned(),
                port: Some(8081),
                path: Some("/healthz".to_owned()),
                interval: 10,
                healthy: 2,
                unhealthy: 3,
            },
            leaving: Leaving::Never,
            cross_zone: true,
            keeps_address: false,
            of_instances: true,
            targets: Vec::new(),
        };
        let target = Target {
            id: "i-1".to_owned(),
            title: "i-1:80".to_owned(),
            standing: Standing::Out("unhealthy".to_owned()),
            code: code.map(str::to_owned),
            words: Some(words.to_owned()),
        };
        fix(&pool, &target)
    }

    /// The codes of `TargetHealth` in the API reference.
    #[test]
    fn every_code_of_target_groups_has_a_fix_of_its_own() {
        let codes = [
            ("Elb.RegistrationInProgress", "wait"),
            ("Elb.InitialHealthChecking", "wait"),
            ("Elb.InternalError", "health.aws.amazon.com"),
            ("Target.ResponseCodeMismatch", "matcher"),
            ("Target.Timeout", "in time"),
            ("Target.FailedHealthChecks", "must listen"),
            ("Target.NotRegistered", "elbws apply SPEC"),
            ("Target.NotInUse", "a listener must forward to the group"),
            ("Target.DeregistrationInProgress", "registers it again"),
            ("Target.InvalidState", "aws ec2 start-instances --instance-ids i-1"),
            ("Target.IpUnusable", "another address"),
        ];
        for (code, words) in codes {
            assert!(fix_of(Some(code), "").contains(words), "{code}: {}", fix_of(Some(code), ""));
        }
        let distinct: BTreeSet<String> = codes.iter().map(|(code, _)| fix_of(Some(code), "")).collect();
        assert!(distinct.len() >= codes.len() - 1, "{distinct:?}");
    }

    /// The descriptions of `InstanceState` in the API reference; the code is ELB or Instance.
    #[test]
    fn every_description_of_a_classic_load_balancer_has_a_fix() {
        for (words, fix) in [
            (
                "Instance has failed at least the UnhealthyThreshold number of health checks consecutively.",
                "8081",
            ),
            (
                "Instance has not passed the configured HealthyThreshold number of health checks consecutively.",
                "8081",
            ),
            ("Instance registration is still in progress.", "wait"),
            (
                "Instance is in the EC2 Availability Zone for which LoadBalancer is not configured to route traffic to.",
                "network.subnets",
            ),
            ("Instance is not currently registered with the LoadBalancer.", "elbws apply SPEC"),
            ("Instance deregistration currently in progress.", "wait"),
            ("Instance is in stopped state.", "aws ec2 start-instances --instance-ids i-1"),
            ("Instance is in terminated state.", "another instance"),
            ("A transient error occurred. Please try again later.", "wait"),
            ("Something that is new", "elbws status SPEC"),
        ] {
            for code in ["ELB", "Instance"] {
                assert!(fix_of(Some(code), words).contains(fix), "{words}: {}", fix_of(Some(code), words));
            }
        }
    }
}
