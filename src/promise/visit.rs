//! The visitor's side: each listener, its redirect and its paths.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::account::Facts;
use super::cause::{Cause, Circumstances};
use super::place::Place;
use super::promised::{Backend, BehindIt, Door, Layer, Must, Path, Redirector};
use super::websocket::{Open, welcome};
use super::{Name, Outcome, Run};
use crate::probe::likely::{NO_REDIRECT, SWALLOWED};
use crate::probe::{self, Finding, Options, Problem, Report, Target, TrustError};

/// What a visit is held against, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) facts: &'a Facts,
    pub(super) place: &'a Place,
    /// The name to ask for.
    pub(super) host: &'a str,
    /// The names of additional certificates.
    pub(super) more_hosts: &'a [String],
}

/// A listener under test.
pub(super) struct Visit<'a> {
    pub(super) door: &'a Door,
    pub(super) scene: Scene<'a>,
    pub(super) address: SocketAddr,
    pub(super) circumstances: Circumstances,
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
    doors: &[Door],
    scene: Scene<'_>,
    hold: Option<Duration>,
    run: &mut Run<'_>,
) -> Result<(), TrustError> {
    // The silence is long; one WebSocket is enough for it.
    let mut to_hold = hold;
    for door in doors {
        let circumstances = Circumstances::of(door, &door.backend, scene.facts);
        let Some(address) = listener(door, scene, circumstances, run).await else { continue };
        let visit = Visit { door, scene, address, circumstances };
        if door.secure && !(visit.versions(run).await && visit.certificates(run).await?) {
            continue;
        }
        if let Some(redirector) = door.redirects {
            visit.redirect(redirector, run).await;
        }
        if door.paths.is_empty() {
            continue;
        }
        let open = visit.paths(run).await?;
        visit.client_address(open.as_ref(), run);
        if let (Some(open), Some(hold)) = (&open, to_hold.take_if(|_| open.is_some())) {
            visit.hold(open, hold, run).await?;
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
    scene: Scene<'_>,
    circumstances: Circumstances,
    run: &mut Run<'_>,
) -> Option<SocketAddr> {
    let begun = Instant::now();
    let addresses = scene.place.of(door.port);
    let missing = !scene.facts.has_listener(door.port);
    let no_listener = || {
        vec![Cause::new(
            format!("the load balancer has no listener on port {}", door.port),
            "load_balancer.listeners, then `elbws apply SPEC`",
        )]
    };
    for address in addresses {
        if let Err(problem) = probe::connects(*address).await {
            let causes = if missing { no_listener() } else { circumstances.causes(&problem) };
            let outcome = Outcome::Broken { error: problem.to_string(), causes };
            run.push(Name::Listener, &door.port, begun, outcome);
            return None;
        }
    }
    let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let outcome = if list.is_empty() {
        let elsewhere = || {
            vec![Cause::new(
                "something else has its port on this machine",
                "what `elbws local` says on stderr; another --port-offset",
            )]
        };
        Outcome::Broken {
            error: format!("the local AWS has no listener open for port {}", door.port),
            causes: if missing { no_listener() } else { elsewhere() },
        }
    } else {
        Outcome::Kept(format!("{} takes connections", list.join(", ")))
    };
    run.push(Name::Listener, &door.port, begun, outcome);
    addresses.first().copied()
}

impl Visit<'_> {
    fn target(&self, path: &str, host: Option<&str>) -> Target {
        Target {
            secure: self.door.secure,
            host: host.unwrap_or(self.scene.host).to_owned(),
            // On this machine the ports of a local AWS are the visitors' too.
            port: self.address.port(),
            path: path.to_owned(),
        }
    }

    pub(super) async fn probe(
        &self,
        path: &str,
        host: Option<&str>,
        hold: Option<Duration>,
    ) -> Result<Report, TrustError> {
        let options = Options {
            target: self.target(path, host),
            resolve: Some((self.address.ip(), Some(self.address.port()))),
            trust: self.scene.place.trust.clone(),
            hold,
            from_http: None,
            echo: None,
        };
        probe::probe(&options, |_| {}).await
    }

    async fn redirect(&self, redirector: Redirector, run: &mut Run<'_>) {
        let begun = Instant::now();
        let target = self.target("/", None);
        let outcome = match probe::redirects(self.address, &target, self.address.port()).await {
            Ok(Finding::Redirect { status, location }) => Outcome::Kept(format!("{status} to {location}")),
            Ok(_) => Outcome::Untested("the answer says nothing".to_owned()),
            Err(problem @ (Problem::NoRedirect { .. } | Problem::WrongRedirect { .. })) => {
                let cause = match redirector {
                    Redirector::Proxy => NO_REDIRECT.into(),
                    Redirector::LoadBalancer => Cause::new(
                        "the listener does something else than to redirect",
                        "load_balancer.listeners[].default_action: { redirect: https }, then `elbws apply SPEC`",
                    ),
                };
                Outcome::Broken { error: problem.to_string(), causes: vec![cause] }
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
        for path in &self.door.paths {
            let begun = Instant::now();
            let report = self.probe(&path.text, path.host.as_deref(), None).await?;
            let outcome = match (shown(report), path.must) {
                (Shown::Websocket(report), Must::Open | Must::BeAnswered) => {
                    let (text, found) = welcome(path, &report);
                    open.get_or_insert(found);
                    Outcome::Kept(text)
                }
                (Shown::Websocket(_), Must::Say(status)) => Outcome::Broken {
                    error: format!("a WebSocket opens, and the listener is to answer {status}"),
                    causes: vec![self.other_action()],
                },
                (Shown::Other(Problem::NotUpgraded { status, .. }), Must::Say(promised))
                    if status == promised =>
                {
                    Outcome::Kept(format!("the load balancer answers {status}"))
                }
                (Shown::Other(problem @ Problem::NotUpgraded { .. }), Must::Say(_)) => {
                    Outcome::Broken { error: problem.to_string(), causes: vec![self.other_action()] }
                }
                (Shown::Other(Problem::NotUpgraded { status, reason: None }), Must::BeAnswered)
                    if !is_the_load_balancers(status) =>
                {
                    let outcome = Outcome::Kept(format!("answered with {status}, and is no WebSocket"));
                    refusals.push((path, Problem::NotUpgraded { status, reason: None }));
                    outcome
                }
                (Shown::Other(problem), _) => {
                    all_answered = false;
                    broken(&problem, self.behind(&path.backend))
                }
            };
            run.push(Name::Route, &self.subject(path), begun, outcome);
        }
        // A path that is broken has told why already; without TLS nobody expects a WebSocket.
        if open.is_none() && self.door.secure && all_answered && !refusals.is_empty() {
            let outcome = self.no_websocket(&refusals);
            run.push(Name::Websocket, &self.door.port, Instant::now(), outcome);
        }
        Ok(open)
    }

    fn subject(&self, path: &Path) -> String {
        let host = path.host.as_deref().unwrap_or_default();
        format!("{} {host}{}", self.door.port, path.text)
    }

    fn behind(&self, backend: &Backend) -> Circumstances {
        Circumstances::of(self.door, backend, self.scene.facts)
    }

    fn other_action(&self) -> Cause {
        let port = self.door.port;
        Cause::new(
            format!("the rules or the default action of listener {port} are not those of the spec"),
            "`elbws apply SPEC`; `elbws status SPEC` shows those that there are",
        )
    }

    /// What it means that every path was answered, and none was a WebSocket.
    fn no_websocket(&self, refusals: &[(&Path, Problem)]) -> Outcome {
        let answers: Vec<String> =
            refusals.iter().map(|(path, problem)| format!("{}: {problem}", path.text)).collect();
        let mut causes: Vec<Cause> = Vec::new();
        if self.door.layer == Layer::Http {
            causes.push(SWALLOWED.into());
        } else if refusals.iter().all(|(path, _)| path.backend.proxy == BehindIt::Other)
            && answers_only(refusals, |status| status != 400)
        {
            // Something of the user's own answers, and where its WebSockets are nobody has said.
            return Outcome::Untested("no path is known to be a WebSocket's: name one by --path".to_owned());
        } else if let Some((path, problem)) = refusals.first() {
            causes = self.behind(&path.backend).causes(problem);
        }
        let deeper = Cause::new("the WebSocket is below a route, not at it", "name its path by --path");
        causes.push(deeper);
        Outcome::Broken { error: format!("no WebSocket opens ({})", answers.join("; ")), causes }
    }
}

/// Whether a status is the load balancer's or the proxy's way to say that nobody answers.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>
fn is_the_load_balancers(status: u16) -> bool {
    matches!(status, 460..=464 | 502..=504 | 561)
}

fn answers_only(refusals: &[(&Path, Problem)], fits: impl Fn(u16) -> bool) -> bool {
    let fits = |problem: &Problem| matches!(problem, Problem::NotUpgraded { status, .. } if fits(*status));
    refusals.iter().all(|(_, problem)| fits(problem))
}

fn shown(report: Report) -> Shown {
    match report.failure() {
        None => Shown::Websocket(report),
        Some(problem) => Shown::Other(problem.clone()),
    }
}

pub(super) fn broken(problem: &Problem, circumstances: Circumstances) -> Outcome {
    Outcome::Broken { error: problem.to_string(), causes: circumstances.causes(problem) }
}
