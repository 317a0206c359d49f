//! Opening a connection to a backend: names, socket options, and a source port when they run out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, UnixStream};

use super::Upstream;
use crate::proxy::config::UpstreamAddress;
use crate::proxy::stream::Stream;

/// What the kernel takes in of a connection before it is read; the kernel doubles it.
///
/// Uncapped, a peer behind a stalled one holds tens of MiB, since the kernel grows the buffers of a fast sender. Less
/// than this, and a message of 256 KiB costs a fifth more, as it no longer fits the window.
const UNREAD: u32 = 144 * 1024;

/// What the kernel takes for a client before it is acknowledged; the kernel doubles it.
const UNACKNOWLEDGED: u32 = 192 * 1024;

/// What a socket may hold unsent, beyond what is in flight. Less than the send buffer, so that what a slow
/// peer gets is fresh (a drain's Close frame waits behind no more than this), and two reads' worth, so that a fast
/// one never waits for the proxy.
const UNSENT: u32 = 128 * 1024;

/// A connection to a backend.
#[derive(Debug)]
pub struct Connected {
    /// The connection.
    pub stream: Stream,
    /// Which answer about the backend's name it follows.
    pub generation: u32,
}

/// Why a backend could not be connected to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It took too long.
    #[error("connecting took too long")]
    TimedOut,
    /// The name does not resolve.
    #[error("the name does not resolve")]
    Unresolved(#[source] io::Error),
    /// The connection was refused or failed.
    #[error("the connection failed")]
    Failed(#[source] io::Error),
}

impl ConnectError {
    /// Whether this process lacks what a connection takes, such as a descriptor, so that the backend is not to blame.
    #[must_use]
    pub fn is_of_our_own(&self) -> bool {
        const MISSING: [nix::errno::Errno; 5] = [
            nix::errno::Errno::EMFILE,
            nix::errno::Errno::ENFILE,
            nix::errno::Errno::ENOMEM,
            nix::errno::Errno::ENOBUFS,
            nix::errno::Errno::EADDRNOTAVAIL,
        ];
        match self {
            Self::TimedOut => false,
            Self::Unresolved(error) | Self::Failed(error) => {
                error.raw_os_error().is_some_and(|number| MISSING.iter().any(|one| *one as i32 == number))
            }
        }
    }
}

/// Connects to a backend within `limit`.
pub async fn connect(upstream: &Upstream, limit: Duration) -> Result<Connected, ConnectError> {
    let attempt = tokio::time::timeout(limit, attempt(upstream));
    attempt.await.unwrap_or(Err(ConnectError::TimedOut))
}

async fn attempt(upstream: &Upstream) -> Result<Connected, ConnectError> {
    let fixed = |stream| Connected { stream, generation: 0 };
    match &upstream.address {
        UpstreamAddress::Ip(address) => tcp(*address).await.map(fixed).map_err(ConnectError::Failed),
        UpstreamAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(ConnectError::Failed)?;
            Ok(fixed(Stream::Unix(stream)))
        }
        UpstreamAddress::Name { host, port } => {
            let found = upstream.resolve(host, *port).await.map_err(ConnectError::Unresolved)?;
            let mut last = None;
            for address in found.addresses {
                match tcp(address).await {
                    Ok(stream) => return Ok(Connected { stream, generation: found.generation }),
                    Err(error) => last = Some(error),
                }
            }
            Err(ConnectError::Failed(last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())))
        }
    }
}

async fn tcp(address: SocketAddr) -> io::Result<Stream> {
    match socket(address)?.connect(address).await {
        // One source address has some 28 000 ports towards one backend; loopback has more addresses.
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && is_loopback_v4(address) => {
            let socket = socket(address)?;
            socket.bind(another_loopback())?;
            socket.connect(address).await.map(Stream::Tcp)
        }
        outcome => outcome.map(Stream::Tcp),
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.set_recv_buffer_size(UNREAD)?;
    let options = SockRef::from(&socket);
    options.set_tcp_notsent_lowat(UNSENT)?;
    // The request goes out at once and acknowledges the backend's SYN on its way.
    options.set_tcp_quickack(false)?;
    Ok(socket)
}

fn is_loopback_v4(address: SocketAddr) -> bool {
    matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback())
}

/// The next of 127.1.0.1, 127.1.0.2 …, any port.
fn another_loopback() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, _, high, low] = (NEXT.fetch_add(1, Ordering::Relaxed) % 0xFFFE + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, high, low)), 0)
}

/// Caps what the kernel keeps for accepted connections, which inherit their listener's options.
pub fn cap_kernel_buffers(listener: &SockRef<'_>) -> io::Result<()> {
    listener.set_recv_buffer_size(UNREAD as usize)?;
    listener.set_send_buffer_size(UNACKNOWLEDGED as usize)?;
    listener.set_tcp_notsent_lowat(UNSENT)?;
    // The PROXY header and the request come at once, and the answer acknowledges them on its way.
    listener.set_tcp_quickack(false)?;
    listener.set_tcp_nodelay(true)
}
