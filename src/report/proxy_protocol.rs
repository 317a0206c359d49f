//! What switching the PROXY header changed.

use std::fmt::Write as _;

use crate::provision::proxy_protocol::{Switch, Wish};

/// Returns what was changed, for people.
pub(crate) fn text(switch: &Switch, wish: Wish) -> String {
    let name = &switch.load_balancer;
    let mut text = String::new();
    let state = match wish {
        Wish::Enable => "on",
        Wish::Disable => "off",
    };
    if switch.is_empty() {
        let _ = writeln!(text, "PROXY protocol is {state} already on these instance ports of {name}.");
        return text;
    }
    if let Some(policy) = &switch.create {
        let _ = writeln!(text, "created policy {policy}");
    }
    for change in &switch.ports {
        let _ = writeln!(
            text,
            "instance port {}: [{}] → [{}]",
            change.port,
            change.from.join(", "),
            change.to.join(", ")
        );
    }
    for policy in &switch.delete {
        let _ = writeln!(text, "deleted policy {policy}");
    }
    let _ = writeln!(text, "PROXY protocol is {state} on these instance ports of {name}.");
    text
}

/// Returns what was changed, for programs.
pub(crate) fn json(switch: &Switch) -> String {
    // Plain data always serialises.
    serde_json::to_string(switch).map(|line| line + "\n").unwrap_or_default()
}
