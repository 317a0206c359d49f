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
