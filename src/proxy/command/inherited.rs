//! Descriptors that another process passed to this one, or this one to another; the only place with `unsafe`.
#![expect(unsafe_code, reason = "a descriptor's number says nothing about who owns it")]

use std::io::{self, IoSlice, IoSliceMut};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use socket2::SockRef;

/// Names the descriptor over which the process before hands over to this one.
pub(super) const CHANNEL: &str = "ELBWS_PROXY_HANDOVER";
/// More than the longest request head, which an access log's entry may quote.
const LONGEST: usize = 4 * 1024 * 1024;

/// The listeners passed by socket activation (`LISTEN_FDS`), none without it.
pub(super) fn listeners() -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for number in sd_notify::listen_fds()? {
        // SAFETY: systemd passed this descriptor to this process alone, and `listen_fds` hands each one
        // out once, when the program starts; nothing else owns or closes it.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        let socket = SockRef::from(&descriptor);
        if !socket.is_listener()? {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket passed in is not a listener"));
        }
        listeners.push(TcpListener::from(descriptor));
    }
    Ok(listeners)
}

/// The channel to the process that hands over to this one, none when there is no such.
pub(super) fn channel() -> io::Result<Option<OwnedFd>> {
    let Ok(number) = std::env::var(CHANNEL) else { return Ok(None) };
    let number: RawFd = number.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the process before left this descriptor open for this process and named it in the
    // environment; this is called once, when the program starts, and nothing else owns or closes it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(Some(descriptor))
}

/// A message with the descriptors that came with it.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
}

/// Sends one message, with up to two descriptors that the other process gets copies of.
pub(crate) fn send(channel: &impl AsRawFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let numbers: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if numbers.is_empty() { &rights[..0] } else { &rights[..] };
    sendmsg::<UnixAddr>(channel.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// The next message of the channel; `None` at its end.
pub(crate) fn receive(channel: &impl AsRawFd) -> io::Result<Option<Received>> {
    let mut bytes = vec![0; LONGEST];
    let mut rights = nix::cmsg_space!([RawFd; 2]);
    let mut descriptors = Vec::new();
    let count = {
        let mut pieces = [IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<UnixAddr>(channel.as_raw_fd(), &mut pieces, Some(&mut rights), flags)?;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(numbers) = control {
                // SAFETY: the kernel made these descriptors for this process in this very call.
                descriptors.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
            }
        }
        message.bytes
    };
    bytes.truncate(count);
    Ok((count > 0).then_some(Received { bytes, descriptors }))
}
