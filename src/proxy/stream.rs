//! A connection to a client or a backend, and the one buffer a thread reads into.

use std::cell::Cell;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// How much one read may bring.
pub const SCRATCH: usize = 64 * 1024;

/// Where in a page the buffer begins. The kernel keeps what was received from the beginning of pages on; copying
/// between the same places of two pages stalls the processor (4 KiB aliasing): a fifth of an echo of 16 KiB.
const OFFSET: usize = 1040;

thread_local! {
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends this thread's buffer of [`SCRATCH`] bytes, so that no idle connection owns one.
pub fn with_scratch<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = BUFFER.take().unwrap_or_else(|| vec![0; OFFSET + SCRATCH].into_boxed_slice());
    let result = work(buffer.get_mut(OFFSET..).unwrap_or_default());
    BUFFER.set(Some(buffer));
    result
}

/// What a tunnel can be made of: TCP, unix sockets, or TLS over either.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes the coming close an abortive one (RST), where the transport has such.
    fn abort(&self);

    /// The socket under it, where bytes are the same there.
    fn socket(&self) -> Option<&TcpStream> {
        None
    }
}

/// A connection to a client or to a backend.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
}

impl Stream {
    /// Whether bytes, an end or an error wait to be read, as far as the reactor knows; a system call only where it
    /// believes so, since it does as well after a read that took everything.
    pub fn has_news(&self) -> bool {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let believed = match self {
            Self::Tcp(stream) => stream.poll_read_ready(&mut context),
            Self::Unix(stream) => stream.poll_read_ready(&mut context),
        };
        believed.is_ready() && self.poll_peek(&mut context).is_ready()
    }

    /// Acknowledges at once what came, and what comes next; sockets here wait with that for an answer to send along.
    ///
    /// For a message of which a part is missing: its sender may hold the rest back until the part is acknowledged
    /// (Nagle's algorithm).
    pub fn acknowledge(&self) {
        if let Self::Tcp(stream) = self {
            // Only a matter of time: the kernel acknowledges by itself after a while.
            let _ = SockRef::from(stream).set_tcp_quickack(true);
        }
    }

    /// Looks at the next byte without taking it: `Ready(Err)` once the peer is gone.
    pub fn poll_peek(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => stream.poll_peek(context, &mut ReadBuf::new(&mut [0])),
            Self::Unix(stream) => loop {
                ready!(stream.poll_read_ready(context))?;
                let peek = || SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]);
                match stream.try_io(Interest::READABLE, peek) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    peeked => return Poll::Ready(peeked),
                }
            },
        }
    }
}

impl Transport for Stream {
    fn abort(&self) {
        match self {
            Self::Tcp(stream) => stream.abort(),
            Self::Unix(_) => {}
        }
    }

    fn socket(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Unix(_) => None,
        }
    }
}

impl Transport for TcpStream {
    fn abort(&self) {
        // A socket that cannot linger is closed in the ordinary way; nothing else is left to do.
        let _ = SockRef::from(self).set_linger(Some(Duration::ZERO));
    }

    fn socket(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Reads once into the thread's buffer and hands over what came; an empty slice is the end.
pub fn poll_read_with<S: AsyncRead + Unpin, R>(
    stream: &mut S,
    context: &mut Context<'_>,
    most: usize,
    work: impl FnOnce(&mut Context<'_>, &[u8]) -> R,
) -> Poll<io::Result<R>> {
    with_scratch(|scratch| {
        let room = scratch.len().min(most);
        let mut buffer = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        match Pin::new(stream).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(work(context, buffer.filled()))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    })
}

/// Writes as much of `bytes` as the stream takes now; fewer than all means that it is registered to wake.
pub fn poll_write_some<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    bytes: &[u8],
) -> io::Result<usize> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match Pin::new(&mut *stream).poll_write(context, rest) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => written += count,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(written)
}
