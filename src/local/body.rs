//! The bodies of requests and answers: whole, or what an object of S3's holds, by way of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;

use super::account::Account;
use super::blobs::Draft;
use super::wire::chunks::Chunks;
use super::wire::render::Payload;
use super::wire::s3;

/// The largest body that is read; AWS's own limits are below it.
const BODY_LIMIT: usize = 4 << 20;
/// The largest object that S3 takes here.
const OBJECT_LIMIT: usize = 256 << 20;
/// How much of an object is in memory.
const PIECE: u64 = 256 << 10;

/// What came with a request.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// This.
    Whole(Bytes),
    /// What an object is to hold, if it did not end before its end.
    Object {
        /// It, without the chunks that it may have come in.
        draft: Draft,
        /// Whether it is well-formed.
        whole: bool,
    },
}

/// Why a body was not taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is too large or was cut short.
    Body,
    /// There is no place to put it.
    Place(io::Error),
}

/// Takes the body of a request.
pub(crate) async fn receive(account: &Account, parts: &Parts, body: Incoming) -> Result<Arrived, Refused> {
    if body.is_end_stream() || !s3::is_meant(parts) {
        let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|_| Refused::Body)?;
        return Ok(Arrived::Whole(body.to_bytes()));
    }
    let mut body = Limited::new(body, OBJECT_LIMIT);
    let mut draft = account.lock().draft().map_err(Refused::Place)?;
    let mut chunks = s3::is_chunked(parts).then(Chunks::default);
    let mut whole = true;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refused::Body)?.into_data() else { continue };
        let mut rest = &data[..];
        while !rest.is_empty() && whole {
            let next = chunks.as_mut().map_or(Ok((rest, rest.len())), |chunks| chunks.next(rest));
            let Ok((content, used)) = next else {
                whole = false;
                break;
            };
            draft.write(content).map_err(Refused::Place)?;
            rest = rest.get(used..).unwrap_or_default();
        }
    }
    let whole = whole && chunks.is_none_or(|chunks| chunks.ended());
    Ok(Arrived::Object { draft, whole })
}

/// The body of an answer.
pub(crate) type Sent = Either<Full<Bytes>, Content>;

/// What is left of a file that is sent.
pub(crate) struct Content {
    file: Arc<File>,
    at: u64,
    end: u64,
}

/// Returns the body that a payload is sent as.
pub(crate) fn sent(payload: Payload) -> Sent {
    match payload {
        Payload::Whole(bytes) => Either::Left(Full::new(bytes)),
        Payload::File(file, size) => Either::Right(Content { file, at: 0, end: size }),
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        // It was just written or is small: it comes from memory.
        let mut piece = vec![0; usize::try_from(PIECE.min(self.end - self.at)).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut piece, self.at);
        self.at += piece.len() as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}
