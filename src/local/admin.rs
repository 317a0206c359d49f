//! The admin calls under `/_elbws/`: for tests and scripts, in JSON; no AWS client makes them.

use std::net::Ipv4Addr;

use hyper::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::account::Account;
use super::clock::Clock;
use super::faults::Rule;
use super::inventory;
use super::server::ServerError;
use super::settings::SettingsChange;
use super::state::route53::Content;
use super::wire::query::Params;

/// The prefix of every admin path.
pub(crate) const PREFIX: &str = "/_elbws/";

/// The answer of an admin call.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Value,
}

/// One rule, or several.
enum Rules {
    One(Rule),
    Several(Vec<Rule>),
}

/// A setting of the clock.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ClockChange {
    /// Stands still at this time.
    #[serde(with = "time::serde::rfc3339")]
    Fixed(OffsetDateTime),
    /// Moves on by so many milliseconds, and stands still there.
    AdvanceMs(i64),
    /// The system's clock again.
    System(bool),
}

/// Answers an admin call.
pub(crate) fn answer(account: &Account, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
    let answer = run(account, method, uri, body);
    if method != Method::GET {
        account.tell_change();
    }
    answer
}

fn run(account: &Account, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
    let path = uri.path();
    let name = path.strip_prefix(PREFIX).unwrap_or_default();
    match (name, method) {
        ("health", &Method::GET) => ok(json!({ "status": "ok" })),
        ("reset", &Method::POST) => match account.lock().reset() {
            Ok(()) => ok(json!({})),
            Err(error) => refused(500, &error.to_string()),
        },
        ("faults", &Method::POST) => match rules(body) {
            Ok(Rules::One(rule)) => add_faults(account, vec![rule]),
            Ok(Rules::Several(rules)) => add_faults(account, rules),
            Err(error) => refused(400, &error.to_string()),
        },
        ("faults", &Method::DELETE) => {
            account.lock().faults.clear();
            ok(json!({}))
        }
        ("calls", &Method::GET) => ok(json!(account.lock().calls)),
        ("calls", &Method::DELETE) => {
            account.lock().calls.clear();
            ok(json!({}))
        }
        ("authority", &Method::GET) => match authority(account) {
            Ok(certificate) => ok(json!({ "certificate": certificate })),
            Err(error) => refused(500, &error.to_string()),
        },
        ("instances", &Method::GET) => ok(inventory::instances(&account.lock())),
        ("load-balancers", &Method::GET) => ok(load_balancers(account)),
        ("resolve", &Method::GET) => resolve(account, uri.query().unwrap_or_default()),
        ("settings", &Method::GET) => ok(json!(account.lock().settings)),
        ("settings", &Method::POST) => match serde_json::from_slice::<SettingsChange>(body) {
            Ok(change) => {
                let mut inner = account.lock();
                inner.settings.change(change);
                ok(json!(inner.settings))
            }
            Err(error) => refused(400, &error.to_string()),
        },
        ("clock", &Method::POST) => match serde_json::from_slice::<ClockChange>(body) {
            Ok(change) => set_clock(account, &change),
            Err(error) => refused(400, &error.to_string()),
        },
        (
            "authority" | "health" | "instances" | "load-balancers" | "reset" | "resolve" | "faults"
            | "calls" | "settings" | "clock",
            _,
        ) => refused(405, &format!("{method} is not allowed for {path}")),
        _ => refused(404, &format!("there is no admin call {path}")),
    }
}

/// The certificate of the authority that signs what ACM issues, PEM.
fn authority(account: &Account) -> Result<String, ServerError> {
    let mut inner = account.lock();
    inner.make_authority()?;
    Ok(inner.state.authority.as_ref().map(|authority| authority.certificate.clone()).unwrap_or_default())
}

/// Where each load balancer listens: those that are open, at its own address first.
fn load_balancers(account: &Account) -> Value {
    let inner = account.lock();
    let mut all = Vec::new();
    let place = |region: &str, name: &str, dns_name: &str, address: Ipv4Addr, ports: Vec<u16>| {
        let listeners = ports.into_iter().filter_map(|port| {
            let addresses = inner.listening.of(dns_name, port);
            let first = addresses.first()?;
            Some(json!({ "port": port, "address": first, "addresses": addresses }))
        });
        let listeners: Vec<Value> = listeners.collect();
        json!({
            "name": name, "dns_name": dns_name, "region": region, "address": address, "listeners": listeners,
        })
    };
    for (region, held) in &inner.state.regions {
        for balancer in held.elb.load_balancers.values() {
            let ports = balancer.listeners.keys().copied().collect();
            all.push(place(region, &balancer.name, &balancer.dns_name, balancer.address, ports));
        }
        for balancer in held.elbv2.load_balancers.values() {
            let ports = balancer.listeners.values().map(|listener| listener.port).collect();
            all.push(place(region, &balancer.name, &balancer.dns_name, balancer.address, ports));
        }
    }
    Value::Array(all)
}

/// What DNS would answer for `name`: an address record of a hosted zone, in turn by weights.
fn resolve(account: &Account, query: &str) -> Answer {
    let params = Params::parse(query.as_bytes());
    let kind = params.get("type").unwrap_or("A");
    let inner = &mut *account.lock();
    inner.resolved = inner.resolved.wrapping_add(1);
    let Some(name) = params.get("name") else { return refused(400, "name is missing") };
    let found = inner.state.route53.resolve(name, kind, inner.resolved);
    match found {
        None => refused(404, &format!("there is no record of type {kind} for {name}")),
        Some(record) => {
            let (dns_name, values) = match &record.content {
                Content::Alias { name, .. } => (Some(name.trim_end_matches('.')), None),
                Content::Values { values, .. } => (None, Some(values)),
            };
            let identifier = &record.set_identifier;
            ok(
                json!({ "dns_name": dns_name, "values": values, "set_identifier": identifier, "weight": record.weight }),
            )
        }
    }
}

fn rules(body: &[u8]) -> Result<Rules, serde_json::Error> {
    let value: Value = serde_json::from_slice(body)?;
    if value.is_array() {
        serde_json::from_value(value).map(Rules::Several)
    } else {
        serde_json::from_value(value).map(Rules::One)
    }
}

fn add_faults(account: &Account, rules: Vec<Rule>) -> Answer {
    account.lock().faults.add(rules);
    ok(json!({}))
}

fn set_clock(account: &Account, change: &ClockChange) -> Answer {
    let mut inner = account.lock();
    inner.clock = match change {
        ClockChange::Fixed(now) => Clock::Fixed(*now),
        ClockChange::AdvanceMs(by) => {
            match inner.clock.now().checked_add(time::Duration::milliseconds(*by)) {
                Some(now) => Clock::Fixed(now),
                None => return refused(400, "the clock cannot be moved so far"),
            }
        }
        ClockChange::System(true) => Clock::System,
        ClockChange::System(false) => Clock::Fixed(inner.clock.now()),
    };
    let now = inner.clock.now().format(&time::format_description::well_known::Rfc3339);
    ok(json!({ "now": now.unwrap_or_default() }))
}

fn ok(body: Value) -> Answer {
    Answer { status: 200, body }
}

fn refused(status: u16, message: &str) -> Answer {
    Answer { status, body: json!({ "message": message }) }
}
