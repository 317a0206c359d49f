//! Bytes that go from one socket to the other without coming to user space (splice(2)).

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{OFlag, SpliceFFlags, splice};
use nix::unistd::{pipe2, read};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// How much one call may move; no more stays behind when the receiver takes nothing.
const MOST: usize = 64 * 1024;

thread_local! {
    static SPARE: Cell<Option<Pipe>> = const { Cell::new(None) };
}

/// An empty pipe; one that saw an error is thrown away, or its bytes would reach the next connection.
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

/// What became of one call.
#[derive(Debug)]
pub(super) enum Spliced {
    /// So many bytes came, and the last of them did not go out yet.
    Moved(usize, Vec<u8>),
    /// The sender has nothing now.
    Nothing,
    /// It cannot be done, or the sender ended: an ordinary read tells which.
    Not,
    /// The receiver failed.
    Broken,
}

/// Moves up to `most` bytes; the caller saw that the sender has some.
pub(super) fn move_some(from: &TcpStream, to: &TcpStream, most: u64) -> Spliced {
    let Some(pipe) = SPARE.take().or_else(Pipe::open) else { return Spliced::Not };
    let most = usize::try_from(most).unwrap_or(MOST).min(MOST);
    let came = match from.try_io(Interest::READABLE, || step(from, &pipe.writer, most)) {
        Ok(0) => {
            SPARE.set(Some(pipe));
            return Spliced::Not;
        }
        Ok(came) => came,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            SPARE.set(Some(pipe));
            return Spliced::Nothing;
        }
        Err(_) => return Spliced::Not,
    };
    let mut left = came;
    while left > 0 {
        match to.try_io(Interest::WRITABLE, || step(&pipe.reader, to, left)) {
            Ok(went) => left -= went.min(left),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return Spliced::Broken,
        }
    }
    match pipe.rest(left) {
        Ok(rest) => {
            SPARE.set(Some(pipe));
            Spliced::Moved(came, rest)
        }
        Err(_) => Spliced::Broken,
    }
}

fn step<A: AsFd, B: AsFd>(from: A, to: B, most: usize) -> io::Result<usize> {
    let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
    Ok(splice(from, None, to, None, most, flags)?)
}

impl Pipe {
    fn open() -> Option<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).ok()?;
        Some(Self { reader, writer })
    }

    /// Takes out what is left in it.
    fn rest(&self, left: usize) -> io::Result<Vec<u8>> {
        let mut rest = vec![0; left];
        let mut at = 0;
        while let Some(room) = rest.get_mut(at..).filter(|room| !room.is_empty()) {
            match read(&self.reader, room)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => at += count,
            }
        }
        Ok(rest)
    }
}
