//! HTTP/1.1 on the wire, pure: heads, body framing and the rules that keep two parsers from disagreeing.
//!
//! Reads and writes no socket. Stricter than RFC 9112 asks where leniency is what request smuggling lives on.

mod chunked;
mod field;
mod head;
mod request;
mod response;
mod target;
mod upgrade;

pub use chunked::{ChunkError, Chunked, Progress};
pub use field::{Field, Fields, is_token};
pub use head::{Scanner, end_of_head};
pub use request::{Method, Request};
pub use response::Response;
pub use upgrade::{accept_for, wants_websocket};

/// How many fields a head may have.
pub const MAX_FIELDS: usize = 128;

/// The two versions that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// How the end of a body is known (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// So many bytes, perhaps none.
    Exact(u64),
    /// Chunks.
    Chunked,
    /// What comes until the sender closes; answers only.
    UntilClose,
}

/// Why a head is refused; the connection is closed after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 431.
    #[error("the head is over its limit")]
    TooLarge,
    /// 505.
    #[error("a version other than HTTP/1.0 and HTTP/1.1")]
    Version,
    /// 501.
    #[error("a method that is not forwarded")]
    Method,
    /// 417.
    #[error("an expectation other than 100-continue")]
    Expectation,
    /// 426.
    #[error("a WebSocket version other than 13")]
    WebSocketVersion,
}

impl HeadError {
    /// The status that tells the client.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::TooLarge => 431,
            Self::Version => 505,
            Self::Method => 501,
            Self::Expectation => 417,
            Self::WebSocketVersion => 426,
        }
    }
}
