//! The state as people read it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::{BAD, BOLD, GOOD, WARN};
use super::{GroupStatus, V2Status, state};
use crate::provision::resource::v2::{Action, Condition, Family, Forward};

impl V2Status {
    pub(in crate::report::status) fn text(&self) -> String {
        let balancer = &self.load_balancer;
        let mut text = String::new();
        let head = format!("{BOLD}{}{BOLD:#}  {}  {}", balancer.name, balancer.family, balancer.dns_name);
        let _ = match state(&balancer.state) {
            ("active", _) => writeln!(text, "{head}"),
            (state, None) => writeln!(text, "{head}  {WARN}{state}{WARN:#}"),
            (state, Some(reason)) => writeln!(text, "{head}  {BAD}{state}: {reason}{BAD:#}"),
        };
        for record in &self.records {
            let weight = record.weight.map(|weight| format!("  weight {weight}")).unwrap_or_default();
            let _ = writeln!(text, "  {} {}{weight}", record.name, record.kind);
        }
        let _ = writeln!(text, "\n{BOLD}listeners{BOLD:#}");
        for (port, listener) in &balancer.listeners {
            let policies = [listener.ssl_policy.as_deref(), listener.alpn_policy.as_deref()];
            let policies: Vec<&str> = policies.into_iter().flatten().collect();
            let line = format!(
                "  {port:<5} {:<5} {}  {}",
                listener.protocol.to_ascii_lowercase(),
                self.action_text(&listener.default_action),
                policies.join(", ")
            );
            let _ = writeln!(text, "{}", line.trim_end());
            for rule in &listener.rules {
                let conditions: Vec<String> = rule.conditions.iter().map(condition_text).collect();
                let action = self.action_text(&rule.action);
                let _ = writeln!(text, "    {:<5} {}: {action}", rule.priority, conditions.join(" and "));
            }
        }
        let _ = writeln!(text, "\n{BOLD}target groups{BOLD:#}");
        for found in &self.groups {
            self.group_text(&mut text, found);
        }
        text
    }

    fn group_text(&self, text: &mut String, found: &GroupStatus) {
        let group = &found.group;
        let check = &group.health_check;
        let checked = check.port.map_or_else(|| "the target's port".to_owned(), |port| port.to_string());
        let header = match (self.load_balancer.family, found.proxied()) {
            (Family::Application, _) => "",
            (Family::Network, true) => ", PROXY header v2",
            (Family::Network, false) => ", no PROXY header",
        };
        let _ = writeln!(
            text,
            "  {}  {} {}{header}, checked by {} on {checked}{}",
            found.name(),
            group.protocol.to_ascii_lowercase(),
            group.port,
            check.protocol,
            check.path.as_deref().map(|path| format!(" {path}")).unwrap_or_default()
        );
        if found.health.is_empty() {
            let _ = writeln!(text, "    {WARN}none is registered{WARN:#}");
        }
        for health in &found.health {
            let style = match health.state.as_str() {
                "healthy" => GOOD,
                "initial" | "draining" => WARN,
                _ => BAD,
            };
            let reason = health.words().unwrap_or_default();
            let line = format!("    {}  {style}{}{style:#}  {reason}", health.target, health.state);
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }

    fn action_text(&self, action: &Action) -> String {
        match action {
            Action::Forward(Forward { groups, stickiness }) => {
                let names: Vec<String> = match groups.len() {
                    1 => groups.keys().map(|arn| self.group_name(arn)).collect(),
                    _ => groups
                        .iter()
                        .map(|(arn, weight)| format!("{} ({weight})", self.group_name(arn)))
                        .collect(),
                };
                let sticky =
                    stickiness.map(|seconds| format!(", sticky for {seconds} s")).unwrap_or_default();
                format!("→ {}{sticky}", names.join(", "))
            }
            Action::Redirect { protocol, host, port, path, query, status } => {
                let scheme = protocol.to_ascii_lowercase();
                let query = if query.is_empty() { String::new() } else { format!("?{query}") };
                format!("redirect {status} to {scheme}://{host}:{port}{path}{query}")
            }
            Action::FixedResponse { status, .. } => format!("answer {status}"),
            Action::Other(kind) => kind.clone(),
        }
    }
}

fn condition_text(condition: &Condition) -> String {
    let joined =
        |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(" or ");
    match condition {
        Condition::Path(values) => format!("path {}", joined(values)),
        Condition::Host(values) => format!("host {}", joined(values)),
        Condition::Other(text) => text.clone(),
    }
}
