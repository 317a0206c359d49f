//! What goes from one process to the next: tunnels and idle connections, sockets with what is known of them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, UnixStream};

use crate::proxy::config::UpstreamAddress;
use crate::proxy::observe::Entry;
use crate::proxy::proxy_protocol::Tlv;
use crate::proxy::stream::Stream;
use crate::proxy::tunnel::{Parts, State};

/// What no process serves at the moment; its bytes wait in the kernel.
#[derive(Debug)]
pub enum Passed {
    /// A WebSocket.
    Tunnel(Box<PassedTunnel>),
    /// A connection between two requests.
    Idle(Box<PassedIdle>),
}

/// A tunnel on its way.
#[derive(Debug)]
pub struct PassedTunnel {
    /// The client's connection.
    pub client: OwnedFd,
    /// The backend's connection.
    pub backend: OwnedFd,
    /// What is known of it.
    pub passport: Passport,
    /// What was read but not written yet: for the backend, for the client.
    pub pending: [Vec<u8>; 2],
}

/// What the next process must know of a tunnel besides its sockets and pending bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Passport {
    pub(super) state: Option<State>,
    pub(super) upstream: UpstreamAddress,
    pub(super) age_ms: u64,
    /// The address that the tunnel counts for; an older process does not say.
    #[serde(default)]
    pub(super) client: Option<IpAddr>,
    pub(super) entry: Option<Box<Entry>>,
}

/// A client's connection that waits for a request, its PROXY header read.
#[derive(Debug)]
pub struct PassedIdle {
    /// The connection.
    pub client: OwnedFd,
    /// Whose it is.
    pub visit: Visit,
}

/// What the next process must know of an idle connection besides its socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Visit {
    /// The socket's peer.
    pub(super) peer: SocketAddr,
    /// The client, as the PROXY header named it.
    pub(super) source: SocketAddr,
    /// Where the client connected to.
    pub(super) destination: SocketAddr,
    pub(super) vpc_endpoint: Option<String>,
    /// What else its PROXY header says; an older process does not say.
    #[serde(default)]
    pub(super) tlvs: Vec<Tlv>,
    /// Whether it began without a PROXY header; an older process does not say.
    #[serde(default)]
    pub(super) bare: Option<bool>,
    /// Whether it counts among the connections of its client.
    pub(super) counted: bool,
    /// Whether there was a request on it already.
    pub(super) served: bool,
}

impl PassedTunnel {
    pub(super) fn of(parts: Parts<Stream, Stream>, mut passport: Passport) -> io::Result<Self> {
        passport.state = Some(parts.state);
        let (client, backend) = (detach(parts.client)?, detach(parts.backend)?);
        Ok(Self { client, backend, passport, pending: parts.pending })
    }

    /// Registers the sockets with this thread's runtime.
    pub(super) fn parts(self) -> io::Result<(Parts<Stream, Stream>, Passport)> {
        let mut passport = self.passport;
        let state = passport.state.take().ok_or(io::ErrorKind::InvalidData)?;
        let client = Stream::Tcp(TcpStream::from_std(self.client.into())?);
        let backend = match passport.upstream {
            UpstreamAddress::Unix(_) => Stream::Unix(UnixStream::from_std(self.backend.into())?),
            UpstreamAddress::Ip(_) | UpstreamAddress::Name { .. } => {
                Stream::Tcp(TcpStream::from_std(self.backend.into())?)
            }
        };
        Ok((Parts { client, backend, state, pending: self.pending }, passport))
    }
}

pub(super) fn detach(stream: Stream) -> io::Result<OwnedFd> {
    Ok(match stream {
        Stream::Tcp(stream) => stream.into_std()?.into(),
        Stream::Unix(stream) => stream.into_std()?.into(),
    })
}
