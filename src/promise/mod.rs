//! What a spec promises, held against what a visitor meets: `elbws probe SPEC`.
//!
//! Owns the promises, how each is put to the test, and the cause of one that is broken: the visitor's side comes
//! from the probe, and AWS's own side narrows the causes down. It changes nothing.

mod account;
mod cause;
mod place;
mod promised;
mod silence;
mod tls;
mod visit;
mod websocket;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use cause::Cause;

use self::account::Facts;
use self::place::Place;
use crate::local::client::{CallError, Client};
use crate::probe::{Trust, TrustError};
use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::{LoadBalancerType, Stack};
use crate::provision::spec::Spec;

/// How to put a stack to the test.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where the load balancer is, in place of where its name leads.
    pub resolve: Option<IpAddr>,
    /// Whose certificates are trusted; by default this machine's authorities, and of a local AWS its own.
    pub trust: Option<Trust>,
    /// The name to ask for; by default the certificate's.
    pub host: Option<String>,
    /// Paths at which WebSockets must open; by default those of the spec's routes are tried.
    pub paths: Vec<String>,
    /// How long to hold a WebSocket in silence.
    pub hold: Option<Duration>,
    /// The local AWS that the clients call, if they do.
    pub local: Option<Client>,
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// AWS has what the spec describes.
    Stack,
    /// Instances are in service, or the targets of a group healthy.
    Targets,
    /// The DNS record leads to the load balancer.
    Record,
    /// A listener takes connections.
    Listener,
    /// A listener's TLS is no older than its policy says.
    TlsVersion,
    /// A listener's certificate is for the domain and in force.
    Certificate,
    /// Plain http leads to https.
    Redirect,
    /// A path is answered.
    Route,
    /// A WebSocket opens.
    Websocket,
    /// The application sees the visitor's own address.
    ClientAddress,
    /// Silence ends a connection when the spec says so, and not before.
    IdleTimeout,
}

/// A promise, and how it stands.
#[derive(Debug, Clone)]
pub struct Check {
    /// What is promised.
    pub name: Name,
    /// Of what: a listener's port, a listener's port and a path, a target group, a domain.
    pub subject: String,
    /// How long it took to find out.
    pub elapsed: Duration,
    /// How it stands.
    pub outcome: Outcome,
}

/// How a promise stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is kept, and what shows it.
    Kept(String),
    /// It is broken.
    Broken {
        /// What was met in its place.
        error: String,
        /// What causes that, the likeliest first.
        causes: Vec<Cause>,
    },
    /// Nothing shows whether it is kept, and why.
    Untested(String),
}

/// How all promises of a spec stand.
#[derive(Debug, Clone)]
pub struct Report {
    /// The stack.
    pub stack: String,
    /// The load balancer's name.
    pub load_balancer: String,
    /// Its type.
    pub kind: LoadBalancerType,
    /// The name that it answers at.
    pub dns_name: String,
    /// The name that was asked for.
    pub host: String,
    /// Every promise, in the order in which they were tested.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether no promise is broken.
    #[must_use]
    pub fn kept(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Broken { .. }))
    }
}

/// Why promises cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum PromiseError {
    /// AWS cannot be read.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The load balancer does not exist.
    #[error("load balancer {name} does not exist in {region}")]
    NoLoadBalancer {
        /// Its name.
        name: String,
        /// The region.
        region: String,
    },
    /// The local AWS does not say where its load balancers are.
    #[error(transparent)]
    Local(#[from] CallError),
    /// The load balancer cannot be found.
    #[error("{dns_name} does not resolve")]
    Dns {
        /// The name.
        dns_name: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// There is nobody to trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Tests what `spec`, whose desired form is `stack`, promises, and tells of each promise once it stands.
pub async fn check(
    clients: &Clients,
    spec: &Spec,
    stack: &Stack,
    options: &Options,
    tell: &mut dyn FnMut(&Check),
) -> Result<Report, PromiseError> {
    let begun = Instant::now();
    let doors = promised::doors(spec, &options.paths);
    let facts = Facts::read(clients, stack).await?;
    let place = Place::find(&facts.dns_name, &doors, options).await?;
    let host = options.host.clone().unwrap_or_else(|| facts.host(stack));
    let mut run = Run { checks: Vec::new(), tell };
    facts.check(stack, begun, &mut run);
    let scene = visit::Scene {
        facts: &facts,
        place: &place,
        host: &host,
        more_hosts: &facts.additional_hosts(stack),
    };
    visit::check(&doors, scene, options.hold, &mut run).await?;
    Ok(Report {
        stack: stack.name.clone(),
        load_balancer: facts.name.clone(),
        kind: facts.kind,
        dns_name: facts.dns_name.clone(),
        host,
        checks: run.checks,
    })
}

/// The checks so far.
struct Run<'a> {
    checks: Vec<Check>,
    tell: &'a mut dyn FnMut(&Check),
}

impl Run<'_> {
    fn push(&mut self, name: Name, subject: &dyn ToString, begun: Instant, outcome: Outcome) {
        let check = Check { name, subject: subject.to_string(), elapsed: begun.elapsed(), outcome };
        (self.tell)(&check);
        self.checks.push(check);
    }
}
