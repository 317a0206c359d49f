//! Handing over to a new process: listeners first, then each live tunnel, over a socket pair (`SCM_RIGHTS`).

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use socket2::SockRef;

use super::inherited::{self, Received};
use super::say;
use crate::proxy::serve::{Listeners, Passed, Passport, Proxy};

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
    Tunnel(Box<Passport>),
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
    /// Where tunnels go.
    pub(super) tunnels: Sender<Passed>,
    /// Ends when the last tunnel was sent.
    pub(super) sending: JoinHandle<()>,
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
    let (tunnels, waiting) = channel();
    let process = child.id();
    let sending = std::thread::Builder::new().name("handover".to_owned());
    let sending = sending.spawn(move || send_tunnels(&ours, &waiting))?;
    Ok(Heir { process, tunnels, sending })
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

fn send_tunnels(channel: &OwnedFd, waiting: &Receiver<Passed>) {
    use std::os::fd::AsFd as _;

    while let Ok(Passed { client, backend, passport }) = waiting.recv() {
        let message = Message::Tunnel(Box::new(passport));
        if let Err(error) = send(channel, &message, &[client.as_fd(), backend.as_fd()]) {
            say(&format!("a tunnel could not be handed over: {error}"));
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

    /// Tells the process before that this one serves, and takes over its tunnels until it ends; blocks.
    pub(super) fn take(self, proxy: &Proxy) -> io::Result<()> {
        send(&self.channel, &Message::Ready, &[])?;
        while let Some((message, descriptors)) = receive(&self.channel)? {
            let mut descriptors = descriptors.into_iter();
            if let (Message::Tunnel(passport), Some(client), Some(backend)) =
                (message, descriptors.next(), descriptors.next())
            {
                proxy.inherit(Passed { client, backend, passport: *passport });
            }
        }
        Ok(())
    }
}

fn send(channel: &OwnedFd, message: &Message, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    let numbers: Vec<_> = descriptors.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<UnixAddr>(channel.as_raw_fd(), &[IoSlice::new(&bytes)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The next message and its descriptors; `None` once the other process has ended.
fn receive(channel: &OwnedFd) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let Some(Received { bytes, descriptors }) = inherited::receive(channel)? else { return Ok(None) };
    Ok(Some((serde_json::from_slice(&bytes)?, descriptors)))
}
