//! What reaches the proxy before the visitor's bytes, and whether the upgrade does.
//!
//! Sources: "Configure proxy protocol support" of the Classic guide, "Target group attributes" of the Network guide,
//! "Listeners for your Classic Load Balancer" (HTTP listeners), "Protocol version" of the Application guide.

use super::live::{Layer, Live, Pool, Sends};
use super::sheet::{APPLY, Sheet, finding, list, ports};
use super::{Name, Severity};
use crate::probe::likely::{HTTP2_GROUP, NO_POLICY, SWALLOWED, UNEXPECTED_HEADER};
use crate::provision::resource::{DesiredBalancer, LoadBalancerType, Stack};
use crate::provision::spec::Spec;
use crate::provision::spec::proxy::{Accept, Proxy};

/// Says whether the spec's listeners are there, and carry WebSockets.
pub(super) fn listeners(stack: &Stack, live: &Live, sheet: &mut Sheet) {
    let carries = live.doors.iter().any(|door| door.layer != Layer::HttpWithoutUpgrade);
    for port in stack.load_balancer.listener_ports() {
        let subject = format!("port {port}");
        let wanted = protocol(stack, port);
        let Some(door) = live.doors.iter().find(|door| door.port == port) else {
            let problem =
                format!("the load balancer does not listen on port {port}, the spec has {wanted} there");
            let why = "visitors' connections are refused or time out";
            sheet.wrong(Name::Listener, subject, finding(Severity::Error, problem, why, APPLY));
            continue;
        };
        if door.protocol != wanted {
            let problem = format!("the listener speaks {}, the spec says {wanted}", door.protocol);
            let why = match door.layer {
                Layer::HttpWithoutUpgrade => SWALLOWED.cause,
                Layer::Http | Layer::Stream => "visitors speak what the listener does not",
            };
            sheet.wrong(Name::Listener, subject, finding(Severity::Error, problem, why, APPLY));
        } else if door.layer == Layer::HttpWithoutUpgrade {
            let severity = if carries { Severity::Note } else { Severity::Error };
            let problem = format!("the listener speaks {}: WebSockets do not open there", door.protocol);
            sheet.wrong(Name::Listener, subject, finding(severity, problem, SWALLOWED.cause, SWALLOWED.mend));
        } else if door.leads_to.is_empty() {
            sheet.right(
                Name::Listener,
                subject,
                format!("{}, answered by the load balancer itself", door.protocol),
            );
        } else {
            let found = format!("{} → instance {}", door.protocol, ports(&door.leads_to));
            sheet.right(Name::Listener, subject, found);
        }
    }
}

fn protocol(stack: &Stack, port: u16) -> String {
    let found = match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => {
            classic.listeners.get(&port).map(|listener| listener.protocol.to_string())
        }
        DesiredBalancer::V2(desired) => {
            desired.listeners.get(&port).map(|listener| listener.protocol.to_string())
        }
    };
    found.unwrap_or_default()
}

/// Says whether each instance port is sent what the proxy expects there.
pub(super) fn check(spec: &Spec, stack: &Stack, live: &Live, sheet: &mut Sheet) {
    for pool in &live.pools {
        for (port, sends) in &pool.ports {
            let subject = match &pool.name {
                Some(name) => format!("{name} port {port}"),
                None => format!("instance port {port}"),
            };
            let proxy =
                spec.proxy.as_ref().filter(|proxy| proxy.listen.iter().any(|bind| bind.port == *port));
            match proxy {
                Some(proxy) => proxied(proxy, stack, live, pool, *port, *sends, &subject, sheet),
                None => beside(stack, pool, *port, *sends, &subject, sheet),
            }
        }
        if pool.version.as_deref().is_some_and(|version| version != "HTTP1") {
            let version = pool.version.as_deref().unwrap_or_default();
            let problem = format!("the protocol version is {version}, and WebSockets are HTTP/1.1");
            let finding = finding(Severity::Error, problem, HTTP2_GROUP.cause, APPLY);
            sheet.wrong(Name::ProxyHeader, &pool.title, finding);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "what is held against what, and where it is written")]
fn proxied(
    proxy: &Proxy,
    stack: &Stack,
    live: &Live,
    pool: &Pool,
    port: u16,
    sends: Sends,
    subject: &str,
    sheet: &mut Sheet,
) {
    let fits = match (proxy.accept, sends) {
        (Accept::V1 | Accept::Any, Sends::V1)
        | (Accept::V2 | Accept::Any, Sends::V2)
        | (Accept::Off, Sends::Nothing) => true,
        (Accept::V1, Sends::V2 | Sends::Nothing)
        | (Accept::V2, Sends::V1 | Sends::Nothing)
        | (Accept::Any, Sends::Nothing)
        | (Accept::Off, Sends::V1 | Sends::V2) => false,
    };
    let sent = described(sends);
    if fits {
        let expected = match proxy.accept {
            Accept::Any => ", the proxy takes either version",
            Accept::V1 | Accept::V2 | Accept::Off => ", as the proxy expects",
        };
        sheet.right(Name::ProxyHeader, subject, format!("{sent}{expected}"));
        return;
    }
    let wanted = match proxy.accept {
        Accept::V1 => "one of version 1",
        Accept::V2 => "one of version 2",
        Accept::Any => "one of either version",
        Accept::Off => "none",
    };
    let problem = format!("the load balancer sends {sent}, and the proxy expects {wanted}");
    let likely = if sends == Sends::Nothing { NO_POLICY } else { UNEXPECTED_HEADER };
    let why = format!("{}: every connection ends before a WebSocket opens", likely.cause);
    let classic = live.kind == LoadBalancerType::Classic;
    let name = stack.load_balancer.name();
    let fix = match (wants_header(stack, pool, port) == Some(sends != Sends::Nothing), sends) {
        // The spec says the same as AWS: then it is the proxy's line that is wrong.
        (true, Sends::Nothing) => "load_balancer.proxy_protocol: true, or remove proxy.accept".to_owned(),
        (true, Sends::V1 | Sends::V2) => "remove proxy.accept".to_owned(),
        (false, Sends::Nothing) if classic => {
            format!("{APPLY}, or `elbws enable-proxy-protocol --load-balancer {name} --port {port}`")
        }
        (false, Sends::V1 | Sends::V2) if classic => {
            format!("{APPLY}, or `elbws disable-proxy-protocol --load-balancer {name} --port {port}`")
        }
        (false, _) => APPLY.to_owned(),
    };
    sheet.wrong(Name::ProxyHeader, subject, finding(Severity::Error, problem, why, fix));
}

/// A port of somebody else's: whether it expects a header only the spec says.
fn beside(stack: &Stack, pool: &Pool, port: u16, sends: Sends, subject: &str, sheet: &mut Sheet) {
    let sent = described(sends);
    match wants_header(stack, pool, port) {
        Some(wanted) if wanted != (sends != Sends::Nothing) => {
            let says = if wanted { "one" } else { "none" };
            let problem = format!("the load balancer sends {sent}, the spec says {says}");
            let why = if wanted { NO_POLICY.cause } else { UNEXPECTED_HEADER.cause };
            sheet.wrong(Name::ProxyHeader, subject, finding(Severity::Error, problem, why, APPLY));
        }
        Some(_) => sheet.right(Name::ProxyHeader, subject, format!("{sent}, as the spec says")),
        None => sheet.unchecked(
            Name::ProxyHeader,
            subject,
            format!("{sent}; the spec says nothing of this port ({})", list([&pool.title])),
        ),
    }
}

/// Says whether the spec wants a header on a port; none where it does not speak of the port.
fn wants_header(stack: &Stack, pool: &Pool, port: u16) -> Option<bool> {
    match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => {
            let spoken_of = classic.listeners.values().any(|listener| listener.instance_port == port);
            spoken_of.then(|| classic.proxy_protocol.contains(&port))
        }
        DesiredBalancer::V2(desired) => {
            let group = desired.target_groups.get(pool.name.as_ref()?)?;
            Some(group.attributes.get("proxy_protocol_v2.enabled").is_some_and(|value| value == "true"))
        }
    }
}

fn described(sends: Sends) -> &'static str {
    match sends {
        Sends::Nothing => "no PROXY header",
        Sends::V1 => "a PROXY header of version 1",
        Sends::V2 => "a PROXY header of version 2",
    }
}
