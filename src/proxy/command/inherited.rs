//! Listeners that systemd opened for us; the only place with `unsafe`.
#![expect(unsafe_code, reason = "a descriptor's number says nothing about who owns it")]

use std::io;
use std::net::TcpListener;
use std::os::fd::{FromRawFd as _, OwnedFd};

use socket2::SockRef;

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
