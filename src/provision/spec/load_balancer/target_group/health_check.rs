//! `health_check:` of a target group.

use serde::Serialize;

use super::grammar::{HEALTH_PATH, MATCHER, statuses};
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Item, Read, Value};
use crate::provision::spec::load_balancer::Protocol;
use crate::provision::spec::load_balancer::fields::{PORT, THRESHOLD};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::proxy::{Bind, HEALTHZ};
use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object};

/// How targets are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TargetHealthCheck {
    /// How they are asked: `http`, `https` or, for a Network load balancer, `tcp`.
    pub protocol: Protocol,
    /// The port; `None` for the one that the target serves on.
    pub port: Option<u16>,
    /// The path with its leading slash; `Some` exactly for `http` and `https`.
    pub path: Option<String>,
    /// The statuses that are a success, `200` or `200-299,304`; `Some` exactly for `http` and `https`.
    pub matcher: Option<String>,
    /// The time between two checks: 5 s–300 s.
    pub interval: Seconds,
    /// How long an answer may take: 2 s–120 s, less than the interval.
    pub timeout: Seconds,
    /// Successes in a row after which a target is healthy: 2–10.
    pub healthy_threshold: u8,
    /// Failures in a row after which it is not: 2–10.
    pub unhealthy_threshold: u8,
}

static PROTOCOLS: Choice = Choice { values: &["http", "https", "tcp"], hints: &[] };

pub(super) static HEALTH_CHECK: Object = Object {
    name: "target_health_check",
    need: Need::Nothing,
    fields: &[
        Field::new("path", Kind::Text(&HEALTH_PATH), "The path that is asked; http and https only.")
            .default("/healthz on the proxy's health port, else /"),
        Field::new("port", PORT, "The port that is asked.").default(
            "the proxy's health port where it serves the group and no path is given, else the target's",
        ),
        Field::new(
            "protocol",
            Kind::Choice(&PROTOCOLS),
            "How it is asked; `tcp`, a mere connection, is for network load balancers.",
        )
        .default("http on the proxy's health port, else the group's; tcp for network unless a path is given"),
        Field::new(
            "matcher",
            Kind::OneOf {
                what: "statuses such as 200, 200-299 or 200,204",
                forms: &[Kind::Text(&MATCHER), Kind::Integer { min: 200, max: 599 }],
            },
            "The statuses that are a success; http and https only.",
        )
        .default("200"),
        Field::new("interval", Kind::Duration { min: 5, max: 300 }, "The time between two checks.")
            .default("10s"),
        Field::new(
            "timeout",
            Kind::Duration { min: 2, max: 120 },
            "How long an answer may take; less than the interval.",
        )
        .default("5s"),
        Field::new("healthy_threshold", THRESHOLD, "Successes in a row after which a target is healthy.")
            .default("2"),
        Field::new("unhealthy_threshold", THRESHOLD, "Failures in a row after which it is not.").default("3"),
    ],
};

const INTERVAL: Seconds = Seconds(10);
const TIMEOUT: Seconds = Seconds(5);
const HEALTHY: u8 = 2;
const UNHEALTHY: u8 = 3;
const MATCH: &str = "200";

/// What the check's defaults and rules go by.
pub(in crate::provision::spec::load_balancer) struct CheckKind<'a> {
    /// What the group's targets speak, which tells the type of the load balancer as well.
    pub(super) group: Protocol,
    /// Where the proxy answers health checks, if it serves the group.
    pub(super) proxy: Option<&'a Bind>,
}

impl CheckKind<'_> {
    fn of_network(&self) -> bool {
        match self.group {
            Protocol::Tcp | Protocol::Tls => true,
            Protocol::Http | Protocol::Https => false,
        }
    }
}

/// Decodes the check of `group`.
pub(super) fn decode(group: &Item, kind: &CheckKind<'_>, problems: &mut Problems) -> Read<TargetHealthCheck> {
    let defaults = group.defaults_from();
    let item = group.get("health_check").unwrap_or(&defaults);
    item.as_map()?;
    let given_path = item.text("path")?;
    let health = kind.proxy.map(|bind| bind.port);
    let by_default = health.filter(|_| given_path.is_none_or(|path| path == HEALTHZ));
    let port = match item.number::<u16>("port")? {
        None if Protocol::read(item, "protocol")?.is_none_or(|p| p == Protocol::Http) => by_default,
        given => given,
    };
    let on_proxy = port.is_some() && port == health;
    let protocol = match Protocol::read(item, "protocol")? {
        Some(protocol) => protocol,
        None if on_proxy => Protocol::Http,
        None if kind.of_network() => {
            if given_path.is_some() {
                Protocol::Http
            } else {
                Protocol::Tcp
            }
        }
        None => kind.group,
    };
    if protocol == Protocol::Tcp && !kind.of_network() {
        let refusal = Refusal::new("an application load balancer checks over http or https, not tcp")
            .hint("write http, and the path that answers");
        item.at("protocol").report(problems, refusal);
    }
    let asks = matches!(protocol, Protocol::Http | Protocol::Https);
    for name in ["path", "matcher"] {
        if let Some(item) = item.get(name).filter(|_| !asks) {
            let refusal = Refusal::new(format!("a {protocol} check merely connects, it has no {name}"));
            item.report(problems, refusal.hint("remove it, or write protocol: http"));
        }
    }
    let matcher = matcher(item, kind, problems)?;
    let (interval, timeout) = (item.seconds("interval", INTERVAL)?, item.seconds("timeout", TIMEOUT)?);
    if timeout >= interval {
        let refusal =
            Refusal::new(format!("the timeout, {timeout}, is not less than the interval, {interval}"))
                .hint("AWS waits for an answer before it asks again");
        item.get("timeout").unwrap_or(item.at("interval")).report(problems, refusal);
    }
    let path = given_path.unwrap_or(if on_proxy { HEALTHZ } else { "/" });
    Ok(TargetHealthCheck {
        protocol,
        port,
        path: asks.then(|| path.to_owned()),
        matcher: asks.then_some(matcher),
        interval,
        timeout,
        healthy_threshold: item.number("healthy_threshold")?.unwrap_or(HEALTHY),
        unhealthy_threshold: item.number("unhealthy_threshold")?.unwrap_or(UNHEALTHY),
    })
}

fn matcher(item: &Item, kind: &CheckKind<'_>, problems: &mut Problems) -> Read<String> {
    let Some(item) = item.get("matcher") else { return Ok(MATCH.to_owned()) };
    let text =
        if let Value::Text(text) = &item.value { text.clone() } else { item.as_number::<u16>()?.to_string() };
    // AWS: the Matcher type of the Elastic Load Balancing v2 API.
    let highest = if kind.of_network() { 599 } else { 499 };
    if statuses(&text).is_ok_and(|(_, high)| high > highest) {
        let refusal =
            Refusal::new(format!("an application load balancer takes no status over {highest} for healthy"));
        item.report(problems, refusal.hint("statuses from 200 to 499"));
    }
    Ok(text)
}
