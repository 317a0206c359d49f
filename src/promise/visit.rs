//! The visitor's side: each listener, its TLS, its redirect, its paths, and what a WebSocket through it shows.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::account::Facts;
use super::cause::{Cause, Circumstances};
use super::place::Place;
use super::promised::{BehindIt, Door, Layer, Must, Promised, lowest_version};
use super::silence::{ended, held};
use super::{Name, Outcome, Run};
use crate::probe::likely::{NO_REDIRECT, OLD_TLS, PLAIN_LISTENER, SWALLOWED};
use crate::probe::{
    self, Finding, Options, Outcome as Probed, Problem, Report, StepName, Target, TrustError,
    accepted_versions,
};

/// A listener under test.
struct Visit<'a> {
    door: &'a Door,
    place: &'a Place,
    host: &'a str,
    address: SocketAddr,
    circumstances: Circumstances,
}

/// What a path showed.
enum Shown {
    /// A WebSocket opened, and what its first frame said.
    Websocket(Report),
    /// Something else answered, or nothing did.
    Other(Problem),
}

/// Checks every listener.
pub(super) async fn check(
    promised: &Promised,
    facts: &Facts,
    place: &Place,
    host: &str,
    hold: Option<Duration>,
    run: &mut Run<'_>,
) -> Result<(), TrustError> {
    // The silence is long; one WebSocket is enough for it.
    let mut to_hold = hold;
    for door in &promised.doors {
        let circumstances = Circumstances::of(door, facts);
        let Some(address) = listener(door, place, circumstances, run).await else { continue };
        let visit = Visit { door, place, host, address, circumstances };
        if door.secure && !visit.tls(run).await {
            continue;
        }
        if door.redirects {
            visit.redirect(run).await;
            continue;
        }
        let open = visit.paths(run).await?;
        visit.client_address(facts, open.as_ref(), run);
        if let (Some(path), Some(hold)) = (open.as_ref().map(|open| &open.path), to_hold.take()) {
            visit.hold(path, hold, promised.idle_timeout, run).await?;
        }
    }
    if let Some(hold) = to_hold {
        let seconds = hold.as_secs_f64();
        let reason = format!("no WebSocket opened that could be held for {seconds} s");
        run.push(Name::IdleTimeout, &"", Instant::now(), Outcome::Untested(reason));
    }
    Ok(())
}

/// Connects to every address of a listener, and returns the first.
async fn listener(
    door: &Door,
    place: &Place,
    circumstances: Circumstances,
    run: &mut Run<'_>,
) -> Option<SocketAddr> {
    let begun = Instant::now();
    let addresses = place.of(door.port);
    for address in addresses {
        if let Err(problem) = probe::connects(*address).await {
            run.push(Name::Listener, &door.port, begun, broken(&problem, circumstances));
            return None;
        }
    }
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let outcome = if list.is_empty() {
        Outcome::Broken {
            error: format!("the local AWS has no listener open for port {}", door.port),
            causes: vec![Cause::new(
                "the load balancer has no such listener, or something else has its port on this machine",
                "`elbws apply SPEC`; what `elbws local` says on stderr",
            )],
        }
    } else {
        Outcome::Kept(format!("{} takes connections", list.join(", ")))
    };
    run.push(Name::Listener, &door.port, begun, outcome);
    addresses.first().copied()
}

/// A WebSocket that opened.
struct Open {
    path: String,
    addresses: Vec<IpAddr>,
    names_client: Option<bool>,
}

impl Visit<'_> {
    fn target(&self, path: &str) -> Target {
        Target {
            secure: self.door.secure,
            host: self.host.to_owned(),
            // On this machine the ports of a local AWS are the visitors' too.
            port: self.address.port(),
            path: path.to_owned(),
        }
    }

    async fn probe(&self, path: &str, hold: Option<Duration>) -> Result<Report, TrustError> {
        let options = Options {
            target: self.target(path),
            resolve: Some((self.address.ip(), Some(self.address.port()))),
            trust: self.place.trust.clone(),
            hold,
            from_http: None,
            echo: None,
        };
        probe::probe(&options, |_| {}).await
    }

    /// Checks the versions of TLS, and says whether there is any.
    async fn tls(&self, run: &mut Run<'_>) -> bool {
        let begun = Instant::now();
        let policy = self.door.ssl_policy.as_deref().unwrap_or_default();
        let lowest = lowest_version(policy);
        let accepted = accepted_versions(self.address, self.host).await;
        let any = accepted.as_ref().is_ok_and(|accepted| !accepted.is_empty());
        let outcome = match accepted {
            Err(problem) => broken(&problem, self.circumstances),
            Ok(accepted) => match accepted.first() {
                None => Outcome::Broken {
                    error: "no version of TLS is accepted".to_owned(),
                    causes: self
                        .circumstances
                        .causes(&Problem::ClosedWithoutAnswer { to: "the TLS handshake" })
                        .into_iter()
                        .chain([PLAIN_LISTENER.into()])
                        .collect(),
                },
                Some(found) if *found < lowest => Outcome::Broken {
                    error: format!("{found} is accepted, and {policy} begins at {lowest}"),
                    causes: vec![Cause::new("the listener has another SSL policy", OLD_TLS.mend)],
                },
                Some(_) => {
                    let list: Vec<String> = accepted.iter().map(ToString::to_string).collect();
                    Outcome::Kept(format!("{} accepted; {policy} begins at {lowest}", list.join(", ")))
                }
            },
        };
        run.push(Name::TlsVersion, &self.door.port, begun, outcome);
        any
    }

    async fn redirect(&self, run: &mut Run<'_>) {
        let begun = Instant::now();
        let target = self.target("/");
        let outcome = match probe::redirects(self.address, &target, self.address.port()).await {
            Ok(Finding::Redirect { status, location }) => Outcome::Kept(format!("{status} to {location}")),
            Ok(_) => Outcome::Untested("the answer says nothing".to_owned()),
            Err(problem @ (Problem::NoRedirect { .. } | Problem::WrongRedirect { .. })) => {
                Outcome::Broken { error: problem.to_string(), causes: vec![NO_REDIRECT.into()] }
            }
            Err(problem) => broken(&problem, self.circumstances),
        };
        run.push(Name::Redirect, &self.door.port, begun, outcome);
    }

    /// Tries every path, and returns the first WebSocket that opened.
    async fn paths(&self, run: &mut Run<'_>) -> Result<Option<Open>, TrustError> {
        let mut open = None;
        let mut refusals = Vec::new();
        let mut all_answered = true;
        for (index, path) in self.door.paths.iter().enumerate() {
            let begun = Instant::now();
            let report = self.probe(&path.text, None).await?;
            if self.door.secure && index == 0 && !self.certificate(&report, begun, run) {
                return Ok(None);
            }
            let subject = format!("{} {}", &self.door.port, path.text);
            let outcome = match (shown(report), path.must) {
                (Shown::Websocket(report), _) => {
                    let (text, found) = welcome(&path.text, &report);
                    open.get_or_insert(found);
                    Outcome::Kept(text)
                }
                (Shown::Other(Problem::NotUpgraded { status, reason: None }), Must::BeAnswered)
                    if !matches!(status, 502..=504) =>
                {
                    let outcome = Outcome::Kept(format!("answered with {status}, and is no WebSocket"));
                    refusals.push(Problem::NotUpgraded { status, reason: None });
                    outcome
                }
                (Shown::Other(problem), _) => {
                    all_answered = false;
                    broken(&problem, self.circumstances)
                }
            };
            run.push(Name::Route, &subject, begun, outcome);
        }
        // A path that is broken has told why already.
        if open.is_none() && self.door.secure && all_answered {
            let outcome = self.no_websocket(&refusals);
            run.push(Name::Websocket, &self.door.port, Instant::now(), outcome);
        }
        Ok(open)
    }

    /// What it means that every path was answered, and none was a WebSocket.
    fn no_websocket(&self, refusals: &[Problem]) -> Outcome {
        let answers: Vec<String> = self
            .door
            .paths
            .iter()
            .zip(refusals)
            .map(|(path, problem)| format!("{}: {problem}", path.text))
            .collect();
        let mut causes: Vec<Cause> = Vec::new();
        if self.door.layer == Layer::Http {
            causes.push(SWALLOWED.into());
        } else if self.door.proxy == BehindIt::Other && answers_only(refusals, |status| status != 400) {
            // Something of the user's own answers, and where its WebSockets are nobody has said.
            return Outcome::Untested("no path is known to be a WebSocket's: name one by --path".to_owned());
        } else if let Some(problem) = refusals.first() {
            causes = self.circumstances.causes(problem);
        }
        let deeper = Cause::new("the WebSocket is below a route, not at it", "name its path by --path");
        causes.push(deeper);
        Outcome::Broken { error: format!("no WebSocket opens ({})", answers.join("; ")), causes }
    }

    /// Checks the certificate that a probe met, and says whether there is one.
    fn certificate(&self, report: &Report, begun: Instant, run: &mut Run<'_>) -> bool {
        let step = report.steps.iter().find(|step| step.name == StepName::Tls);
        let outcome = match step.map(|step| &step.outcome) {
            Some(Probed::Passed(Finding::Tls { names, issuer, expires, days_left, .. })) => {
                let names = names.join(", ");
                let until = expires.date();
                Outcome::Kept(format!("for {names} by {issuer}, until {until} ({days_left} days left)"))
            }
            Some(Probed::Failed(problem)) => broken(problem, self.circumstances),
            Some(Probed::Passed(_) | Probed::Skipped(_)) | None => match report.failure() {
                Some(problem) => broken(problem, self.circumstances),
                None => Outcome::Untested("there was no handshake".to_owned()),
            },
        };
        let kept = matches!(outcome, Outcome::Kept(_));
        run.push(Name::Certificate, &self.door.port, begun, outcome);
        kept
    }

    /// Checks who the application takes the visitor for.
    fn client_address(&self, facts: &Facts, open: Option<&Open>, run: &mut Run<'_>) {
        let port = self.door.instance_port;
        let sends = facts.sends_header(port);
        let outcome = if sends != self.door.header && self.door.layer == Layer::Stream {
            let (error, verb) = if sends {
                (format!("the load balancer sends a PROXY header to instance port {port}"), "disable")
            } else {
                (format!("the load balancer sends no PROXY header to instance port {port}"), "enable")
            };
            let name = &facts.balancer.name;
            let by_hand = format!("elbws {verb}-proxy-protocol --load-balancer {name} --port {port}");
            let mend = format!("`elbws apply SPEC`, or `{by_hand}`");
            let causes = vec![Cause::new("the policy is not as load_balancer.proxy_protocol says", mend)];
            Outcome::Broken { error, causes }
        } else if !self.door.header {
            return;
        } else {
            match open {
                Some(open) => self.seen(open),
                None => Outcome::Untested("no WebSocket opened that could show it".to_owned()),
            }
        };
        run.push(Name::ClientAddress, &self.door.port, Instant::now(), outcome);
    }

    fn seen(&self, open: &Open) -> Outcome {
        let list: Vec<String> = open.addresses.iter().map(ToString::to_string).collect();
        let list = list.join(", ");
        match (open.names_client, self.door.proxy) {
            (Some(true), _) => Outcome::Kept(format!("{} names this client's address, {list}", open.path)),
            (Some(false), _) if open.addresses.iter().any(is_public) => Outcome::Untested(format!(
                "{} names {list}, which may be this client behind its NAT",
                open.path
            )),
            (Some(false), _) => Outcome::Broken {
                error: format!("{} names {list}, which is not this client", open.path),
                causes: vec![Cause::new(
                    "what runs on the instances does not read the PROXY header, or the application does not read X-Forwarded-For",
                    "proxy.accept: v1 on the instances; the application takes the right-most address of X-Forwarded-For",
                )],
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

    async fn hold(
        &self,
        path: &str,
        hold: Duration,
        idle_timeout: u32,
        run: &mut Run<'_>,
    ) -> Result<(), TrustError> {
        let begun = Instant::now();
        let report = self.probe(path, Some(hold)).await?;
        let step = report.steps.into_iter().find(|step| step.name == StepName::Hold);
        let outcome = match step.map(|step| step.outcome) {
            Some(Probed::Passed(Finding::Hold { frames, .. })) => held(hold, frames, idle_timeout),
            Some(Probed::Failed(Problem::HoldEnded { seconds, code: None })) => ended(seconds, idle_timeout),
            Some(Probed::Failed(problem)) => broken(&problem, self.circumstances),
            Some(Probed::Passed(_) | Probed::Skipped(_)) | None => {
                Outcome::Untested("the WebSocket did not open again".to_owned())
            }
        };
        run.push(Name::IdleTimeout, &format!("{} {path}", self.door.port), begun, outcome);
        Ok(())
    }
}

fn answers_only(refusals: &[Problem], fits: impl Fn(u16) -> bool) -> bool {
    refusals.iter().all(|problem| matches!(problem, Problem::NotUpgraded { status, .. } if fits(*status)))
}

fn shown(report: Report) -> Shown {
    match report.failure() {
        None => Shown::Websocket(report),
        Some(problem) => Shown::Other(problem.clone()),
    }
}

fn welcome(path: &str, report: &Report) -> (String, Open) {
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
    (text, Open { path: path.to_owned(), addresses, names_client })
}

fn broken(problem: &Problem, circumstances: Circumstances) -> Outcome {
    Outcome::Broken { error: problem.to_string(), causes: circumstances.causes(problem) }
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
