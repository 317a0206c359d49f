//! A tunnel on its way from one process to the next: two sockets and what is known of them.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, UnixStream};

use crate::proxy::config::UpstreamAddress;
use crate::proxy::observe::Entry;
use crate::proxy::stream::Stream;
use crate::proxy::tunnel::{Parts, State};

/// A tunnel that no process serves at the moment; its bytes wait in the kernel.
#[derive(Debug)]
pub struct Passed {
    /// The client's connection.
    pub client: OwnedFd,
    /// The backend's connection.
    pub backend: OwnedFd,
    /// What is known of it.
    pub passport: Passport,
}

/// What the next process must know of a tunnel besides its sockets.
#[derive(Debug, Serialize, Deserialize)]
pub struct Passport {
    pub(super) state: Option<State>,
    pub(super) upstream: UpstreamAddress,
    pub(super) age_ms: u64,
    /// The address that the tunnel counts for; an older process does not say.
    #[serde(default)]
    pub(super) client: Option<IpAddr>,
    pub(super) entry: Option<Box<Entry>>,
}

impl Passed {
    pub(super) fn of(parts: Parts<Stream, Stream>, mut passport: Passport) -> io::Result<Self> {
        passport.state = Some(parts.state);
        Ok(Self { client: detach(parts.client)?, backend: detach(parts.backend)?, passport })
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
        Ok((Parts { client, backend, state }, passport))
    }
}

fn detach(stream: Stream) -> io::Result<OwnedFd> {
    Ok(match stream {
        Stream::Tcp(stream) => stream.into_std()?.into(),
        Stream::Unix(stream) => stream.into_std()?.into(),
    })
}
