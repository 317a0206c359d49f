//! ws-chat: a web server with one page, and a WebSocket server with rooms, as two listeners.
//!
//! Owns the conversation. Who a visitor is it knows from the proxy in front alone; TLS is the load balancer's.

mod room;
mod socket;
mod visitor;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::room::Rooms;

/// The longest message; a longer one is refused with 1009 (RFC 6455, section 7.4.1).
pub const LONGEST_MESSAGE: usize = 64 << 10;

/// How long visitors may take to close after they were told to.
const GOODBYE: Duration = Duration::from_secs(2);

const PAGE: &str = include_str!("index.html");
/// The page brings all it needs along; `connect-src 'self'` does not cover wss in every browser.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
    connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The open listeners of ws-chat.
#[derive(Debug)]
pub struct Chat {
    web: TcpListener,
    socket: TcpListener,
}

/// What the visitors of one chat share.
struct Shared {
    rooms: Arc<Rooms>,
    stop: watch::Receiver<bool>,
}

impl Chat {
    /// Opens the web server's and the WebSocket server's listener.
    pub async fn bind(web: SocketAddr, socket: SocketAddr) -> io::Result<Self> {
        Ok(Self { web: TcpListener::bind(web).await?, socket: TcpListener::bind(socket).await? })
    }

    /// Where the page is served.
    pub fn web_address(&self) -> io::Result<SocketAddr> {
        self.web.local_addr()
    }

    /// Where WebSockets are served.
    pub fn socket_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `shutdown` ends, then closes every WebSocket with 1001.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared { rooms: Arc::default(), stop: stopped.clone() });
        let pages = Router::new().route("/", get(page));
        let sockets = Router::new().route("/ws/", get(socket::upgrade)).with_state(shared);
        let sockets = sockets.into_make_service_with_connect_info::<SocketAddr>();
        let ended = |mut stop: watch::Receiver<bool>| async move { wait_stop(&mut stop).await };
        let web = axum::serve(self.web, pages).with_graceful_shutdown(ended(stopped.clone()));
        let socket = axum::serve(self.socket, sockets).with_graceful_shutdown(ended(stopped));
        let stopping = async {
            shutdown.await;
            stop.send_replace(true);
            Ok(())
        };
        let servers = async {
            tokio::try_join!(web.into_future(), socket.into_future(), stopping)?;
            // Every open WebSocket holds a receiver.
            stop.closed().await;
            Ok::<(), io::Error>(())
        };
        let mut stopping = stop.subscribe();
        let late = async move {
            wait_stop(&mut stopping).await;
            drop(stopping);
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            result = servers => result,
            () = late => Ok(()),
        }
    }
}

/// Ends when the chat is to stop.
async fn wait_stop(stop: &mut watch::Receiver<bool>) {
    // An error means that the chat is gone already.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE).into_response()
}
