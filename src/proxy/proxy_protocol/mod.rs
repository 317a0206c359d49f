//! The PROXY protocol, versions 1 and 2: bytes to [`Header`] and back; pure, it reads and writes no socket.
//!
//! Follows `HAProxy`'s `doc/proxy-protocol.txt`, strictly: what the specification does not allow is an error,
//! since a header that two parsers read differently lets a client lie about its address.

mod v1;
mod v2;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use v1::encode as encode_v1;
pub use v2::{encode as encode_v2, tlv_kind};

/// The longest version 1 header, CRLF included (specification, section 2.1).
pub const V1_MAX: usize = 107;
/// The longest version 2 header this decoder accepts: room for the TLVs that load balancers send.
pub const V2_MAX: usize = 4096;

/// Which versions of the header a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Only the text form.
    V1,
    /// Only the binary form.
    V2,
    /// Either of them.
    Any,
}

/// What the sender says about the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The sender speaks for itself (a health check), or knows no addresses: the socket's own hold.
    Socket,
    /// The connection was relayed for these two addresses.
    Proxied(Addresses),
}

/// The two ends of the connection that the load balancer accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// The address and port that the client connected to.
    pub destination: SocketAddr,
}

/// One type-length-value of a version 2 header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tlv {
    /// The type byte; the known ones are in [`tlv_kind`].
    pub kind: u8,
    /// The value as it was sent.
    pub value: Vec<u8>,
}

impl Tlv {
    /// Whether it tells of the client's connection, so that it holds in a header that is written anew; a checksum,
    /// padding and the sender's own namespace do not.
    #[must_use]
    pub fn is_about_the_client(&self) -> bool {
        !matches!(self.kind, tlv_kind::CRC32C | tlv_kind::NOOP | tlv_kind::NETNS)
    }
}

/// A decoded header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Whom the connection belongs to.
    pub origin: Origin,
    /// The TLVs of a version 2 header, in order; empty for version 1 and for LOCAL.
    pub tlvs: Vec<Tlv>,
}

impl Header {
    /// The AWS VPC endpoint id that the client came through, where an NLB sent one.
    #[must_use]
    pub fn vpc_endpoint_id(&self) -> Option<&str> {
        let value = &self.tlvs.iter().find(|tlv| tlv.kind == tlv_kind::AWS)?.value;
        let (subtype, id) = value.split_first()?;
        let id = std::str::from_utf8(id).ok()?;
        let clean = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (*subtype == 1 && !id.is_empty() && clean).then_some(id)
    }

    /// The host name the client asked for in TLS (AUTHORITY), where it is text.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.text(tlv_kind::AUTHORITY)
    }

    /// The application protocol negotiated in TLS (ALPN), where it is text.
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        self.text(tlv_kind::ALPN)
    }

    fn text(&self, kind: u8) -> Option<&str> {
        std::str::from_utf8(&self.tlvs.iter().find(|tlv| tlv.kind == kind)?.value).ok()
    }
}

/// Which form of the header a connection began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Version 1.
    V1,
    /// Version 2, for a connection that is relayed.
    V2,
    /// Version 2 with the command LOCAL, as health checks have it.
    Local,
}

/// A header and how many bytes of the input it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The header.
    pub header: Header,
    /// Its form.
    pub form: Form,
    /// Its length in bytes; what follows belongs to the connection.
    pub consumed: usize,
}

/// Why bytes are not a header; the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Neither form begins like this.
    #[error("no PROXY header where one is required")]
    Missing,
    /// The other version of the header is required.
    #[error("a PROXY header of a version that this listener does not accept")]
    Version,
    /// The text form is malformed.
    #[error("malformed PROXY v1 header: {0}")]
    V1(&'static str),
    /// The binary form is malformed.
    #[error("malformed PROXY v2 header: {0}")]
    V2(&'static str),
    /// The checksum does not match.
    #[error("PROXY v2 header with a wrong CRC32C")]
    Checksum,
}

/// Decodes a header at the start of `input`; `None` means that more bytes are needed.
pub fn decode(input: &[u8], versions: Versions) -> Result<Option<Decoded>, DecodeError> {
    let looks_v1 = is_prefix(input, v1::PREFIX);
    let looks_v2 = is_prefix(input, &v2::SIGNATURE);
    let takes_v1 = matches!(versions, Versions::V1 | Versions::Any);
    let takes_v2 = matches!(versions, Versions::V2 | Versions::Any);
    if input.is_empty() {
        Ok(None)
    } else if looks_v1 && takes_v1 {
        v1::decode(input)
    } else if looks_v2 && takes_v2 {
        v2::decode(input)
    } else {
        let whole = input.starts_with(v1::PREFIX) || input.starts_with(&v2::SIGNATURE);
        Err(if whole { DecodeError::Version } else { DecodeError::Missing })
    }
}

/// Whether `input` and `prefix` agree as far as both go.
#[must_use]
fn is_prefix(input: &[u8], prefix: &[u8]) -> bool {
    let shared = input.len().min(prefix.len());
    input.get(..shared) == prefix.get(..shared)
}

/// What the first bytes of a connection are, where a header may be there or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Too few bytes to tell.
    Undecided,
    /// A PROXY header of either version, which may still turn out malformed.
    Header,
    /// Something else, such as a request: no header begins like this.
    Other,
}

/// Tells a PROXY header from anything else, as soon as the bytes allow it and never before.
///
/// No request is taken for a header: there is no method `PROXY`, and a request has no NUL after two empty lines.
#[must_use]
pub fn opening(input: &[u8]) -> Opening {
    if input.starts_with(v1::PREFIX) || input.starts_with(&v2::SIGNATURE) {
        Opening::Header
    } else if is_prefix(input, v1::PREFIX) || is_prefix(input, &v2::SIGNATURE) {
        Opening::Undecided
    } else {
        Opening::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(source: &str, destination: &str) -> Addresses {
        Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
    }

    #[test]
    fn the_listener_decides_which_version_is_taken() {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n";
        let v2 = encode_v2(&Origin::Socket, &[], false).unwrap();
        assert_eq!(decode(v1, Versions::V2), Err(DecodeError::Version));
        assert_eq!(decode(&v2, Versions::V1), Err(DecodeError::Version));
        assert!(decode(v1, Versions::Any).unwrap().is_some());
        assert!(decode(&v2, Versions::Any).unwrap().is_some());
        assert_eq!(decode(b"GET / HTTP/1.1\r\n", Versions::Any), Err(DecodeError::Missing));
        assert_eq!(decode(b"", Versions::Any), Ok(None));
    }

    #[test]
    fn a_header_is_told_from_requests_at_the_first_byte_that_differs() {
        // What must have been read until it is clear that this is no header.
        for (request, decided) in [
            ("GET / HTTP/1.1\r\n", 1),
            ("POST / HTTP/1.1\r\n", 2),
            ("PUT / HTTP/1.1\r\n", 2),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 3),
            ("PROPFIND / HTTP/1.1\r\n", 4),
            ("PROX / HTTP/1.1\r\n", 5),
            ("PROXYING / HTTP/1.1\r\n", 6),
            ("proxy / HTTP/1.1\r\n", 1),
            // An empty line before a request is tolerated.
            ("\r\nGET / HTTP/1.1\r\n", 3),
            ("\r\n\r\nGET / HTTP/1.1\r\n", 5),
        ] {
            for end in 0..=request.len() {
                let expected = if end < decided { Opening::Undecided } else { Opening::Other };
                assert_eq!(opening(&request.as_bytes()[..end]), expected, "{end} of {request:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_a_connection_opens_with_is_decided_once_and_as_the_decoder_sees_it(
            start in proptest::sample::select(vec![
                &b""[..], b"P", b"PRO", b"PROXY ", b"PROXY TCP4 ", b"\r\n", b"\r\n\r\n\0\r\nQUI", b"\r\n\r\n\0\r\nQUIT\n", b"GET ",
            ]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        ) {
            let input = [start, &rest].concat();
            let mut decided = Opening::Undecided;
            for end in 0..=input.len() {
                let seen = opening(&input[..end]);
                if decided == Opening::Undecided {
                    decided = seen;
                }
                proptest::prop_assert_eq!(seen, decided, "it changed its mind");
                let missing = decode(&input[..end], Versions::Any) == Err(DecodeError::Missing);
                proptest::prop_assert_eq!(seen == Opening::Other, missing);
            }
        }
    }

    #[test]
    fn every_split_of_a_header_gives_the_same_answer() {
        let pair = addresses("[2001:db8::1]:50000", "[2001:db8::2]:443");
        let tlv = Tlv { kind: tlv_kind::AWS, value: b"\x01vpce-0a1".to_vec() };
        let samples = [
            encode_v1(Some(&pair)),
            encode_v2(&Origin::Proxied(pair), std::slice::from_ref(&tlv), true).unwrap(),
            encode_v2(&Origin::Socket, &[tlv], true).unwrap(),
        ];
        for sample in samples {
            for end in 0..sample.len() {
                assert_eq!(decode(&sample[..end], Versions::Any), Ok(None), "{end} of {sample:?}");
                assert_ne!(opening(&sample[..end]), Opening::Other, "{end} of {sample:?}");
            }
            let mut followed = sample.clone();
            followed.extend_from_slice(b"GET / HTTP/1.1\r\n");
            assert_eq!(opening(&followed), Opening::Header);
            assert_eq!(decode(&followed, Versions::Any).unwrap().unwrap().consumed, sample.len());
        }
    }
}
