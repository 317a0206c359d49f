//! The whole way from a visitor to the proxy, examined in AWS: `elbws doctor SPEC`.
//!
//! Owns what is checked, what is said of it and the fix. [`examine`] reads, all else is pure over what was read. It
//! changes nothing, and asks no visitor's questions: those are `promise`'s.

mod acl;
mod certificates;
mod dns;
mod facts;
mod header;
mod instances;
mod leaving;
mod live;
mod place;
mod rules;
mod sheet;
mod systems_manager;
mod targets;
mod timeouts;

use serde::Serialize;

use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::{LoadBalancerType, Stack};
use crate::provision::spec::Spec;

use self::facts::Facts;
use self::sheet::Sheet;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// The load balancer exists and serves.
    LoadBalancer,
    /// AWS has what the spec describes.
    Spec,
    /// A listener of the spec is there, and carries WebSockets.
    Listener,
    /// Pings come before the load balancer's idle timeout.
    PingInterval,
    /// The load balancer's idle timeout is the spec's.
    IdleTimeout,
    /// The proxy outlasts the load balancer's idle timeout with its tunnels.
    TunnelIdle,
    /// The proxy outlasts it with its kept connections.
    KeepAlive,
    /// The proxy gives up on an answer before the load balancer does.
    RequestTimeout,
    /// A target that leaves keeps its connections for as long as the proxy drains.
    Draining,
    /// What the health check asks for answers.
    HealthCheck,
    /// An instance's interface remembers silent connections for long enough.
    ConnectionTracking,
    /// The load balancer's groups admit visitors.
    Ingress,
    /// They let it reach the instances.
    Egress,
    /// An instance's groups admit the load balancer.
    Admission,
    /// The network ACLs let all of it through.
    NetworkAcl,
    /// A subnet has room for the load balancer's nodes.
    FreeAddresses,
    /// A subnet leads to and from the internet.
    InternetRoute,
    /// What is sent before a connection is what the proxy expects.
    ProxyHeader,
    /// A certificate covers the names that visitors ask for.
    CertificateName,
    /// A certificate is in force, and will be.
    CertificateExpiry,
    /// An instance is there to serve.
    Instance,
    /// An instance's metadata service answers.
    Metadata,
    /// Systems Manager reaches an instance.
    SystemsManager,
    /// A zone of the load balancer's has who serves.
    Zone,
    /// A target is in service.
    Target,
    /// The DNS record leads to the load balancer.
    Dns,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// It works, and will not always.
    Warning,
    /// Visitors are turned away, or cut off.
    Error,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, with the values found.
    pub problem: String,
    /// What that does to a WebSocket.
    pub why: String,
    /// The line of the spec or the command that mends it.
    pub fix: String,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is right, and what was found.
    Right(String),
    /// It is not.
    Wrong(Finding),
    /// It could not be looked at, and why.
    Unchecked(String),
}

/// A check of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: Name,
    /// Of what: an instance, a listener's port, a subnet.
    pub subject: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// All that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The stack.
    pub stack: String,
    /// The load balancer's name.
    pub load_balancer: String,
    /// What kind it is by the spec.
    pub kind: LoadBalancerType,
    /// The name that it answers at, if it exists.
    pub dns_name: Option<String>,
    /// The checks, in the order of the way.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Returns the findings, in the order of the way.
    pub fn findings(&self) -> impl Iterator<Item = (&Check, &Finding)> {
        self.checks.iter().filter_map(|check| match &check.outcome {
            Outcome::Wrong(finding) => Some((check, finding)),
            Outcome::Right(_) | Outcome::Unchecked(_) => None,
        })
    }

    /// Returns how many findings are so bad.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings().filter(|(_, finding)| finding.severity == severity).count()
    }

    /// Says whether no finding is an error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Error) == 0
    }
}

/// Reads what there is of a stack, and examines it.
pub async fn examine(clients: &Clients, spec: &Spec, stack: &Stack) -> Result<Diagnosis, AwsError> {
    let facts = Box::pin(Facts::read(clients, stack)).await?;
    Ok(diagnose(spec, stack, &facts))
}

fn diagnose(spec: &Spec, stack: &Stack, facts: &Facts) -> Diagnosis {
    let mut sheet = Sheet::default();
    place::load_balancer(stack, facts, &mut sheet);
    instances::selected(spec, facts, &mut sheet);
    if let Some(live) = &facts.live {
        header::listeners(stack, live, &mut sheet);
        timeouts::check(spec, stack, live, facts, &mut sheet);
        leaving::check(spec, stack, live, &mut sheet);
        rules::check(stack, live, facts, &mut sheet);
        acl::check(stack, live, facts, &mut sheet);
        place::subnets(live, facts, &mut sheet);
        header::check(spec, stack, live, &mut sheet);
        certificates::check(spec, live, facts, &mut sheet);
        instances::check(spec, live, facts, &mut sheet);
        targets::check(live, facts, &mut sheet);
        dns::check(spec, live, facts, &mut sheet);
    }
    systems_manager::check(stack, facts, &mut sheet);
    Diagnosis {
        stack: stack.name.clone(),
        load_balancer: stack.load_balancer.name().to_owned(),
        kind: stack.load_balancer.kind(),
        dns_name: facts.live.as_ref().map(|live| live.dns_name.clone()),
        checks: sheet.checks,
    }
}
