//! The state as programs read it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{V2Status, state};
use crate::provision::resource::v2::{Action, Forward, Listener};

impl V2Status {
    pub(in crate::report::status) fn json(&self) -> Value {
        let balancer = &self.load_balancer;
        let (state, reason) = state(&balancer.state);
        let listeners: Vec<Value> =
            balancer.listeners.iter().map(|(port, listener)| self.listener(*port, listener)).collect();
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|found| {
                json!({
                    "name": found.name(),
                    "aws_name": found.group.name,
                    "protocol": found.group.protocol,
                    "protocol_version": found.group.protocol_version,
                    "port": found.group.port,
                    "proxy_protocol": found.proxied(),
                    "health_check": found.group.health_check,
                })
            })
            .collect();
        let records: Vec<Value> = self
            .records
            .iter()
            .map(|record| json!({ "name": record.name, "type": record.kind, "weight": record.weight }))
            .collect();
        json!({
            "name": balancer.name,
            "type": balancer.family.to_string(),
            "dns_name": balancer.dns_name,
            "state": state,
            "reason": reason,
            "listeners": listeners,
            "target_groups": groups,
            "records": records,
            "backend_policies": {},
        })
    }

    fn listener(&self, port: u16, listener: &Listener) -> Value {
        let rules: Vec<Value> = listener
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "priority": rule.priority,
                    "conditions": rule.conditions,
                    "action": self.action_json(&rule.action),
                })
            })
            .collect();
        json!({
            "port": port,
            "protocol": listener.protocol.to_ascii_lowercase(),
            "ssl_policy": listener.ssl_policy,
            "alpn_policy": listener.alpn_policy,
            "certificate": listener.certificate,
            "additional_certificates": listener.additional_certificates,
            "default_action": self.action_json(&listener.default_action),
            "rules": rules,
        })
    }

    /// Returns an action whose groups are called as the spec calls them.
    fn action_json(&self, action: &Action) -> Value {
        let Action::Forward(Forward { groups, stickiness }) = action else { return json!(action) };
        let groups: BTreeMap<String, u16> =
            groups.iter().map(|(arn, weight)| (self.group_name(arn), *weight)).collect();
        json!({ "forward": { "groups": groups, "stickiness": stickiness } })
    }

    pub(in crate::report::status) fn targets(&self) -> Vec<Value> {
        self.groups
            .iter()
            .flat_map(|found| {
                found.health.iter().map(|health| {
                    json!({
                        "id": health.target.id,
                        "port": health.target.port,
                        "group": found.name(),
                        "state": health.state,
                        "reason": health.words(),
                        "code": health.reason,
                    })
                })
            })
            .collect()
    }
}
