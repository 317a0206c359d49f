//! The health port and the metrics port: small HTTP of their own, on a thread of their own.

use std::future::pending;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::state::{Phase, Shared};
use crate::proxy::config::DrainingHealth;
use crate::proxy::http::{Method, Request, end_of_head};
use crate::proxy::observe::{Counter, Reject, Totals, render};
use crate::proxy::proxy_protocol::{self, Opening, Versions};

/// A check that takes longer has failed anyway.
const LIMIT: Duration = Duration::from_secs(5);
const HEAD: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Health,
    Metrics,
}

struct Page {
    status: &'static str,
    kind: &'static str,
    body: String,
}

pub(super) async fn serve(shared: &Arc<Shared>, health: Option<StdListener>, metrics: Option<StdListener>) {
    tokio::join!(listen(shared, health, Port::Health), listen(shared, metrics, Port::Metrics));
}

async fn listen(shared: &Arc<Shared>, listener: Option<StdListener>, port: Port) {
    let Some(Ok(listener)) = listener.map(TcpListener::from_std) else { return pending().await };
    let mut phase = shared.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| matches!(phase, Phase::HandingOver(_))) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let shared = Arc::clone(shared);
                tokio::spawn(async move { timeout(LIMIT, answer(stream, &shared, port)).await });
            }
            Err(error) => {
                shared.diagnostics.reject(Reject::Accept, "accept", error);
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    // The process that took over has this very socket; two would answer in turn, each with figures of its own.
    drop(listener);
    pending::<()>().await;
}

async fn answer(mut stream: TcpStream, shared: &Shared, port: Port) -> io::Result<()> {
    let mut input = Vec::new();
    let mut header_done = port == Port::Metrics;
    let page = loop {
        if !header_done && !input.is_empty() {
            // An NLB sends its PROXY header to the health port too, a Classic ELB and an ALB do not.
            if proxy_protocol::opening(&input) == Opening::Other {
                header_done = true;
            } else {
                match proxy_protocol::decode(&input, Versions::Any) {
                    Ok(None) => {}
                    Ok(Some(decoded)) => {
                        input.drain(..decoded.consumed);
                        header_done = true;
                    }
                    Err(_) => return Ok(()),
                }
            }
        }
        if header_done {
            match end_of_head(&input, HEAD) {
                Ok(Some(length)) => break page(input.get(..length).unwrap_or_default(), shared, port),
                Ok(None) => {}
                Err(_) => break bad_request(),
            }
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    };
    let Page { status, kind, body } = page.0;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let body = if page.1 { body } else { String::new() };
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with something unread would reset the connection and lose the answer.
    while stream.read_buf(&mut input).await? > 0 {
        input.clear();
    }
    Ok(())
}

fn bad_request() -> (Page, bool) {
    (Page { status: "400 Bad Request", kind: "text/plain", body: "bad request\n".to_owned() }, true)
}

/// The page, and whether its body is sent.
fn page(head: &[u8], shared: &Shared, port: Port) -> (Page, bool) {
    let Ok(request) = Request::parse(head) else { return bad_request() };
    let plain = |status, body: &str| Page { status, kind: "text/plain", body: body.to_owned() };
    let known = matches!(request.method, Method::Get | Method::Head);
    let page = match (port, request.path()) {
        _ if !known => plain("405 Method Not Allowed", "only GET and HEAD\n"),
        (Port::Health, "/healthz") => {
            let failing = shared.live().config.health_while_draining == DrainingHealth::Fail;
            if shared.is_draining() && failing {
                plain("503 Service Unavailable", "draining\n")
            } else {
                plain("200 OK", "ok\n")
            }
        }
        (Port::Metrics, "/metrics") => Page {
            status: "200 OK",
            kind: "text/plain; version=0.0.4",
            body: render(&Totals::of(&shared.metrics)),
        },
        (Port::Metrics, "/status") => {
            Page { status: "200 OK", kind: "application/json", body: status(shared) }
        }
        (Port::Health | Port::Metrics, _) => plain("404 Not Found", "not found\n"),
    };
    (page, request.method != Method::Head)
}

fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn status(shared: &Shared) -> String {
    let totals = Totals::of(&shared.metrics);
    let live = shared.live();
    let upstreams = live.upstreams();
    let upstreams = upstreams.iter().map(|one| {
        json!({ "address": one.address.to_string(), "connections": one.active(), "ejected": one.is_ejected() })
    });
    let begun = live.loaded.begun(&totals).map(|(beginning, count)| {
        let of = json!({ "total": count, "last": totals.last_begun(beginning) });
        (beginning.as_str().to_owned(), of)
    });
    let rejects = Reject::ALL.into_iter().filter(|cause| totals.rejects(*cause) > 0);
    let rejects = rejects.map(|cause| (cause.as_str().to_owned(), json!(totals.rejects(cause))));
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": if shared.is_draining() { "draining" } else { "serving" },
        "configuration": {
            "sha256": live.config.sha256,
            "loaded": unix(live.loaded.at),
            "accept": live.config.accept.as_str(),
            "header_optional_until": live.config.header_optional_until.map(unix),
        },
        "connections_by_header": begun.collect::<serde_json::Map<_, _>>(),
        "workers": shared.metrics.len(),
        "connections": totals.open_connections(),
        "tunnels": totals.open_tunnels(),
        "tunnel_buffer_bytes": totals.held_by_tunnels(),
        "connections_total": totals.get(Counter::Connections),
        "tunnels_total": totals.get(Counter::Tunnels),
        "bytes": { "up": totals.get(Counter::BytesUp), "down": totals.get(Counter::BytesDown) },
        "rejects": rejects.collect::<serde_json::Map<_, _>>(),
        "upstreams": upstreams.collect::<Vec<_>>(),
    });
    format!("{value}\n")
}
