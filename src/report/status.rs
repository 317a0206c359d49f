//! The live state of a stack, for people and for programs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::provision::aws::InstanceHealth;
use crate::provision::resource::{Certificate, LoadBalancer, Policy};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();
/// A certificate that expires within so many days is pointed out; ACM renews its own 60 days ahead.
const EXPIRES_SOON: i64 = 30;

/// What `status` shows.
pub(crate) struct Status {
    /// The stack.
    pub(crate) stack: String,
    /// Its load balancer.
    pub(crate) load_balancer: LoadBalancer,
    /// What the load balancer says of its instances.
    pub(crate) health: Vec<InstanceHealth>,
    /// The certificates on its listeners.
    pub(crate) certificates: Vec<Certificate>,
    /// How many resources differ from the spec.
    pub(crate) drift: usize,
}

impl Status {
    /// Returns the state for programs.
    pub(crate) fn json(&self) -> Value {
        let balancer = &self.load_balancer;
        let listeners: Vec<Value> = balancer
            .listeners
            .values()
            .map(|listener| {
                json!({
                    "port": listener.port,
                    "protocol": listener.protocol,
                    "instance_port": listener.instance_port,
                    "instance_protocol": listener.instance_protocol,
                    "certificate": listener.certificate,
                    "policies": listener.policies,
                })
            })
            .collect();
        let targets: Vec<Value> = self
            .health
            .iter()
            .flat_map(|found| {
                self.instance_ports().into_iter().map(move |port| {
                    json!({ "id": found.id, "port": port, "state": found.state, "reason": found.description })
                })
            })
            .collect();
        let certificates: Vec<Value> = self
            .certificates
            .iter()
            .map(|found| {
                json!({ "arn": found.arn, "domain": found.domains.first(), "expires": found.not_after.and_then(date) })
            })
            .collect();
        json!({
            "stack": self.stack,
            "load_balancer": {
                "name": balancer.name,
                "type": "classic",
                "dns_name": balancer.dns_name,
                "state": "active",
                "listeners": listeners,
                "backend_policies": balancer.backend_policies,
            },
            "targets": targets,
            "certificates": certificates,
            "drift": self.drift,
        })
    }

    /// Returns the state for people.
    pub(crate) fn text(&self) -> String {
        let balancer = &self.load_balancer;
        let mut text = String::new();
        let _ = writeln!(text, "{BOLD}{}{BOLD:#}  classic  {}", balancer.name, balancer.dns_name);
        let _ = writeln!(text, "\n{BOLD}listeners{BOLD:#}");
        for listener in balancer.listeners.values() {
            let (front, back) = (listener.protocol.to_string(), listener.instance_protocol.to_string());
            let certificate = listener.certificate.as_deref().unwrap_or_default();
            let line = format!(
                "  {:<5} {front:<5} → {back:<5} {:<5} {certificate} {}",
                listener.port,
                listener.instance_port,
                self.policies(&listener.policies).join(", ")
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "\n{BOLD}instance ports{BOLD:#}");
        for port in self.instance_ports() {
            let names = balancer.backend_policies.get(&port).cloned().unwrap_or_default();
            let proxied = names
                .iter()
                .filter_map(|name| balancer.policies.get(name))
                .any(Policy::turns_proxy_protocol_on);
            let header = if proxied { "PROXY header" } else { "no PROXY header" };
            let line = format!("  {port:<5} {header}  {}", names.join(", "));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let _ = writeln!(text, "\n{BOLD}targets{BOLD:#}");
        if self.health.is_empty() {
            let _ = writeln!(text, "  {WARN}none is registered{WARN:#}");
        }
        for found in &self.health {
            let style = if found.in_service() { GOOD } else { BAD };
            let reason = found.description.as_deref().filter(|_| !found.in_service()).unwrap_or_default();
            let line = format!("  {}  {style}{}{style:#}  {reason}", found.id, found.state);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        if !self.certificates.is_empty() {
            let _ = writeln!(text, "\n{BOLD}certificates{BOLD:#}");
        }
        for found in &self.certificates {
            let domain = found.domains.first().map_or("", String::as_str);
            let _ = writeln!(text, "  {domain}  {}  {}", expiry(found.not_after), found.arn);
        }
        let _ = match self.drift {
            0 => writeln!(text, "\n{GOOD}as the spec says{GOOD:#}"),
            1 => writeln!(text, "\n{WARN}1 resource differs from the spec: see elbws plan{WARN:#}"),
            many => writeln!(text, "\n{WARN}{many} resources differ from the spec: see elbws plan{WARN:#}"),
        };
        text
    }

    fn instance_ports(&self) -> BTreeSet<u16> {
        self.load_balancer.listeners.values().map(|listener| listener.instance_port).collect()
    }

    /// Returns the names of the policies, or what they refer to.
    fn policies(&self, names: &[String]) -> Vec<String> {
        names
            .iter()
            .map(|name| {
                let policy = self.load_balancer.policies.get(name);
                policy.and_then(Policy::reference).unwrap_or(name).to_owned()
            })
            .collect()
    }
}

fn date(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn expiry(not_after: Option<i64>) -> String {
    let Some((seconds, date)) = not_after.and_then(|seconds| Some((seconds, date(seconds)?))) else {
        return "expiry unknown".to_owned();
    };
    let days = (seconds - OffsetDateTime::now_utc().unix_timestamp()) / 86_400;
    let day = date.split('T').next().unwrap_or_default();
    match days {
        ..0 => format!("{BAD}expired {day}{BAD:#}"),
        0..EXPIRES_SOON => format!("{WARN}expires {day}, in {days} days{WARN:#}"),
        EXPIRES_SOON.. => format!("expires {day}, in {days} days"),
    }
}
