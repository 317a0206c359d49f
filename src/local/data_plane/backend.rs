//! Connections to targets: from the load balancer's address, within a deadline, with TLS where it is asked for.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::link::Link;
use crate::local::health::probe::handshake;

/// How long a target may take to accept a connection, its handshake included.
const CONNECT: Duration = Duration::from_secs(10);

/// Who may get a connection or a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// The ARN of the group that it is in; empty behind Classic load balancers, which have none.
    pub(super) group: String,
    /// An instance's id, or an address.
    pub(super) id: String,
    /// The port as the API knows it.
    pub(super) port: u16,
    /// Where it listens on this machine.
    pub(super) address: SocketAddr,
}

/// How targets are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// Whom they see: the load balancer's address, or a client's.
    pub(super) source: Ipv4Addr,
    /// Whether they are spoken to with TLS.
    pub(super) secure: bool,
    /// What requests are sent by.
    pub(super) protocol: Protocol,
    /// The application protocol that their handshake is offered.
    pub(super) alpn: Option<&'static str>,
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    /// Without an upgrade before it.
    Http2,
}

/// Connects to a target.
pub(super) async fn connect(way: Way, target: &Target) -> io::Result<Link> {
    timeout(CONNECT, attempt(way, target)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn attempt(way: Way, target: &Target) -> io::Result<Link> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(way.source), 0))?;
    let stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    if way.secure {
        let stream = handshake(stream, target.address, way.alpn).await?;
        Ok(TlsStream::Client(stream).into())
    } else {
        Ok(stream.into())
    }
}
