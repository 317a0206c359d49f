//! What the demo has reached, and how to try it.

use std::time::Duration;

use crate::demo::{Demo, Milestone};

/// Writes a milestone to stderr.
pub(crate) fn milestone(milestone: &Milestone<'_>) {
    match milestone {
        Milestone::LocalAws { endpoint } => super::message(&format!("✓ the local AWS serves on {endpoint}")),
        Milestone::Instance { id, address } => super::message(&format!(
            "✓ instance {id} at {address} runs ws-chat (ports 8000 and 9000) and elbws-proxy (ports 80 and 8081)"
        )),
        Milestone::Applied { spec, steps } => {
            super::message(&format!("✓ {spec} is applied: {steps} steps"));
        }
        Milestone::InService => super::message("✓ the instance is in service"),
        Milestone::Probed(step) => super::message(super::probe::step(step).trim_end()),
    }
}

/// Returns how to try it, for people.
pub(crate) fn text(demo: &Demo, elapsed: Duration) -> String {
    let Demo { url, websocket, http_url, ca, endpoint, load_balancer, .. } = demo;
    let ca = ca.display();
    format!(
        "\nready after {:.1} s: open it in two windows and chat through load balancer {load_balancer}\n\n\
         \x20 page       {url}\n\
         \x20 WebSocket  {websocket}\n\
         \x20 over http  {http_url} (redirects)\n\
         \x20 CA         {ca}\n\n\
         The certificate is signed by the demo's own CA: accept the browser's warning, or trust the CA:\n\
         \x20 curl --cacert {ca} {url}\n\
         \x20 elbws probe '{websocket}' --ca {ca} --hold 90s\n\n\
         Look at what was built, or break it, from another terminal:\n\
         \x20 export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1\n\
         \x20 elbws disable-proxy-protocol --load-balancer {load_balancer} --port 80\n\n\
         Ctrl-C takes everything down.\n",
        elapsed.as_secs_f64()
    )
}

/// Returns the same for programs: one line.
pub(crate) fn json(demo: &Demo, kind: &str) -> String {
    let line = serde_json::json!({
        "url": demo.url,
        "websocket": demo.websocket,
        "http_url": demo.http_url,
        "ca": demo.ca,
        "load_balancer": demo.load_balancer,
        "type": kind,
        "endpoint_url": demo.endpoint,
    });
    format!("{line}\n")
}
