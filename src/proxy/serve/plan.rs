//! What to do with a request, decided from its head alone; reads and writes nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::forward;
use super::reply::Reply;
use super::state::Live;
use super::visitor::{Visitor, is_trusted};
use crate::proxy::config::{Scheme, UpstreamHeader};
use crate::proxy::http::{self, BodyLength, HeadError, Method, Request, Version};
use crate::proxy::observe::Entry;
use crate::proxy::proxy_protocol::{Addresses, Origin, encode_v1, encode_v2};
use crate::proxy::upstream::Group;

/// What becomes of a request.
pub(super) enum Plan {
    /// It is malformed.
    Refuse(HeadError),
    /// The proxy answers.
    Answer {
        reply: Reply,
        /// Whether another request may follow.
        keep_alive: bool,
        entry: Option<Box<Entry>>,
    },
    /// A backend answers.
    Forward(Box<Forward>),
}

/// A request on its way to a backend.
pub(super) struct Forward {
    /// What configuration it is answered by.
    pub(super) live: Arc<Live>,
    /// What the backend gets first: a PROXY header, where it wants one, and the head.
    pub(super) head: Vec<u8>,
    /// The backend's connection serves this client only.
    pub(super) own_connection: bool,
    pub(super) group: Arc<Group>,
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) body: BodyLength,
    pub(super) keep_alive: bool,
    /// What `Sec-WebSocket-Accept` must be, if this asks for a tunnel.
    pub(super) websocket: Option<String>,
    /// Whether the visitor came over https, so that the answer may say HSTS.
    pub(super) secure: bool,
    pub(super) client: SocketAddr,
    pub(super) entry: Option<Box<Entry>>,
}

pub(super) fn plan(head: &[u8], live: &Arc<Live>, visitor: &Visitor, peer: SocketAddr, log: bool) -> Plan {
    match judge(head, live, visitor, peer, log) {
        Ok(plan) => plan,
        Err(error) => Plan::Refuse(error),
    }
}

fn judge(
    head: &[u8],
    live: &Arc<Live>,
    visitor: &Visitor,
    peer: SocketAddr,
    log: bool,
) -> Result<Plan, HeadError> {
    let request = Request::parse(head)?;
    let config = &live.config;
    let alb = visitor.bare && is_trusted(&config.trusted, peer.ip());
    let from_alb = alb.then(|| visitor.seen_by_alb(&request.fields));
    let visitor = from_alb.as_ref().unwrap_or(visitor);
    let Some(found) = live.route(request.path(), request.host_name()) else {
        // The request may have a body, which would have to be read before another one.
        let entry = log.then(|| Box::new(entry(&request, visitor)));
        return Ok(Plan::Answer { reply: Reply::new(404, "no_route"), keep_alive: false, entry });
    };
    if found.route.redirect_http && visitor.scheme == Some(Scheme::Http) {
        let reply = redirect(&request, config.https_port())?;
        let keep_alive = request.keep_alive && request.body == BodyLength::Exact(0);
        let entry = log.then(|| Box::new(entry(&request, visitor)));
        return Ok(Plan::Answer { reply, keep_alive, entry });
    }
    let key = http::wants_websocket(&request)?;
    let pair = Addresses { source: visitor.address, destination: visitor.destination };
    let preface = match found.route.proxy_protocol {
        None => None,
        Some(UpstreamHeader::V1) => Some(encode_v1(Some(&pair))),
        Some(UpstreamHeader::V2) => encode_v2(&Origin::Proxied(pair), &visitor.tlvs, false),
    };
    let own_connection = preface.is_some();
    let room = preface.unwrap_or_else(|| Vec::with_capacity(head.len() + 512));
    Ok(Plan::Forward(Box::new(Forward {
        live: Arc::clone(live),
        head: forward::request_head(room, &request, visitor, key.is_some()),
        own_connection,
        group: Arc::clone(&found.group),
        method: request.method,
        version: request.version,
        body: request.body,
        keep_alive: request.keep_alive,
        websocket: key.map(http::accept_for),
        secure: visitor.scheme == Some(Scheme::Https),
        client: visitor.address,
        entry: log.then(|| Box::new(entry(&request, visitor))),
    })))
}

fn redirect(request: &Request<'_>, port: Option<u16>) -> Result<Reply, HeadError> {
    let host = request.host_name().ok_or(HeadError::Malformed("no Host"))?;
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let target = if request.target == "*" { "/" } else { request.target };
    Ok(Reply::moved(format!("https://{host}{port}{target}")))
}

fn entry(request: &Request<'_>, visitor: &Visitor) -> Entry {
    let text =
        |name: &str| request.fields.all(name).next().map(|value| String::from_utf8_lossy(value).into_owned());
    Entry {
        client: visitor.address,
        scheme: visitor.scheme_name().into(),
        method: request.method_name.to_owned(),
        target: request.target.to_owned(),
        protocol: match request.version {
            Version::Http10 => "HTTP/1.0".into(),
            Version::Http11 => "HTTP/1.1".into(),
        },
        host: request.host.map(str::to_owned),
        referer: text("referer"),
        user_agent: text("user-agent"),
        upstream: None,
        status: 0,
        bytes_received: 0,
        bytes_sent: 0,
        duration: Duration::ZERO,
        tunnel: None,
    }
}
