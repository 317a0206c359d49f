//! HTTP and HTTPS listeners: requests, each of which goes to the instance with the fewest outstanding ones.
//!
//! HTTP/1.1 on both sides, as Classic load balancers speak it. What a request carries is in [`header`]; an
//! `Upgrade` is not passed on, so that WebSockets do not get through such a listener.

mod body;
mod exchange;
mod header;
pub(super) mod pool;
mod stickiness;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::Plane;
use super::front::Front;
use super::link::Link;
use super::listener::{Client, Shared};
use super::route::Route;

/// What an exchange needs to know of the connection that its request came by.
struct Visit {
    client: SocketAddr,
    cipher: Option<&'static str>,
    front: Front,
    shared: Arc<Shared>,
    plane: Arc<Plane>,
}

/// Serves the requests of one client.
pub(super) async fn serve(client: Client) {
    let Client { link, address, cipher, front, shared, plane, .. } = client;
    let idle = match Route::of(&plane.account.lock(), &front) {
        Ok(route) => route.idle_timeout,
        // A listener that is gone takes this task along.
        Err(_) => return,
    };
    let visit = Arc::new(Visit { client: address, cipher, front, shared, plane });
    serve_link(link, idle, visit).await;
}

async fn serve_link(link: Link, idle: Duration, visit: Arc<Visit>) {
    let service = service_fn(move |request| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(exchange::answer(&visit, request).await) }
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
