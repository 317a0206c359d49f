//! The new process as the old one sees it: started, given the listeners, then every connection, and watched meanwhile.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
use socket2::SockRef;
use tokio::sync::oneshot;

use super::handover::{Message, RECEIPTS, Role, receive, send, send_passed};
use super::{inherited, say};
use crate::proxy::serve::{Listeners, Passed, Proxy};

/// How long the new process may take to start, and at the end to take what was sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to die once it has hung up.
const DYING: Duration = Duration::from_secs(3);
/// How often it is looked whether it lives.
const LOOK: Duration = Duration::from_millis(50);

/// A new process that serves.
pub(super) struct Heir {
    /// Its id.
    pub(super) process: u32,
    child: Child,
    channel: OwnedFd,
    /// Whether it says what it has taken.
    receipts: bool,
}

/// How a handover ended.
pub(super) enum Given {
    /// Nothing is left to give.
    All,
    /// The new process took no more than before these; `rest` may bring others.
    Not { died: bool, these: VecDeque<Passed>, rest: Receiver<Passed> },
}

/// Starts `program` with this process's own arguments, gives it the listeners and waits until it serves; blocks.
pub(super) fn begin(program: &Path, listeners: &Listeners) -> io::Result<Heir> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(inherited::CHANNEL, theirs.as_raw_fd().to_string())
        .env(RECEIPTS, "1")
        .spawn()?;
    drop(theirs);
    match give_listeners(&ours, listeners) {
        Ok(receipts) => Ok(Heir { process: child.id(), child, channel: ours, receipts }),
        Err(error) => {
            // It may have ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Returns, once the new process serves, whether it acknowledges what it takes.
fn give_listeners(channel: &OwnedFd, listeners: &Listeners) -> io::Result<bool> {
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
        Some((Message::Ready, _)) => Ok(false),
        Some((Message::ReadyWithReceipts, _)) => Ok(true),
        Some(_) | None => Err(io::Error::other("the new process ended before it served")),
    }
}

impl Heir {
    /// Has the proxy pass on everything to it, by a thread of its own, and tells how that ended.
    pub(super) fn receive_from(self, proxy: &Proxy) -> io::Result<oneshot::Receiver<Given>> {
        let (passed, waiting) = channel::<Passed>();
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new().name("handover".to_owned()).spawn(move || {
            // With nobody to tell the program ends.
            let _ = tell.send(self.give(waiting));
        })?;
        proxy.hand_over(passed);
        Ok(told)
    }

    /// Sends what comes until nothing more will; blocks.
    fn give(mut self, waiting: Receiver<Passed>) -> Given {
        // What was sent stays open here until the new process has said that it is its own.
        let mut sent = VecDeque::new();
        loop {
            match waiting.recv_timeout(LOOK) {
                Ok(passed) => {
                    let outcome = send_passed(&self.channel, &passed);
                    if self.receipts || outcome.is_err() {
                        sent.push_back(passed);
                    }
                    if outcome.is_err() {
                        return self.fail(sent, waiting);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.count_receipts(&mut sent).is_err() {
                return self.fail(sent, waiting);
            }
        }
        while !sent.is_empty() {
            // The socket's own limit of time, set when the new process started, holds here.
            match recv(self.channel.as_raw_fd(), &mut [0; 64], MsgFlags::empty()) {
                Ok(0) => return self.fail(sent, waiting),
                Ok(_) => drop(sent.pop_front()),
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                // It lives and yet takes nothing: nobody else can do more for what it was sent.
                Err(_) => break,
            }
        }
        Given::All
    }

    /// Forgets what the new process has taken; an error once it has hung up.
    fn count_receipts(&self, sent: &mut VecDeque<Passed>) -> io::Result<()> {
        let mut receipt = [0; 64];
        loop {
            match recv(self.channel.as_raw_fd(), &mut receipt, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => drop(sent.pop_front()),
                // A reset is told before what was received, once; the end comes after that.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// It has hung up: dead, ended because somebody told it to, or out of order.
    fn fail(&mut self, mut sent: VecDeque<Passed>, waiting: Receiver<Passed>) -> Given {
        // The last receipts are not to be missed.
        let _ = self.count_receipts(&mut sent);
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < DYING => std::thread::park_timeout(LOOK / 10),
                // Still alive: it takes no more of this process's connections, but serves its own.
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        let died = status.is_some_and(|status| !status.success());
        let how = status.map_or_else(|| "hung up".to_owned(), |status| format!("ended ({status})"));
        say(&format!("error: the new process {how} while it took over"));
        Given::Not { died, these: sent, rest: waiting }
    }
}
