//! The socket pair between an agent's two sides: one message a packet, with descriptors. Knows no message.

use std::io;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::proxy::command::inherited::{self, Received};

/// The longest message: the kernel refuses packets beyond a socket's buffer, which is 208 KiB where nobody changed it.
pub(super) const LONGEST: usize = 128 * 1024;

/// One end.
pub(super) struct Channel {
    /// Of packets in order, other than its type says, which is what there is for sending descriptors without blocking.
    socket: UnixDatagram,
}

/// Returns two ends, which no program that is started inherits.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends from outside of a runtime.
pub(super) fn send_blocking(socket: &OwnedFd, message: &impl Serialize) -> io::Result<()> {
    inherited::send(socket, &serde_json::to_vec(message)?, &[])
}

impl Channel {
    /// Takes one end into the runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { socket: UnixDatagram::from_std(socket)? })
    }

    /// Has both sides find its end.
    pub(super) fn close(&self) {
        // It may have ended already.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Sends a message with copies of the descriptors.
    pub(super) async fn send(
        &self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > LONGEST {
            return Err(io::ErrorKind::ArgumentListTooLong.into());
        }
        self.socket.async_io(Interest::WRITABLE, || inherited::send(&self.socket, &bytes, descriptors)).await
    }

    /// The next message with its descriptors; `None` once the other side has ended. May be cancelled.
    pub(super) async fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let received = self.socket.async_io(Interest::READABLE, || inherited::receive(&self.socket)).await;
        match received {
            Ok(Some(Received { bytes, descriptors })) => {
                Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
            }
            Ok(None) => Ok(None),
            // The other side ended with something unread.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}
