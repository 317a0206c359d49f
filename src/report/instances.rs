//! The instances of a local AWS, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::local::client::Instance;

/// Returns a line an instance, for people.
pub(crate) fn text(instances: &[Instance]) -> String {
    let mut text = String::new();
    for instance in instances {
        let ports: Vec<String> =
            instance.ports.iter().map(|port| format!("{} at {}", port.port, port.address)).collect();
        let line = format!(
            "{}  {:<10}  {:<13}  {:<12}  {}  {}",
            instance.id,
            instance.state,
            instance.address,
            instance.region,
            instance.name.as_deref().unwrap_or("-"),
            ports.join(", ")
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Returns the same for programs: one line.
pub(crate) fn json(instances: &[Instance]) -> String {
    let instances: Vec<Value> = instances
        .iter()
        .map(|instance| {
            let ports: Vec<Value> = instance
                .ports
                .iter()
                .map(|port| json!({ "port": port.port, "address": port.address }))
                .collect();
            json!({
                "id": instance.id,
                "region": instance.region,
                "name": instance.name,
                "state": instance.state,
                "address": instance.address,
                "port_offset": instance.port_offset,
                "load_balancers": instance.load_balancers,
                "ports": ports,
            })
        })
        .collect();
    format!("{}\n", Value::Array(instances))
}
