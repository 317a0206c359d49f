//! Handing over to a new process: listeners first, then each live tunnel, over a socket pair (`SCM_RIGHTS`).

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::inherited::{self, Received};
use super::say;
use crate::proxy::serve::{Listeners, Passed, PassedIdle, PassedTunnel, Passport, Proxy, Visit};

/// Bytes of a tunnel that go in one message; the kernel refuses messages beyond a socket's buffer.
const PIECE: usize = 64 * 1024;
/// How long the new process may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the two processes say to each other.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// With one descriptor: a listener.
    Listener(Role),
    /// All listeners were sent.
    Listening,
    /// The new process serves on them.
    Ready,
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
enum Role {
    /// One of the sockets of the address with that index.
    Traffic(usize),
    Health,
    Metrics,
}

/// The old process's end, once the new one serves.
pub(super) struct Heir {
    /// The new process.
    pub(super) process: u32,
    channel: OwnedFd,
}

/// Starts `program` with this process's own arguments, gives it the listeners and waits until it serves; blocks.
pub(super) fn begin(program: &Path, listeners: &Listeners) -> io::Result<Heir> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(inherited::CHANNEL, theirs.as_raw_fd().to_string())
        .spawn()?;
    drop(theirs);
    if let Err(error) = give_listeners(&ours, listeners) {
        // It may have ended already, which is as good.
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(Heir { process: child.id(), channel: ours })
}

fn give_listeners(channel: &OwnedFd, listeners: &Listeners) -> io::Result<()> {
    use std::os::fd::AsFd as _;

    for (index, sockets) in listeners.traffic().iter().enumerate() {
        for socket in sockets {
            send(channel, &Message::Listener(Role::Traffic(index)), &[socket.as_fd()])?;
        }
    }
    for (role, listener) in [(Role::Health, listeners.health()), (Role::Metrics, listeners.metrics())] {
        if let Some(listener) = listener {
            send(channel, &Message::Listener(role), &[listener.as_fd()])?;
        }
    }
    send(channel, &Message::Listening, &[])?;
    SockRef::from(channel).set_read_timeout(Some(PATIENCE))?;
    match receive(channel)? {
        Some((Message::Ready, _)) => Ok(()),
        Some(_) | None => Err(io::Error::other("the new process ended before it served")),
    }
}

impl Heir {
    /// Sends it what the proxy passes on; the thread ends when nothing more will come.
    pub(super) fn receive_from(self, proxy: &Arc<Proxy>) -> io::Result<JoinHandle<()>> {
        let (passed, waiting) = channel::<Passed>();
        let giver = Arc::clone(proxy);
        let thread = std::thread::Builder::new().name("handover".to_owned()).spawn(move || {
            while let Ok(passed) = waiting.recv() {
                if let Err(error) = send_passed(&self.channel, &passed) {
                    say(&format!("a connection could not be handed over and stays: {error}"));
                    giver.finish_hand_over();
                    giver.inherit(passed);
                }
            }
        })?;
        proxy.hand_over(passed);
        Ok(thread)
    }
}

fn send_passed(channel: &OwnedFd, passed: &Passed) -> io::Result<()> {
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
        send(&self.channel, &Message::Ready, &[])?;
        while let Some((message, descriptors)) = receive(&self.channel)? {
            let mut descriptors = descriptors.into_iter();
            match (message, descriptors.next(), descriptors.next()) {
                (Message::Tunnel { passport, pending: [up, down] }, Some(client), Some(backend)) => {
                    let pending = [self.bytes(up)?, self.bytes(down)?];
                    let passport = *passport;
                    proxy.inherit(Passed::Tunnel(Box::new(PassedTunnel {
                        client,
                        backend,
                        passport,
                        pending,
                    })));
                }
                (Message::Idle(visit), Some(client), None) => {
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

fn send(channel: &OwnedFd, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    inherited::send(channel, &serde_json::to_vec(message)?, descriptors)
}

/// The next message and its descriptors; `None` once the other process has ended.
fn receive(channel: &OwnedFd) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let Some(Received { bytes, descriptors }) = inherited::receive(channel)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
}
