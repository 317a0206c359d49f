//! One socket of a listener: accepts clients, and owns their connections.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::front::{Family, Front};
use super::http::pool::Pool;
use super::link::Link;
use super::refusal::Refusal;
use super::tls::{self, Handshake};
use super::turns::Turns;
use super::{Plane, application, classic, network};
use crate::local::account::Inner;
use crate::proxy::stream::Transport as _;

/// How long a client may take for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// The pause after a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BACKLOG: u32 = 1024;

/// What the connections of one listener share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Whose turn it is.
    pub(super) turn: AtomicUsize,
    /// The same by what takes turns, where rules decide that.
    pub(super) turns: Turns,
    /// Connections to targets that carry one request after the other.
    pub(super) pool: Pool,
    tls: tls::Cache,
}

/// A client that was let in.
pub(super) struct Client {
    pub(super) link: Link,
    pub(super) address: SocketAddr,
    /// Where it came to; the port as clients know it.
    pub(super) destination: SocketAddr,
    /// What its handshake agreed on, if there was one.
    pub(super) handshake: Option<Handshake>,
    pub(super) front: Front,
    pub(super) shared: Arc<Shared>,
    pub(super) plane: Arc<Plane>,
}

/// Opens a socket.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The last connections of a socket that was closed just now may still be in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves a socket until it is aborted, and all its connections with it.
pub(super) async fn serve(listener: TcpListener, front: Front, shared: Arc<Shared>, plane: Arc<Plane>) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let (front, shared, plane) = (front.clone(), Arc::clone(&shared), Arc::clone(&plane));
                    open.spawn(serve_client(stream, address, front, shared, plane));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn serve_client(
    stream: TcpStream,
    address: SocketAddr,
    front: Front,
    shared: Arc<Shared>,
    plane: Arc<Plane>,
) {
    let Ok(destination) = stream.local_addr() else { return };
    let destination = SocketAddr::new(destination.ip(), front.port);
    // What is small is waited for by someone; without it, acknowledgements would be too.
    let _ = stream.set_nodelay(true);
    let entered = enter(&plane.account.lock(), &front, address.ip());
    let terms = match entered {
        Ok(terms) => terms,
        Err(refusal) => {
            plane.say(format!("load balancer {} refuses a connection: {refusal}", front.name));
            stream.abort();
            return;
        }
    };
    let mut handshake = None;
    let link = match &terms {
        None => Link::from(stream),
        Some(terms) => {
            let offers = match shared.tls.offers(terms) {
                Ok(offers) => offers,
                Err(error) => {
                    plane.say(format!(
                        "load balancer {} cannot serve port {}: {error}",
                        front.name, front.port
                    ));
                    return;
                }
            };
            // A handshake that fails has told the client why.
            let accepted = timeout(HANDSHAKE, offers.accept(stream)).await;
            let Ok(Ok((stream, agreed))) = accepted else { return };
            handshake = Some(agreed);
            Link::from(TlsStream::Server(stream))
        }
    };
    let client = Client { link, address, destination, handshake, front, shared, plane };
    match client.front.family {
        Family::Classic { is_http: true, .. } => classic::serve_http(client).await,
        Family::Classic { is_http: false, .. } => classic::serve_bytes(client).await,
        Family::Application { .. } => application::serve(client).await,
        Family::Network { .. } => network::serve(client).await,
    }
}

/// Lets a client in, on the terms of its handshake if there is one.
fn enter(inner: &Inner, front: &Front, client: IpAddr) -> Result<Option<tls::Terms>, Refusal> {
    match front.family {
        Family::Classic { .. } => classic::enter(inner, front, client),
        Family::Application { .. } => application::enter(inner, front, client),
        Family::Network { .. } => network::enter(inner, front, client),
    }
}
