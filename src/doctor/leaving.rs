//! How a target leaves: how long its connections stay, and when a health check takes it out.
//!
//! Sources: "Configure connection draining" of the Classic guide, "Deregistration delay" and "Health checks for your
//! target groups" of the others.

use super::live::{Leaving, Live, Pool};
use super::sheet::{APPLY, Sheet, finding};
use super::{Name, Severity};
use crate::provision::install::stop_seconds;
use crate::provision::resource::{DesiredBalancer, LoadBalancerType, Stack};
use crate::provision::spec::proxy::Proxy;
use crate::provision::spec::{Seconds, Spec};

pub(super) fn check(spec: &Spec, stack: &Stack, live: &Live, sheet: &mut Sheet) {
    for pool in &live.pools {
        draining(spec.proxy.as_ref(), stack, live, pool, sheet);
        health(spec.proxy.as_ref(), stack, pool, sheet);
    }
}

fn draining(proxy: Option<&Proxy>, stack: &Stack, live: &Live, pool: &Pool, sheet: &mut Sheet) {
    let wanted = match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => classic.attributes.connection_draining,
        DesiredBalancer::V2(desired) => pool
            .name
            .as_ref()
            .and_then(|name| desired.target_groups.get(name))
            .and_then(|group| group.attributes.get("deregistration_delay.timeout_seconds")?.parse().ok()),
    };
    let spec_line = |seconds: Seconds| match (live.kind, &pool.name) {
        (LoadBalancerType::Classic, _) => format!("load_balancer.connection_draining: {seconds}"),
        (LoadBalancerType::Application | LoadBalancerType::Network, Some(name)) => {
            format!("load_balancer.target_groups.{name}.deregistration_delay: {seconds}")
        }
        (LoadBalancerType::Application | LoadBalancerType::Network, None) => APPLY.to_owned(),
    };
    let drain = proxy.map(|proxy| proxy.drain);
    let fix = |needed: Seconds| match wanted {
        Some(wanted) if wanted >= needed.get() && wanted > 0 => {
            format!("{APPLY} sets {} again", Seconds(wanted))
        }
        Some(_) | None => format!("{}, then {APPLY}", spec_line(needed)),
    };
    let unit = proxy.map_or_else(String::new, |proxy| {
        format!("; the proxy takes {}, its unit is given {} s", proxy.drain, stop_seconds(proxy))
    });
    match pool.leaving {
        Leaving::AtOnce => {
            let problem = "the connections of a target that is deregistered are cut at once";
            let why = "every update of an instance breaks the WebSockets that it has, without a close frame";
            let fix = fix(drain.unwrap_or(Seconds(300)));
            sheet.wrong(Name::Draining, &pool.title, finding(Severity::Warning, problem, why, fix));
        }
        Leaving::After(seconds) if drain.is_some_and(|drain| seconds < drain.get()) => {
            let (seconds, drain) = (Seconds(seconds), drain.unwrap_or(Seconds(0)));
            let problem = format!(
                "a target that is deregistered keeps its connections for {seconds}, the proxy drains for {drain}"
            );
            let why = "the load balancer cuts the WebSockets that the proxy is still bringing to an end";
            let fix = format!("{}, or proxy.drain: {seconds}", fix(drain));
            sheet.wrong(Name::Draining, &pool.title, finding(Severity::Warning, problem, why, fix));
        }
        Leaving::After(seconds) => {
            let found = format!("a target that leaves keeps its connections for {}{unit}", Seconds(seconds));
            sheet.right(Name::Draining, &pool.title, found);
        }
        Leaving::Never => {
            let found = format!("a target that leaves keeps its connections until they end{unit}");
            sheet.right(Name::Draining, &pool.title, found);
        }
    }
}

fn health(proxy: Option<&Proxy>, stack: &Stack, pool: &Pool, sheet: &mut Sheet) {
    let asked = &pool.check;
    let found = format!(
        "{} every {}: a target leaves after {}, comes back after {}",
        asked.text,
        Seconds(asked.interval),
        Seconds(asked.interval.saturating_mul(asked.unhealthy)),
        Seconds(asked.interval.saturating_mul(asked.healthy))
    );
    match proxy.and_then(|proxy| unanswered(proxy, pool)) {
        None => sheet.right(Name::HealthCheck, &pool.title, found),
        Some((problem, line)) => {
            let why = "a target that does not answer gets no connections, whatever its application does";
            let fix = if differs(stack, pool) { APPLY.to_owned() } else { line };
            sheet.wrong(Name::HealthCheck, &pool.title, finding(Severity::Error, problem, why, fix));
        }
    }
}

/// Why the proxy does not answer what the check asks, and the line that mends it.
fn unanswered(proxy: &Proxy, pool: &Pool) -> Option<(String, String)> {
    let serves = |port: &u16| proxy.listen.iter().any(|bind| bind.port == *port);
    if !pool.ports.keys().any(serves) {
        // Somebody else's port, somebody else's answers.
        return None;
    }
    let ports: Vec<u16> =
        pool.check.port.map_or_else(|| pool.ports.keys().copied().collect(), |port| vec![port]);
    let path = pool.check.path.as_deref()?;
    for port in ports {
        if port == proxy.health.port {
            if proxy.health.address.is_some_and(|address| address.is_loopback()) {
                let problem = format!("it asks port {port}, where the proxy answers only {}", proxy.health);
                return Some((problem, format!("proxy.health: {port}")));
            }
            if path != "/healthz" {
                let problem =
                    format!("it asks for {path}, and the proxy's health port answers /healthz alone");
                return Some((problem, "load_balancer.health_check: path /healthz".to_owned()));
            }
        } else if serves(&port) {
            // Network load balancers put their header before checks as well, Classic ones do not.
            let header = pool.ports.values().any(|sends| *sends == super::live::Sends::V2);
            if proxy.demands_header() && !header {
                let problem =
                    format!("it asks port {port}, where the proxy wants a PROXY header that checks lack");
                return Some((problem, format!("load_balancer.health_check: port {}", proxy.health)));
            }
        } else {
            let problem = format!(
                "it asks port {port}, and the proxy answers only {} and the ports that it serves",
                proxy.health
            );
            return Some((problem, format!("load_balancer.health_check: port {}", proxy.health)));
        }
    }
    None
}

fn differs(stack: &Stack, pool: &Pool) -> bool {
    let asked = &pool.check;
    match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => classic.health_check.target != asked.text,
        DesiredBalancer::V2(desired) => {
            let group = pool.name.as_ref().and_then(|name| desired.target_groups.get(name));
            group.is_some_and(|group| {
                group.health_check.port != asked.port || group.health_check.path != asked.path
            })
        }
    }
}
