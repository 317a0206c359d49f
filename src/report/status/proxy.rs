//! The proxy on the instances.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{BAD, BOLD, GOOD, WARN};
use crate::provision::plan::{ProxyOn, ProxyState};

/// How much of a hash is shown.
const SHOWN: usize = 12;

/// Returns it for programs.
pub(super) fn json(proxy: &ProxyOn) -> Value {
    let (state, reason) = match &proxy.state {
        ProxyState::AsDesired => ("as-desired", None),
        ProxyState::Differs(_) => ("differs", Some(differing(&proxy.state))),
        ProxyState::Missing => ("missing", None),
        ProxyState::Unmanaged(lack) => ("unmanaged", Some(lack.to_string())),
    };
    let installed = proxy.installed.clone().unwrap_or_default();
    json!({
        "instance": proxy.instance,
        "state": state,
        "reason": reason,
        "program": installed.running.or(installed.program),
        "configuration": installed.loaded.or(installed.config),
        "accept": installed.accept,
    })
}

/// Returns all of them for people.
pub(super) fn text(proxies: &[ProxyOn]) -> String {
    let mut text = format!("\n{BOLD}proxies{BOLD:#}\n");
    for proxy in proxies {
        let installed = proxy.installed.clone().unwrap_or_default();
        let runs = installed.running.as_ref().map(|hash| hash.get(..SHOWN).unwrap_or(hash));
        let (style, words) = match &proxy.state {
            ProxyState::AsDesired => (GOOD, "as the spec says".to_owned()),
            ProxyState::Differs(_) => (WARN, format!("differs: {}", differing(&proxy.state))),
            ProxyState::Missing => (BAD, "not installed".to_owned()),
            ProxyState::Unmanaged(lack) => (BAD, format!("cannot be reached: {lack}")),
        };
        let _ = write!(text, "  {}  {style}{words}{style:#}", proxy.instance);
        if let Some(runs) = runs {
            let _ = write!(text, "  runs {runs}");
        }
        if let Some(accept) = &installed.accept {
            let _ = write!(text, ", PROXY header: {accept}");
        }
        text.push('\n');
    }
    text
}

fn differing(state: &ProxyState) -> String {
    let ProxyState::Differs(fields) = state else { return String::new() };
    let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
    paths.join(", ")
}
