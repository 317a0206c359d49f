//! Connections to instances: from the load balancer's address, within a deadline, with TLS where it is asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsStream;

use super::link::Link;
use super::route::{Route, Target};
use crate::local::health::probe::handshake;

/// How long an instance may take to accept a connection, its handshake included.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to an instance.
pub(super) async fn connect(route: &Route, target: &Target) -> io::Result<Link> {
    timeout(CONNECT, attempt(route, target)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn attempt(route: &Route, target: &Target) -> io::Result<Link> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(route.source), 0))?;
    let stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    if route.secure_backend {
        let stream = handshake(stream, target.address).await?;
        Ok(TlsStream::Client(stream).into())
    } else {
        Ok(stream.into())
    }
}
