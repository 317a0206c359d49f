//! A link: one connection to a client or to an instance, with TLS or without.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsStream;

use crate::proxy::stream::Transport;

/// A connection.
pub(super) struct Link {
    stream: Stream,
    marks: Arc<Marks>,
    /// What goes out before the first byte that is written.
    preface: Vec<u8>,
}

/// When a connection's first bytes went each way.
#[derive(Debug, Default)]
pub(super) struct Marks {
    pub(super) read: OnceLock<Instant>,
    pub(super) written: OnceLock<Instant>,
}

enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// With TLS, of which this end is client or server.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Link {
    fn from(stream: TcpStream) -> Self {
        Self { stream: Stream::Plain(stream), marks: Arc::default(), preface: Vec::new() }
    }
}

impl From<TlsStream<TcpStream>> for Link {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self { stream: Stream::Tls(Box::new(stream)), marks: Arc::default(), preface: Vec::new() }
    }
}

impl Link {
    /// Tells when its first bytes went each way, once they did.
    pub(super) fn marks(&self) -> Arc<Marks> {
        Arc::clone(&self.marks)
    }
}

impl Link {
    /// Has these bytes go out with the first ones that are written; never, if none are.
    pub(super) fn begin_with(&mut self, preface: Vec<u8>) {
        self.preface = preface;
    }
}

impl Stream {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
}

impl Transport for Link {
    fn abort(&self) {
        match &self.stream {
            Stream::Plain(stream) => stream.abort(),
            Stream::Tls(stream) => stream.get_ref().0.abort(),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => match Pin::new(stream).poll_read(context, buffer) {
                // Many clients leave without close_notify; that is an end like any other here.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                polled => polled,
            },
        };
        if buffer.filled().len() > before {
            self.marks.read.get_or_init(Instant::now);
        }
        polled
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.marks.written.get_or_init(Instant::now);
        let Self { stream, preface, .. } = &mut *self;
        while !preface.is_empty() {
            let written = ready!(stream.poll_write(context, preface))?;
            preface.drain(..written);
        }
        stream.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
