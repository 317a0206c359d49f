//! One request: which instance gets it, what comes back, and what the load balancer says where nothing does.

use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::http::HeaderValue;
use hyper::http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use hyper::http::uri::Authority;
use hyper::{Method, Request, Response, StatusCode, Uri, Version};
use tokio::time::Instant;

use super::route::Route;
use super::stickiness;
use crate::local::data_plane::access_log::{Line, Record};
use crate::local::data_plane::backend::Target;
use crate::local::data_plane::http::body::{Activity, Carried, RequestBody, ResponseBody};
use crate::local::data_plane::http::dispatch::{Unsent, send};
use crate::local::data_plane::http::pool::Leased;
use crate::local::data_plane::http::{Visit, header};

/// What the load balancer answers on its own account, in the words of Classic load balancers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// A method that it does not serve.
    Method,
    /// Nobody is in service, or nobody can be reached.
    AtCapacity,
    /// What came was no HTTP, or nothing came before the instance closed the connection.
    BadGateway,
    /// Nothing came of the rest of the request for the idle timeout.
    ClientTimeout,
    /// Nothing came of the response for the idle timeout.
    Timeout,
}

/// Answers a request on the so manieth connection.
pub(super) async fn answer(visit: &Visit, turn: usize, request: Request<Incoming>) -> Response<ResponseBody> {
    let mut record = Record::new(&visit.plane, &visit.front, visit.client, visit.handshake.as_ref());
    record.request = Some(line(visit, &request));
    let activity = Activity::now();
    let answered = exchange(visit, turn, request, &activity, &mut record).await;
    let response = answered.unwrap_or_else(Failure::response);
    let backend = record.times.answered.map_or(0, |_| response.status().as_u16());
    record.statuses = Some((response.status().as_u16(), backend));
    response.map(|body| ResponseBody::new(body, activity, Some(record), None))
}

/// The request for the log, with its target in full.
fn line(visit: &Visit, request: &Request<Incoming>) -> Line {
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let host = request.uri().authority().map(Authority::host);
    let host = host.or_else(|| field(HOST).map(|host| host.split(':').next().unwrap_or(host)));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let (method, port) = (request.method(), visit.front.port);
    let (host, version) = (host.unwrap_or("-"), request.version());
    Line {
        request: format!("{method} {}://{host}:{port}{path} {version:?}", visit.scheme()),
        user_agent: field(USER_AGENT).unwrap_or("-").to_owned(),
    }
}

async fn exchange(
    visit: &Visit,
    turn: usize,
    request: Request<Incoming>,
    activity: &Activity,
    record: &mut Record,
) -> Result<Response<Carried>, Failure> {
    if request.method() == Method::CONNECT {
        return Err(Failure::Method);
    }
    let route =
        Route::of(&visit.plane.account.lock(), &visit.front, turn).map_err(|_| Failure::AtCapacity)?;
    let front = &visit.front;
    let sticks_to = route
        .stickiness
        .as_ref()
        .and_then(|stickiness| stickiness::target(stickiness, front, request.headers(), &route.targets));
    let mut request = prepare(visit, request, activity);
    let (target, response, lease) = loop {
        let (target, Leased { mut lease, reused }) = lease(visit, &route, sticks_to).await?;
        record.dispatch(target);
        match send(&mut lease, request, activity, route.idle_timeout).await {
            Ok(response) => break (target, response, lease),
            // The instance closed a kept connection just before the request went out.
            Err(Unsent::Again(unsent)) if reused => request = *unsent,
            Err(Unsent::Again(_) | Unsent::Broken) => return Err(Failure::BadGateway),
            Err(Unsent::ClientTimeout) => return Err(Failure::ClientTimeout),
            Err(Unsent::Timeout) => return Err(Failure::Timeout),
        }
    };
    let (mut parts, body) = response.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Failure::BadGateway);
    }
    record.times.answered = Some(Instant::now());
    header::strip(&mut parts.headers);
    if let Some(stickiness) = &route.stickiness {
        let stuck = sticks_to == Some(target);
        stickiness::remember(stickiness, front, target, stuck, &mut parts.headers);
    }
    parts.version = Version::HTTP_11;
    Ok(Response::from_parts(parts, Carried::new(body, route.idle_timeout, None, lease)))
}

/// The request as the instance is to get it.
fn prepare(visit: &Visit, request: Request<Incoming>, activity: &Activity) -> Request<RequestBody> {
    let (mut parts, body) = request.into_parts();
    header::strip(&mut parts.headers);
    header::forward(&mut parts.headers, visit.client.ip(), visit.scheme(), visit.front.port);
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // An absolute target outranks the field (RFC 9112, section 3.2.2), and instances are origins.
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().unwrap_or_else(|_| Uri::from_static("/"));
    parts.version = Version::HTTP_11;
    Request::from_parts(parts, RequestBody::new(body, activity.clone()))
}

/// A connection to the instance that the request sticks to, or to the one with the fewest requests; to another
/// where that one cannot be reached.
async fn lease<'a>(
    visit: &Visit,
    route: &'a Route,
    sticks_to: Option<&'a Target>,
) -> Result<(&'a Target, Leased), Failure> {
    let pool = &visit.shared.pool;
    let name = &visit.front.name;
    let mut left: Vec<&Target> = route.targets.iter().collect();
    if left.is_empty() {
        visit.plane.say(format!(
            "load balancer {name} answers 503 on port {}: no instance is in service that a rule lets it reach",
            visit.front.port
        ));
    }
    let turn = visit.shared.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    // Among equals it is another one's turn each time.
    let equal = left.len().max(1);
    left.rotate_left(turn % equal);
    let mut next = sticks_to.or_else(|| pool.least_outstanding(&left));
    while let Some(target) = next {
        match pool.lease(route.way, route.idle_timeout, target).await {
            Ok(leased) => return Ok((target, leased)),
            Err(error) => visit.plane.say(format!(
                "load balancer {name} cannot connect to {} at {}: {error}",
                target.id, target.address
            )),
        }
        left.retain(|other| *other != target);
        next = pool.least_outstanding(&left);
    }
    Err(Failure::AtCapacity)
}

impl Failure {
    fn response(self) -> Response<Carried> {
        let (status, reason) = match self {
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            Self::AtCapacity => {
                (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable: Back-end server is at capacity")
            }
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "Bad Gateway"),
            Self::ClientTimeout => (StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "GATEWAY_TIMEOUT"),
        };
        let mut response = Response::new(Carried::Own(None));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        response.extensions_mut().insert(ReasonPhrase::from_static(reason.as_bytes()));
        response
    }
}
