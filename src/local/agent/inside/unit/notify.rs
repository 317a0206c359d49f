//! What a service tells of itself (`sd_notify(3)`), and who of its processes did.

use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use nix::sys::socket::sockopt::PassCred;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, setsockopt};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::net::UnixDatagram;

/// The socket that one service notifies.
pub(super) struct Notifications {
    socket: UnixDatagram,
    path: PathBuf,
}

/// One message.
pub(super) struct Notification {
    pub(super) from: Pid,
    pub(super) text: String,
}

impl Notifications {
    /// Opens it; the path is the service's `NOTIFY_SOCKET`.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let socket = UnixDatagram::bind(&path)?;
        setsockopt(&socket, PassCred, &true)?;
        Ok(Self { socket, path })
    }

    /// The next message.
    pub(super) async fn next(&self) -> io::Result<Notification> {
        self.socket.async_io(Interest::READABLE, || receive(&self.socket)).await
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        // Where it is gone already nothing is left to do.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn receive(socket: &UnixDatagram) -> io::Result<Notification> {
    let mut bytes = vec![0; 4096];
    let mut space = nix::cmsg_space!(nix::sys::socket::UnixCredentials);
    let mut from = None;
    let count = {
        let mut pieces = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut pieces, Some(&mut space), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmCredentials(credentials) = control {
                from = Some(Pid::from_raw(credentials.pid()));
            }
        }
        message.bytes
    };
    bytes.truncate(count);
    let from = from.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Notification { from, text: String::from_utf8_lossy(&bytes).into_owned() })
}
