//! One request: which rule takes it, what the target says, and what the load balancer says itself.

use std::io;
use std::sync::PoisonError;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, TE, USER_AGENT};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use time::OffsetDateTime;
use tokio::time::Instant;

use super::answer::{self, Failure};
use super::condition::Subject;
use super::desync::{Finding, Treatment};
use super::redirect::{Asked, location};
use super::route::{Algorithm, Plan, Route, Step};
use super::tunnel::{self, Tunnel};
use super::{Guest, header, limits, stickiness};
use crate::local::data_plane::access_log::{Details, Line, Record};
use crate::local::data_plane::backend::Target;
use crate::local::data_plane::http::body::{Activity, Carried, RequestBody, ResponseBody};
use crate::local::data_plane::http::dispatch::{Unsent, send};
use crate::local::data_plane::http::header::strip;
use crate::local::data_plane::http::pool::Lease;
use crate::local::data_plane::turns::{any_of, digits};
use crate::local::state::elbv2::{Attributes, ProtocolVersion};

/// A request on its way through.
struct Exchange<'a> {
    guest: &'a Guest,
    activity: Activity,
    record: Record,
    now: OffsetDateTime,
    /// What it was asked for by, without a port.
    host: String,
    treatment: Treatment,
}

/// Answers a request.
pub(super) async fn answer(guest: &Guest, request: Request<Incoming>) -> Response<ResponseBody> {
    let busy = guest.occupancy.enter();
    let visit = &guest.visit;
    let mut record = Record::new(&visit.plane, &visit.front, visit.client, visit.handshake.as_ref());
    let now = record.at();
    let asked_version = request.version();
    let host = host(&request);
    record.request = Some(line(guest, &request, &host));
    record.connection.clone_from(&guest.id);
    record.details = Some(Box::new(Details::new(kind(guest, &request), trace_id(now))));
    let activity = Activity::now();
    let mut exchange =
        Exchange { guest, activity: activity.clone(), record, now, host, treatment: Treatment::Pass };
    let (parts, body) = request.into_parts();
    exchange.record.received = limits::header_length(&parts.headers) + limits::request_line_length(&parts);
    let answered = exchange.run(parts, body).await;
    let (listener, answered) = match answered {
        Ok((route, response)) => (Some(route.listener), Ok(response)),
        Err((route, failure)) => (route.map(|route| route.listener), Err(failure)),
    };
    let mut response = answered.unwrap_or_else(|failure| failure.response(now));
    if let Some(listener) = listener {
        header::respond(response.headers_mut(), &listener);
    }
    *response.version_mut() = asked_version;
    let Exchange { mut record, treatment, .. } = exchange;
    // A WebSocket is the last on its connection as it is.
    if treatment != Treatment::Pass && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let backend = record.times.answered.map(|_| response.status().as_u16());
    record.statuses = Some((response.status().as_u16(), backend.unwrap_or(0)));
    record.sent = limits::header_length(response.headers()) + STATUS_LINE;
    let mut tunnel = guest.tunnel.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tunnel) = tunnel.as_mut().filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
        // The WebSocket is what is logged, once it has ended.
        tunnel.record = Some(record);
        return response.map(|body| ResponseBody::new(body, activity, None, Some(busy)));
    }
    response.map(|body| ResponseBody::new(body, activity, Some(record), Some(busy)))
}

/// The length of `HTTP/1.1 200 OK` and what ends it and the head.
const STATUS_LINE: u64 = 19;

/// The name that a request is for, without a port.
fn host(request: &Request<Incoming>) -> String {
    let authority = request.uri().authority().map(Authority::host);
    let field = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let field = field.and_then(|field| field.parse::<Authority>().ok());
    authority.map(str::to_owned).or_else(|| field.map(|field| field.host().to_owned())).unwrap_or_default()
}

/// What the log calls a request.
fn kind(guest: &Guest, request: &Request<Incoming>) -> &'static str {
    let secure = guest.visit.front.is_secure();
    let field = |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let upgrades = field(hyper::header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    match (request.version(), secure) {
        (Version::HTTP_2, _) if is_grpc(request.headers()) => "grpcs",
        (Version::HTTP_2, _) => "h2",
        (_, true) if upgrades => "wss",
        (_, false) if upgrades => "ws",
        (_, true) => "https",
        (_, false) => "http",
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("application/grpc"))
}

/// The request for the log, with its target in full.
fn line(guest: &Guest, request: &Request<Incoming>, host: &str) -> Line {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let (method, version, port) = (request.method(), request.version(), guest.visit.front.port);
    let scheme = guest.visit.scheme();
    Line {
        request: format!("{method} {scheme}://{host}:{port}{path} {version:?}"),
        user_agent: agent.unwrap_or("-").to_owned(),
    }
}

/// A new trace id: the time, and what makes it the only one.
fn trace_id(now: OffsetDateTime) -> String {
    format!("1-{:08x}-{}", now.unix_timestamp(), digits(24))
}

/// What a request came to; the route comes along as far as there is one.
type Answered = Result<(Route, Response<Carried>), (Option<Route>, Failure)>;

impl Exchange<'_> {
    async fn run(&mut self, mut parts: Parts, body: Incoming) -> Answered {
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            // HTTP/2 has no Host; an absolute target outranks it (RFC 9112, section 3.2.2).
            parts.headers.insert(HOST, host);
        }
        let refused = limits::refusal(&parts).or(match parts.method {
            Method::CONNECT | Method::TRACE => Some(Failure::Method),
            _ if self.host.is_empty() && parts.version != Version::HTTP_10 => Some(Failure::BadRequest),
            _ if header::has_too_many_addresses(&parts.headers) => Some(Failure::TooManyAddresses),
            _ => None,
        });
        if let Some(refused) = refused {
            return Err((None, refused));
        }
        let visit = &self.guest.visit;
        let subject = Subject { request: &parts, host: &self.host, client: visit.client.ip() };
        let route = Route::of(&visit.plane.account.lock(), &visit.front, &subject, &visit.shared.turns);
        let route = route.map_err(|_| (None, Failure::NoTarget))?;
        if let Some(details) = &mut self.record.details {
            details.priority = Some(route.priority);
            details.action = match route.action {
                Step::Forward(_) => "forward",
                Step::Redirect(_) => "redirect",
                Step::Fixed(_) => "fixed-response",
            };
        }
        self.treatment = self.classify(&parts, &route.balancer);
        if self.treatment == Treatment::Block {
            return Err((Some(route), Failure::BadRequest));
        }
        let answered = match &route.action {
            Step::Fixed(fixed) => Ok(answer::fixed(fixed, self.now)),
            Step::Redirect(redirect) => {
                let location = location(redirect, &self.asked(&parts, route.offset));
                if let Some(details) = &mut self.record.details {
                    details.redirect = Some(location.clone());
                }
                Ok(answer::redirect(redirect.status, &location, self.now))
            }
            Step::Forward(plan) => self.forward(&route, plan, parts, body).await,
        };
        match answered {
            Ok(response) => Ok((route, response)),
            Err(failure) => Err((Some(route), failure)),
        }
    }

    /// What becomes of a request that other parsers may read differently.
    fn classify(&mut self, parts: &Parts, balancer: &Attributes) -> Treatment {
        let Some(finding) = Finding::of(parts) else { return Treatment::Pass };
        if let Some(details) = &mut self.record.details {
            details.classification = (finding.class.name(), finding.reason);
        }
        finding.treatment(balancer)
    }

    /// The URL that was asked for, for a redirect.
    fn asked<'b>(&'b self, parts: &'b Parts, offset: u16) -> Asked<'b> {
        let port = self.guest.visit.front.port;
        let field = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let given = field.and_then(|host| host.parse::<Authority>().ok()).and_then(|host| host.port_u16());
        let by_offset = given.is_some() && given == port.checked_add(offset);
        Asked {
            protocol: self.guest.visit.scheme(),
            host: &self.host,
            port,
            offset: if by_offset { offset } else { 0 },
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
        }
    }

    async fn forward(
        &mut self,
        route: &Route,
        plan: &Plan,
        parts: Parts,
        body: Incoming,
    ) -> Result<Response<Carried>, Failure> {
        if let Some(details) = &mut self.record.details {
            details.group = Some(plan.group.clone());
        }
        if !fits(plan.version, &parts) {
            return Err(Failure::Incompatible);
        }
        let stuck =
            plan.stickiness.as_ref().and_then(|sticky| sticky.target(&parts.headers, plan.targets.iter()));
        let target = stuck.or_else(|| self.choose(plan)).ok_or(Failure::NoTarget)?;
        let upgrading = plan.version == ProtocolVersion::Http1 && tunnel::is_wanted(&parts);
        let mut request = self.prepare(route, plan, parts, body, upgrading);
        let client = upgrading.then(|| hyper::upgrade::on(&mut request));
        let visit = &self.guest.visit;
        let mut over = visit.plane.connections.over(&visit.front, target);
        let (mut response, mut lease) = tokio::select! {
            sent = self.send(route, plan, target, request) => sent?,
            // The deregistration delay is over.
            () = &mut over => return Err(Failure::BadGateway),
        };
        if limits::exceeds(response.headers()) {
            return Err(Failure::BadGateway);
        }
        if self.treatment == Treatment::PassAndClose {
            lease.expire();
        }
        self.record.times.answered = Some(Instant::now());
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let backend = switched.then(|| hyper::upgrade::on(&mut response));
        let (mut parts, body) = response.into_parts();
        strip(&mut parts.headers);
        self.remember(plan, target, &mut parts.headers);
        let carried = match (client, backend) {
            (Some(client), Some(backend)) => {
                tunnel::ask(&mut parts.headers);
                let target = target.clone();
                let opened = Tunnel { client, backend, target, lease, record: None };
                *self.guest.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
                Carried::Own(None)
            }
            // Nobody asked for that.
            (None, Some(_)) => return Err(Failure::BadGateway),
            (_, None) => Carried::new(body, route.idle_timeout, Some(over), lease),
        };
        Ok(Response::from_parts(parts, carried))
    }

    /// Whose turn it is, by the group's algorithm.
    fn choose<'b>(&self, plan: &'b Plan) -> Option<&'b Target> {
        let visit = &self.guest.visit;
        let count = plan.targets.len();
        if count == 0 {
            visit.plane.say(format!(
                "load balancer {} answers 503 on port {}: there is no target that a rule lets it reach",
                visit.front.name, visit.front.port
            ));
            return None;
        }
        let turn = visit.shared.turns.next(&plan.group) % count;
        match plan.algorithm {
            Algorithm::RoundRobin => plan.targets.get(turn),
            Algorithm::LeastOutstanding => {
                let mut targets: Vec<&Target> = plan.targets.iter().collect();
                // Among equals it is another one's turn each time.
                targets.rotate_left(turn);
                visit.shared.pool.least_outstanding(&targets)
            }
            Algorithm::Random => plan.targets.get(any_of(count)),
        }
    }

    /// The request as the target is to get it.
    fn prepare(
        &self,
        route: &Route,
        plan: &Plan,
        mut parts: Parts,
        body: Incoming,
        upgrading: bool,
    ) -> Request<RequestBody> {
        let visit = &self.guest.visit;
        let wants_trailers = parts.headers.get(TE).is_some_and(|value| value == "trailers");
        strip(&mut parts.headers);
        let own = self.record.details.as_ref().map_or("", |details| details.trace.as_str());
        let trace = header::trace(&parts.headers, own);
        let origin = header::Origin {
            client: visit.client,
            scheme: visit.scheme(),
            port: visit.front.port,
            handshake: visit.handshake.as_ref(),
            trace: &trace,
        };
        header::forward(&mut parts.headers, &origin, &route.balancer, &route.listener);
        if upgrading {
            tunnel::ask(&mut parts.headers);
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        match plan.version {
            ProtocolVersion::Http1 => {
                parts.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
                parts.version = Version::HTTP_11;
            }
            ProtocolVersion::Http2 | ProtocolVersion::Grpc => {
                // The pseudo-fields come from the URI.
                let host = parts.headers.remove(HOST);
                let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or(&self.host);
                let scheme = if plan.way.secure { "https" } else { "http" };
                let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(path).build();
                parts.uri = uri.unwrap_or_else(|_| Uri::from_static("/"));
                parts.version = Version::HTTP_2;
                if wants_trailers {
                    parts.headers.insert(TE, HeaderValue::from_static("trailers"));
                }
            }
        }
        Request::from_parts(parts, RequestBody::new(body, self.activity.clone()))
    }

    /// Sends the request, over a kept connection or a new one.
    async fn send(
        &mut self,
        route: &Route,
        plan: &Plan,
        target: &Target,
        mut request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Lease), Failure> {
        let visit = &self.guest.visit;
        loop {
            let leased = visit.shared.pool.lease(plan.way, route.idle_timeout, target).await;
            let leased = leased.map_err(|error| {
                visit.plane.say(format!(
                    "load balancer {} cannot connect to {} at {}: {error}",
                    visit.front.name, target.id, target.address
                ));
                if error.kind() == io::ErrorKind::TimedOut { Failure::Timeout } else { Failure::BadGateway }
            })?;
            let mut lease = leased.lease;
            self.record.dispatch(target);
            match send(&mut lease, request, &self.activity, route.idle_timeout).await {
                Ok(response) => return Ok((response, lease)),
                // The target closed a kept connection just before the request went out.
                Err(Unsent::Again(unsent)) if leased.reused => request = *unsent,
                Err(Unsent::Again(_) | Unsent::Broken) => return Err(Failure::BadGateway),
                Err(Unsent::ClientTimeout) => return Err(Failure::ClientTimeout),
                Err(Unsent::Timeout) => return Err(Failure::Timeout),
            }
        }
    }

    /// Tells the client where its next requests go.
    fn remember(&self, plan: &Plan, target: &Target, headers: &mut HeaderMap) {
        let secure = self.guest.visit.front.is_secure();
        if let Some(seconds) = plan.group_sticks {
            stickiness::remember_group(&plan.group, seconds, secure, self.now, headers);
        }
        if let Some(sticky) = &plan.stickiness {
            sticky.remember(target, secure, self.now, headers);
        }
    }
}

/// Whether a request may go to a group of that version.
fn fits(version: ProtocolVersion, request: &Parts) -> bool {
    let is_newer = request.version == Version::HTTP_2;
    match version {
        ProtocolVersion::Http1 => !is_grpc(&request.headers),
        ProtocolVersion::Http2 => is_newer,
        ProtocolVersion::Grpc => is_newer && request.method == Method::POST,
    }
}
