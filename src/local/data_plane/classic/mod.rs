//! Classic load balancers: bytes, or HTTP/1.1 without `Upgrade`, to the instances that are registered.

mod bytes;
mod exchange;
mod route;
mod stickiness;
mod terms;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

pub(super) use self::bytes::serve as serve_bytes;
use self::route::Route;
pub(super) use self::route::{enter, tenure};
use super::http::Visit;
use super::listener::Client;

/// Serves the requests of one client: each goes to the instance with the fewest outstanding ones.
///
/// HTTP/1.1 on both sides, as Classic load balancers speak it. An `Upgrade` is not passed on, so that WebSockets
/// do not get through such a listener.
pub(super) async fn serve_http(client: Client) {
    let Client { link, address, handshake, front, shared, plane, .. } = client;
    // A connection is with one node, and all of its requests.
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    let idle = match Route::of(&plane.account.lock(), &front, turn) {
        Ok(route) => route.idle_timeout,
        // A listener that is gone takes this task along.
        Err(_) => return,
    };
    let visit = Arc::new(Visit { client: address, handshake, front, shared, plane });
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(exchange::answer(&visit, turn, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        // Between two requests, too.
        .header_read_timeout(idle)
        .preserve_header_case(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(link), service);
    // What goes wrong on a client's connection is its end.
    let _ = connection.await;
}
