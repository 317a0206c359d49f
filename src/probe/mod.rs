//! The probe: DNS → TCP → TLS → redirect → upgrade → first frame → idle hold → close, as a user's client would.
//!
//! Owns the steps, their results and the likely causes of failures, as data; rendering them is `report`'s.
//! It knows nothing of AWS's APIs: it sees what a visitor sees.

mod address;
mod addresses_in;
pub(crate) mod likely;
mod outcome;
mod request;
mod session;
mod target;
mod tls;
mod versions;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

pub use likely::{Likely, likely};
pub use outcome::{Finding, Outcome, Problem, Report, Step, StepName};
pub use target::{Target, TargetError};
pub use tls::{Trust, TrustError};
pub use versions::{TlsVersion, accepted_versions};

use self::request::Link;

/// How long a step may wait for the other side.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to probe, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The WebSocket's URL.
    pub target: Target,
    /// Where to connect to instead of where the name leads, on the URL's port unless one is given.
    pub resolve: Option<(IpAddr, Option<u16>)>,
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// How long to hold the WebSocket without sending anything; not at all by default.
    pub hold: Option<Duration>,
    /// The port of plain http that must redirect to https; not tried by default.
    pub from_http: Option<u16>,
    /// A text to send, which the server must send back.
    pub echo: Option<String>,
}

/// Probes, and tells of each step as it ends.
pub async fn probe(options: &Options, mut tell: impl FnMut(&Step)) -> Result<Report, TrustError> {
    let roots = tls::roots(&options.trust)?;
    let mut run = Run { steps: Vec::new(), tell: &mut tell };
    // The steps lead from one to the next, the redirect aside; one that fails ends it, and says so in its own result.
    let _ = steps(options, roots, &mut run).await;
    for name in StepName::ALL {
        if run.steps.iter().all(|step| step.name != name) {
            run.push(Step {
                name,
                elapsed: Duration::ZERO,
                outcome: Outcome::Skipped(skipped(options, name)),
            });
        }
    }
    let url = options.target.to_string();
    Ok(Report { url, steps: run.steps })
}

/// Why a step was not run.
fn skipped(options: &Options, name: StepName) -> &'static str {
    match name {
        StepName::Tls if !options.target.secure => "the URL has no TLS",
        StepName::Redirect if options.from_http.is_none() => "not asked for",
        StepName::Hold if options.hold.is_none() => "not asked for",
        _ => "not reached",
    }
}

struct Run<'a> {
    steps: Vec<Step>,
    tell: &'a mut dyn FnMut(&Step),
}

impl Run<'_> {
    /// Takes down how a step went, and returns what it made if it passed.
    fn take<T>(
        &mut self,
        name: StepName,
        start: Instant,
        result: Result<(Finding, T), Problem>,
    ) -> Option<T> {
        let (outcome, made) = match result {
            Ok((finding, made)) => (Outcome::Passed(finding), Some(made)),
            Err(problem) => (Outcome::Failed(problem), None),
        };
        self.push(Step { name, elapsed: start.elapsed(), outcome });
        made
    }

    fn skip(&mut self, name: StepName, reason: &'static str) {
        self.push(Step { name, elapsed: Duration::ZERO, outcome: Outcome::Skipped(reason) });
    }

    fn push(&mut self, step: Step) {
        (self.tell)(&step);
        self.steps.push(step);
    }
}

async fn steps(options: &Options, roots: rustls::RootCertStore, run: &mut Run<'_>) -> Option<()> {
    let target = &options.target;
    let start = Instant::now();
    let addresses = address::look_up(target, options.resolve).await;
    let addresses = run.take(StepName::Dns, start, addresses)?;

    let start = Instant::now();
    let stream = address::connect(&addresses).await;
    let stream = run.take(StepName::Tcp, start, stream)?;
    let (own, peer) = (stream.local_addr().ok(), stream.peer_addr().ok());

    let link = if target.secure {
        let start = Instant::now();
        let stream = tls::handshake(stream, &target.host, roots).await;
        Link::Tls(Box::new(run.take(StepName::Tls, start, stream)?))
    } else {
        run.skip(StepName::Tls, skipped(options, StepName::Tls));
        Link::Plain(stream)
    };

    if let (Some(port), Some(peer)) = (options.from_http, peer) {
        let start = Instant::now();
        let redirect = redirects(SocketAddr::new(peer.ip(), port), target, port).await;
        let redirect = redirect.map(|finding| (finding, ()));
        // Whoever has the https URL does not need it.
        let _ = run.take(StepName::Redirect, start, redirect);
    } else {
        run.skip(StepName::Redirect, skipped(options, StepName::Redirect));
    }

    let start = Instant::now();
    let socket = request::upgrade(link, target).await;
    let mut socket = run.take(StepName::Upgrade, start, socket)?;

    let start = Instant::now();
    let frame = session::first_frame(&mut socket, options.echo.as_deref(), own.map(|own| own.ip())).await;
    run.take(StepName::Frame, start, frame)?;

    if let Some(hold) = options.hold {
        let start = Instant::now();
        let held = session::hold(&mut socket, hold).await;
        run.take(StepName::Hold, start, held)?;
    } else {
        run.skip(StepName::Hold, skipped(options, StepName::Hold));
    }

    let start = Instant::now();
    let closed = session::close(&mut socket).await;
    run.take(StepName::Close, start, closed)
}

/// Asks for the target's path by plain http at `address`, whose port visitors know as `port`, and checks that it
/// leads to https of the same host.
pub async fn redirects(address: SocketAddr, target: &Target, port: u16) -> Result<Finding, Problem> {
    let stream: TcpStream = address::connect(&[address]).await?.1;
    request::redirect(stream, target, port).await.map(|(finding, ())| finding)
}

/// Shakes hands at `address` as a client of `host` does, and reads the certificate.
pub async fn certificate(
    address: SocketAddr,
    host: &str,
    trust: &Trust,
) -> Result<Result<Finding, Problem>, TrustError> {
    let roots = tls::roots(trust)?;
    let stream = match address::connect(&[address]).await {
        Ok((_, stream)) => stream,
        Err(problem) => return Ok(Err(problem)),
    };
    Ok(tls::handshake(stream, host, roots).await.map(|(finding, _)| finding))
}

/// Connects to an address.
pub async fn connects(address: SocketAddr) -> Result<(), Problem> {
    address::connect(&[address]).await.map(drop)
}
