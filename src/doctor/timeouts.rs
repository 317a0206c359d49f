//! The chain of timeouts: ping < load balancer < proxy, and what else remembers connections on the way.
//!
//! Sources: "Configure the idle connection timeout" of the three load balancers' guides, "Troubleshoot your
//! Application Load Balancers" (502, 504), "Security group connection tracking" of the EC2 guide.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::live::{Door, Layer, Live};
use super::sheet::{APPLY, Sheet, finding, list, ports};
use super::{Name, Severity};
use crate::provision::resource::{DesiredBalancer, LoadBalancerType, Stack};
use crate::provision::spec::proxy::Proxy;
use crate::provision::spec::{Seconds, Spec};

/// The proxy's own `request_timeout`, where the spec has none: docs/proxy.md.
const REQUEST_TIMEOUT: Seconds = Seconds(60);
/// EC2: for so long an interface of a Nitro v6 instance remembers a silent connection, all others for five days.
const NITRO_V6_TRACKING: Seconds = Seconds(350);
/// What the proxy is given beyond the load balancer's time.
const MARGIN: u32 = 300;

pub(super) fn check(spec: &Spec, stack: &Stack, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let Some(proxy) = &spec.proxy else {
        let reason = "the spec says proxy: false, and what its own timeouts are only its configuration knows";
        sheet.unchecked(Name::PingInterval, "proxy", reason);
        return;
    };
    let mut by_idle: BTreeMap<u32, Vec<&Door>> = BTreeMap::new();
    for door in live.doors.iter().filter(|door| leads_to(door, proxy)) {
        by_idle.entry(door.idle).or_default().push(door);
    }
    for (idle, doors) in &by_idle {
        silence(proxy, stack, live, Seconds(*idle), doors, sheet);
    }
    let Some(longest) = by_idle.keys().last().copied().map(Seconds) else {
        sheet.unchecked(Name::PingInterval, "proxy", "no listener leads to a port that the proxy serves");
        return;
    };
    tunnels(proxy, longest, sheet);
    let of_http = by_idle.values().flatten().filter(|door| door.layer.is_http());
    if let Some(idle) = of_http.map(|door| door.idle).max() {
        kept(proxy, Seconds(idle), sheet);
        answers(proxy, Seconds(idle), sheet);
    }
    tracking(proxy, longest, facts, sheet);
}

fn leads_to(door: &Door, proxy: &Proxy) -> bool {
    proxy.listen.iter().any(|bind| door.leads_to.contains(&bind.port))
}

/// Pings come before the load balancer's idle timeout, and that is as the spec says.
fn silence(proxy: &Proxy, stack: &Stack, live: &Live, idle: Seconds, doors: &[&Door], sheet: &mut Sheet) {
    let subject = format!("listener {}", ports(doors.iter().map(|door| &door.port)));
    let wanted = doors.iter().filter_map(|door| desired_idle(stack, door.port)).max().map(Seconds);
    let drifted = wanted.filter(|wanted| *wanted != idle);
    if doors.iter().all(|door| door.layer == Layer::HttpWithoutUpgrade) {
        drift(&subject, idle, drifted, sheet);
        return;
    }
    let why = "a WebSocket that nobody writes to is closed without a close frame, and the chat behind it hangs \
               until it notices";
    match proxy.ping_interval {
        Some(ping) if ping < idle => {
            let found = format!("a ping every {ping}, before the load balancer's {idle} of silence");
            sheet.right(Name::PingInterval, &subject, found);
            drift(&subject, idle, drifted, sheet);
        }
        Some(ping) => {
            let fix = match (drifted, live.kind) {
                (Some(wanted), _) => format!("{APPLY} sets load_balancer.idle_timeout: {wanted} again"),
                (None, _) => format!("proxy.ping_interval: {}", Seconds((idle.get() / 3).max(1))),
            };
            let problem = format!(
                "the proxy's first ping comes after {ping} of silence, and the load balancer has closed after {idle}"
            );
            sheet.wrong(Name::PingInterval, &subject, finding(Severity::Error, problem, why, fix));
        }
        None => {
            let problem =
                format!("the proxy sends no pings, and the load balancer closes after {idle} of silence");
            let fix = "remove proxy.ping_interval: false, unless the application itself sends pings";
            sheet.wrong(Name::PingInterval, &subject, finding(Severity::Warning, problem, why, fix));
            drift(&subject, idle, drifted, sheet);
        }
    }
}

fn drift(subject: &str, idle: Seconds, drifted: Option<Seconds>, sheet: &mut Sheet) {
    if let Some(wanted) = drifted {
        let problem = format!("the load balancer closes after {idle} of silence, the spec says {wanted}");
        let why = "connections that are silent for longer end sooner or later than they are meant to";
        let fix = format!("{APPLY}, or load_balancer.idle_timeout: {idle}");
        sheet.wrong(Name::IdleTimeout, subject, finding(Severity::Warning, problem, why, fix));
    }
}

fn desired_idle(stack: &Stack, port: u16) -> Option<u32> {
    match &stack.load_balancer {
        DesiredBalancer::Classic(classic) => Some(classic.attributes.idle_timeout),
        DesiredBalancer::V2(desired) => {
            let value = match stack.load_balancer.kind() {
                LoadBalancerType::Network => {
                    desired.listeners.get(&port)?.attributes.get("tcp.idle_timeout.seconds")
                }
                LoadBalancerType::Application | LoadBalancerType::Classic => {
                    desired.attributes.get("idle_timeout.timeout_seconds")
                }
            };
            value?.parse().ok()
        }
    }
}

fn tunnels(proxy: &Proxy, idle: Seconds, sheet: &mut Sheet) {
    if proxy.tunnel_idle > idle {
        let found = format!(
            "the proxy keeps a silent WebSocket for {}, the load balancer for {idle}",
            proxy.tunnel_idle
        );
        sheet.right(Name::TunnelIdle, "proxy", found);
        return;
    }
    let problem = format!(
        "the proxy closes a WebSocket after {} of silence, the load balancer would keep it for {idle}",
        proxy.tunnel_idle
    );
    let why = "silent WebSockets end sooner than load_balancer.idle_timeout says";
    let fix = format!("proxy.tunnel_idle: {}, or remove it", Seconds(idle.get().saturating_add(MARGIN)));
    sheet.wrong(Name::TunnelIdle, "proxy", finding(Severity::Warning, problem, why, fix));
}

fn kept(proxy: &Proxy, idle: Seconds, sheet: &mut Sheet) {
    if proxy.keep_alive > idle {
        let found = format!(
            "the proxy keeps a connection for {}, the load balancer drops it after {idle}",
            proxy.keep_alive
        );
        sheet.right(Name::KeepAlive, "proxy", found);
        return;
    }
    let problem = format!(
        "the proxy closes a connection after {} without a request, the load balancer keeps it for {idle}",
        proxy.keep_alive
    );
    let why = "the load balancer sends a request, or a WebSocket's upgrade, into a connection that is just being \
               closed, and answers the visitor 502";
    let fix = format!("proxy.keep_alive: {}, or remove it", Seconds(idle.get().saturating_add(MARGIN)));
    sheet.wrong(Name::KeepAlive, "proxy", finding(Severity::Error, problem, why, fix));
}

fn answers(proxy: &Proxy, idle: Seconds, sheet: &mut Sheet) {
    let timeout = proxy.request_timeout.unwrap_or(REQUEST_TIMEOUT);
    if timeout <= idle {
        let found = format!("the proxy waits {timeout} for an answer, the load balancer {idle}");
        sheet.right(Name::RequestTimeout, "proxy", found);
        return;
    }
    let problem = format!("the proxy waits {timeout} for an answer, the load balancer only {idle}");
    let why =
        "the load balancer answers slow requests and upgrades 504 before the proxy can say what is slow";
    let fix = format!("proxy.request_timeout: {idle}");
    sheet.wrong(Name::RequestTimeout, "proxy", finding(Severity::Warning, problem, why, fix));
}

/// An instance's interface forgets a silent connection, and what comes afterwards is dropped: nobody is told.
fn tracking(proxy: &Proxy, idle: Seconds, facts: &Facts, sheet: &mut Sheet) {
    let machines = match &facts.machines {
        Ok(machines) => machines,
        Err(reason) => return sheet.unchecked(Name::ConnectionTracking, "instances", reason),
    };
    let silent = proxy.ping_interval.map_or(idle, |ping| ping.min(idle));
    let mut by_default = Vec::new();
    for machine in machines {
        for interface in &machine.interfaces {
            let Some(tracked) = interface.established_timeout.map(Seconds) else {
                by_default.push(machine);
                continue;
            };
            let subject = format!("{} {}", machine.id, interface.id);
            if silent < tracked {
                let found =
                    format!("the interface remembers a connection for {tracked}, it is silent for {silent}");
                sheet.right(Name::ConnectionTracking, subject, found);
            } else {
                let problem = format!("the interface forgets a connection that is silent for {tracked}");
                let command = format!(
                    "`aws ec2 modify-network-interface-attribute --network-interface-id {} \
                     --connection-tracking-specification TcpEstablishedTimeout={}`",
                    interface.id,
                    idle.get().saturating_add(MARGIN)
                );
                let fix = match tracked.get() / 2 {
                    0 => command,
                    half => format!("proxy.ping_interval: {}, or {command}", Seconds(half)),
                };
                sheet.wrong(
                    Name::ConnectionTracking,
                    subject,
                    finding(Severity::Warning, problem, FORGOTTEN, fix),
                );
            }
        }
    }
    let Some(first) = by_default.first() else { return };
    if silent < NITRO_V6_TRACKING {
        let found = format!(
            "never silent for longer than {silent}: even a Nitro v6 interface remembers a connection for {}",
            NITRO_V6_TRACKING.get()
        ) + " s";
        let subject =
            if by_default.len() == 1 { first.id.clone() } else { format!("{} instances", by_default.len()) };
        sheet.right(Name::ConnectionTracking, subject, found);
    } else {
        let sizes: std::collections::BTreeSet<&str> =
            by_default.iter().map(|machine| machine.size.as_str()).collect();
        let problem = format!(
            "connections may be silent for {silent}; interfaces of Nitro v6 instances forget them after 350 s, \
             others after 5 days (these are {})",
            list(sizes)
        );
        let fix = format!("proxy.ping_interval: {}", Seconds(300));
        let subject = list(by_default.iter().map(|machine| &machine.id));
        sheet.wrong(Name::ConnectionTracking, subject, finding(Severity::Note, problem, FORGOTTEN, fix));
    }
}

const FORGOTTEN: &str = "what is sent on a connection that was forgotten is dropped: both ends believe that the \
                         WebSocket is open, and nothing arrives";
