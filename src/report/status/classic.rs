//! The live state of a Classic load balancer.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{BAD, BOLD, GOOD, WARN};
use crate::provision::aws::InstanceHealth;
use crate::provision::resource::{LoadBalancer, Policy};

/// A Classic load balancer, and what it says of its instances.
pub(crate) struct ClassicStatus {
    /// The load balancer.
    pub(crate) load_balancer: LoadBalancer,
    /// What it says of its instances.
    pub(crate) health: Vec<InstanceHealth>,
}

impl ClassicStatus {
    pub(super) fn json(&self) -> Value {
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
        json!({
            "name": balancer.name,
            "type": "classic",
            "dns_name": balancer.dns_name,
            "state": "active",
            "listeners": listeners,
            "backend_policies": balancer.backend_policies,
        })
    }

    pub(super) fn targets(&self) -> Vec<Value> {
        self.health
            .iter()
            .flat_map(|found| {
                self.instance_ports().into_iter().map(move |port| {
                    json!({ "id": found.id, "port": port, "state": found.state, "reason": found.description })
                })
            })
            .collect()
    }

    pub(super) fn text(&self) -> String {
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
