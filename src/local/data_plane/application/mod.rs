//! Application Load Balancers: requests over HTTP/1.1 and HTTP/2, each to where the listener's rules send it, and
//! WebSockets.

mod answer;
mod condition;
mod desync;
mod exchange;
mod header;
mod limits;
mod redirect;
mod route;
mod stickiness;
mod tunnel;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep_until, timeout};

use self::route::Lifetime;
pub(super) use self::route::{enter, tenure};
use self::tunnel::Tunnel;
use super::access_log;
use super::http::Visit;
use super::http::occupancy::Occupancy;
use super::listener::Client;
use super::turns;

/// How many requests an HTTP/2 client may make at the same time.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html>
const STREAMS: u32 = 128;
/// How long the header of a request may be.
const LONGEST_HEADER: u32 = 64 * 1024;
/// How long a connection may take to end that was asked to.
const GOODBYE: Duration = Duration::from_secs(10);

/// A client's connection.
struct Guest {
    visit: Visit,
    occupancy: Occupancy,
    /// What the logs know the connection by.
    id: String,
    /// The WebSocket that the connection has become.
    tunnel: Mutex<Option<Tunnel>>,
}

/// Serves one client.
pub(super) async fn serve(client: Client) {
    let Client { link, address, handshake, front, shared, plane, .. } = client;
    // A listener that is gone takes this task along.
    let Ok(lifetime) = Lifetime::of(&plane.account.lock(), &front) else { return };
    let speaks_http2 = handshake.as_ref().and_then(|agreed| agreed.alpn.as_deref()) == Some("h2");
    let id = format!("TID_{}", turns::digits(32));
    access_log::connection::write(&plane, &front, address, handshake.as_ref(), &id);
    let visit = Visit { client: address, handshake, front, shared, plane };
    let guest = Arc::new(Guest { visit, occupancy: Occupancy::new(), id, tunnel: Mutex::default() });
    let serving = Arc::clone(&guest);
    let service = service_fn(move |request| {
        let guest = Arc::clone(&serving);
        async move { Ok::<_, Infallible>(exchange::answer(&guest, request).await) }
    });
    // What goes wrong on a client's connection is its end. Both arms tell a connection whose time has come to
    // end after the requests that it has.
    if speaks_http2 {
        let mut connection = pin!(
            http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS)
                // What is too long is told so, which takes reading it.
                .max_header_list_size(2 * LONGEST_HEADER)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(link), service)
        );
        tokio::select! {
            _ = connection.as_mut() => return,
            () = guest.outlives(&lifetime) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(GOODBYE, connection).await;
    } else {
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // A head that comes too slowly; between two requests, too.
                .header_read_timeout(lifetime.idle)
                .preserve_header_case(true)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(link), service)
                .with_upgrades()
        );
        tokio::select! {
            _ = connection.as_mut() => {}
            () = guest.outlives(&lifetime) => {
                connection.as_mut().graceful_shutdown();
                // The request that it has may take as long as it likes.
                let _ = connection.await;
            }
        }
        let tunnel = guest.tunnel.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tunnel) = tunnel {
            tunnel.run(&guest.visit).await;
        }
    }
}

impl Guest {
    /// Ends when the connection has had no request for the idle timeout, or has lasted for as long as it may.
    async fn outlives(&self, lifetime: &Lifetime) {
        let end = Instant::now() + lifetime.keep_alive;
        loop {
            let idle_since = self.occupancy.idle_since();
            let idle_end = idle_since.unwrap_or_else(Instant::now) + lifetime.idle;
            sleep_until(end.min(idle_end)).await;
            let still_idle = idle_since.is_some() && self.occupancy.idle_since() == idle_since;
            if Instant::now() >= end || still_idle {
                return;
            }
        }
    }
}
