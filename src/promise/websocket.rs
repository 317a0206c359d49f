//! What an open WebSocket shows: who the application takes the visitor for, and what silence does to it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::cause::Cause;
use super::promised::{BehindIt, Layer, Path, Tells, To};
use super::silence::{ended, held};
use super::visit::{Visit, broken};
use super::{Name, Outcome, Run};
use crate::probe::{Finding, Outcome as Probed, Problem, Report, StepName, TrustError};
use crate::provision::resource::LoadBalancerType;

/// A WebSocket that opened.
pub(super) struct Open {
    path: String,
    host: Option<String>,
    addresses: Vec<IpAddr>,
    names_client: Option<bool>,
}

impl Visit<'_> {
    /// Checks who the application takes the visitor for.
    pub(super) fn client_address(&self, open: Option<&Open>, run: &mut Run<'_>) {
        let outcome = match (self.other_header(), self.door.tells, open) {
            (Some(broken), ..) => broken,
            (None, Tells::Nothing, _) => return,
            (None, _, Some(open)) => self.seen(open),
            (None, ..) => Outcome::Untested("no WebSocket opened that could show it".to_owned()),
        };
        run.push(Name::ClientAddress, &self.door.port, Instant::now(), outcome);
    }

    /// What is to be said if the load balancer does not do with the PROXY header what the spec says.
    fn other_header(&self) -> Option<Outcome> {
        let facts = self.scene.facts;
        let sends = facts.sends_header(&self.door.backend.to);
        let promised = self.door.tells == Tells::Header;
        if sends == promised || self.door.layer != Layer::Stream {
            return None;
        }
        let what = if sends { "a" } else { "no" };
        let (to, cause) = match &self.door.backend.to {
            To::Port(port) => {
                let verb = if sends { "disable" } else { "enable" };
                let by_hand =
                    format!("elbws {verb}-proxy-protocol --load-balancer {} --port {port}", facts.name);
                let cause = Cause::new(
                    "the policy is not as load_balancer.proxy_protocol says",
                    format!("`elbws apply SPEC`, or `{by_hand}`"),
                );
                (format!("instance port {port}"), cause)
            }
            To::Groups(groups) => {
                let names: Vec<&str> = groups.iter().map(String::as_str).collect();
                let cause = Cause::new(
                    "the attribute proxy_protocol_v2.enabled is not as load_balancer.proxy_protocol says",
                    "`elbws apply SPEC`",
                );
                (format!("target group {}", names.join(", ")), cause)
            }
        };
        let error = format!("the load balancer sends {what} PROXY header to {to}");
        Some(Outcome::Broken { error, causes: vec![cause] })
    }

    fn seen(&self, open: &Open) -> Outcome {
        let list: Vec<String> = open.addresses.iter().map(ToString::to_string).collect();
        let list = list.join(", ");
        match (open.names_client, self.door.backend.proxy) {
            (Some(true), _) => Outcome::Kept(format!("{} names this client's address, {list}", open.path)),
            (Some(false), _) if open.addresses.iter().any(is_public) => Outcome::Untested(format!(
                "{} names {list}, which may be this client behind its NAT",
                open.path
            )),
            (Some(false), _) => Outcome::Broken {
                error: format!("{} names {list}, which is not this client", open.path),
                causes: vec![self.unread()],
            },
            (None, BehindIt::DemandingProxy) => Outcome::Kept(
                "the proxy, which demands a PROXY header, let it in; the application names no address"
                    .to_owned(),
            ),
            (None, BehindIt::PlainProxy | BehindIt::Other) => {
                Outcome::Untested("the application names no address".to_owned())
            }
        }
    }

    /// Why an application does not see the visitor's address.
    fn unread(&self) -> Cause {
        let application = "the application takes the right-most address of X-Forwarded-For";
        match self.door.tells {
            Tells::Header => {
                let version = if self.scene.facts.kind == LoadBalancerType::Classic { "v1" } else { "v2" };
                Cause::new(
                    "what runs on the instances does not read the PROXY header, or the application does not read X-Forwarded-For",
                    format!("proxy.accept: {version} on the instances; {application}"),
                )
            }
            Tells::Forwarded => Cause::new(
                "the proxy does not trust the load balancer, or the application does not read X-Forwarded-For",
                format!("proxy.trusted has the addresses of the load balancer's subnets; {application}"),
            ),
            Tells::Packets | Tells::Nothing => Cause::new(
                "the packets do not have the visitor's address, or the application does not read it",
                "load_balancer.preserve_client_ip, or proxy_protocol in its place",
            ),
        }
    }

    pub(super) async fn hold(
        &self,
        open: &Open,
        hold: Duration,
        run: &mut Run<'_>,
    ) -> Result<(), TrustError> {
        let begun = Instant::now();
        let idle_timeout = self.door.idle_timeout;
        let report = self.probe(&open.path, open.host.as_deref(), Some(hold)).await?;
        let step = report.steps.into_iter().find(|step| step.name == StepName::Hold);
        let outcome = match step.map(|step| step.outcome) {
            Some(Probed::Passed(Finding::Hold { frames, .. })) => held(hold, frames, idle_timeout),
            Some(Probed::Failed(Problem::HoldEnded { seconds, code: None })) => ended(seconds, idle_timeout),
            Some(Probed::Failed(problem)) => broken(&problem, self.circumstances),
            Some(Probed::Passed(_) | Probed::Skipped(_)) | None => {
                Outcome::Untested("the WebSocket did not open again".to_owned())
            }
        };
        run.push(Name::IdleTimeout, &format!("{} {}", self.door.port, open.path), begun, outcome);
        Ok(())
    }
}

pub(super) fn welcome(path: &Path, report: &Report) -> (String, Open) {
    let frame = report.steps.iter().find_map(|step| match &step.outcome {
        Probed::Passed(Finding::Frame { kind, bytes, addresses, names_client }) => {
            Some((*kind, *bytes, addresses.clone(), *names_client))
        }
        Probed::Passed(_) | Probed::Failed(_) | Probed::Skipped(_) => None,
    });
    let text = match &frame {
        Some(("pong", ..)) => "a WebSocket opens and answers a ping".to_owned(),
        Some((kind, bytes, ..)) => {
            format!("a WebSocket opens; the server's first frame: {kind}, {bytes} bytes")
        }
        None => "a WebSocket opens".to_owned(),
    };
    let (addresses, names_client) =
        frame.map_or((Vec::new(), None), |(_, _, addresses, names_client)| (addresses, names_client));
    (text, Open { path: path.text.clone(), host: path.host.clone(), addresses, names_client })
}

/// Whether an address may be that of a client as the internet sees it.
fn is_public(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is shared among the customers of a carrier (RFC 6598).
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_told_from_private_ones() {
        for (address, public) in [
            ("203.0.113.9", true),
            ("10.0.0.1", false),
            ("127.65.3.4", false),
            ("100.64.0.1", false),
            ("100.128.0.1", true),
            ("2600::1", true),
            ("fd00::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_public(&address.parse().unwrap()), public, "{address}");
        }
    }
}
