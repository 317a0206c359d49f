//! What two processes say to each other at a handover: listeners first, then each live tunnel, over a socket pair
//! (`SCM_RIGHTS`); and the end of it that takes over.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::inherited::{self, Received};
use crate::proxy::serve::{Listeners, Passed, PassedIdle, PassedTunnel, Passport, Proxy, Visit};

/// Bytes of a tunnel that go in one message; the kernel refuses messages beyond a socket's buffer.
const PIECE: usize = 64 * 1024;
/// Tells the new process that this one waits for [`Message::Taken`], which older ones do not know.
pub(super) const RECEIPTS: &str = "ELBWS_PROXY_HANDOVER_RECEIPTS";

/// What the two processes say to each other.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// With one descriptor: a listener.
    Listener(Role),
    /// All listeners were sent.
    Listening,
    /// The new process serves on them.
    Ready,
    /// The same, and it acknowledges each connection with [`Message::Taken`].
    ReadyWithReceipts,
    /// A connection is the new process's from now on; it has touched none of its bytes before.
    Taken,
    /// With two descriptors: the client's and the backend's connection.
    Tunnel {
        passport: Box<Passport>,
        /// How many bytes of each direction follow, in messages of their own that hold nothing else.
        pending: [usize; 2],
    },
    /// With one descriptor: a connection between two requests.
    Idle(Box<Visit>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
    /// One of the sockets of the address with that index.
    Traffic(usize),
    Health,
    Metrics,
}

/// Sends a connection with all that is known of it.
pub(super) fn send_passed(channel: &OwnedFd, passed: &Passed) -> io::Result<()> {
    use std::os::fd::AsFd as _;

    match passed {
        Passed::Tunnel(tunnel) => {
            let PassedTunnel { client, backend, passport, pending } = &**tunnel;
            let [up, down] = pending;
            let passport = Box::new(passport.clone());
            let message = Message::Tunnel { passport, pending: [up.len(), down.len()] };
            send(channel, &message, &[client.as_fd(), backend.as_fd()])?;
            for piece in up.chunks(PIECE).chain(down.chunks(PIECE)) {
                inherited::send(channel, piece, &[])?;
            }
            Ok(())
        }
        Passed::Idle(idle) => {
            let PassedIdle { client, visit } = &**idle;
            send(channel, &Message::Idle(Box::new(visit.clone())), &[client.as_fd()])
        }
    }
}

/// The new process's end.
pub(super) struct Estate {
    channel: OwnedFd,
}

impl Estate {
    /// The channel to the process before, and its listeners; `None` when this process starts afresh.
    pub(super) fn open() -> io::Result<Option<(Self, Listeners)>> {
        let Some(channel) = inherited::channel()? else { return Ok(None) };
        let (mut traffic, mut health, mut metrics) = (Vec::<Vec<_>>::new(), None, None);
        loop {
            match receive(&channel)? {
                Some((Message::Listener(role), mut descriptors)) => {
                    let listener = descriptors.pop().ok_or(io::ErrorKind::InvalidData)?.into();
                    match role {
                        Role::Traffic(index) => {
                            while traffic.len() <= index {
                                traffic.push(Vec::new());
                            }
                            if let Some(sockets) = traffic.get_mut(index) {
                                sockets.push(listener);
                            }
                        }
                        Role::Health => health = Some(listener),
                        Role::Metrics => metrics = Some(listener),
                    }
                }
                Some((Message::Listening, _)) => break,
                Some(_) | None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(Some((Self { channel }, Listeners::inherit(traffic, health, metrics))))
    }

    /// Tells the process before that this one serves, and takes over what it has open until it ends; blocks.
    pub(super) fn take(self, proxy: &Proxy) -> io::Result<()> {
        let receipts = std::env::var_os(RECEIPTS).is_some();
        send(&self.channel, &if receipts { Message::ReadyWithReceipts } else { Message::Ready }, &[])?;
        let receipt = || if receipts { send(&self.channel, &Message::Taken, &[]) } else { Ok(()) };
        while let Some((message, descriptors)) = receive(&self.channel)? {
            let mut descriptors = descriptors.into_iter();
            match (message, descriptors.next(), descriptors.next()) {
                (Message::Tunnel { passport, pending: [up, down] }, Some(client), Some(backend)) => {
                    let pending = [self.bytes(up)?, self.bytes(down)?];
                    let passport = *passport;
                    receipt()?;
                    proxy.inherit(Passed::Tunnel(Box::new(PassedTunnel {
                        client,
                        backend,
                        passport,
                        pending,
                    })));
                }
                (Message::Idle(visit), Some(client), None) => {
                    receipt()?;
                    proxy.inherit(Passed::Idle(Box::new(PassedIdle { client, visit: *visit })));
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// So many bytes, which come in messages of their own.
    fn bytes(&self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let received = inherited::receive(&self.channel)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            bytes.extend_from_slice(&received.bytes);
        }
        if bytes.len() == count { Ok(bytes) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

pub(super) fn send(channel: &OwnedFd, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    inherited::send(channel, &serde_json::to_vec(message)?, descriptors)
}

/// The next message and its descriptors; `None` once the other process has ended.
pub(super) fn receive(channel: &OwnedFd) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let Some(Received { bytes, descriptors }) = inherited::receive(channel)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
}
