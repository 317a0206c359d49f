//! The TLS versions that a listener accepts, the old ones as well: a hello for each, and what it is answered.
//!
//! A TLS library that is worth its name no longer speaks TLS 1.0; saying hello in it takes no cryptography.

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::outcome::Problem;
use super::{PATIENCE, address};

/// A version of TLS, from the oldest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.0 (RFC 2246), deprecated by RFC 8996.
    Tls10,
    /// 1.1 (RFC 4346), deprecated by RFC 8996.
    Tls11,
    /// 1.2 (RFC 5246).
    Tls12,
    /// 1.3 (RFC 8446).
    Tls13,
}

impl TlsVersion {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    fn number(self) -> [u8; 2] {
        match self {
            Self::Tls10 => [3, 1],
            Self::Tls11 => [3, 2],
            Self::Tls12 => [3, 3],
            Self::Tls13 => [3, 4],
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// Finds the versions in which what listens at `address` answers a hello for `host`.
pub async fn accepted_versions(address: SocketAddr, host: &str) -> Result<Vec<TlsVersion>, Problem> {
    let mut accepted = Vec::new();
    for version in TlsVersion::ALL {
        if answered(address, host, version).await? == Some(version.number()) {
            accepted.push(version);
        }
    }
    Ok(accepted)
}

/// The version of the answer to a hello; none where it is refused.
async fn answered(address: SocketAddr, host: &str, version: TlsVersion) -> Result<Option<[u8; 2]>, Problem> {
    let (_, mut stream) = address::connect(&[address]).await?;
    let exchange = async {
        stream.write_all(&client_hello(host, version)).await?;
        let mut header = [0; 5];
        stream.read_exact(&mut header).await?;
        let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        stream.read_exact(&mut record).await?;
        std::io::Result::Ok((header[0] == HANDSHAKE).then_some(record))
    };
    match timeout(PATIENCE, exchange).await {
        Ok(Ok(record)) => Ok(record.as_deref().and_then(version_of)),
        // Some refuse without an alert.
        Ok(Err(_)) => Ok(None),
        Err(_) => Err(Problem::Timeout { what: "an answer to the TLS hello" }),
    }
}

/// The record type, and the types of the messages in it (RFC 8446, section 4).
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SUPPORTED_VERSIONS: u16 = 43;
/// What any server of these years has: ECDHE and RSA key exchange with AES, `ChaCha20` and 3DES.
const CIPHERS: [u16; 15] = [
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc009, 0xc013, 0xc00a, 0xc014, 0x009c, 0x009d, 0x002f,
    0x0035, 0x000a,
];
const CIPHERS_13: [u16; 3] = [0x1301, 0x1302, 0x1303];
const SIGNATURES: [u16; 11] =
    [0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201];
/// X25519, P-256 and P-384.
const GROUPS: [u16; 3] = [0x001d, 0x0017, 0x0018];

fn client_hello(host: &str, version: TlsVersion) -> Vec<u8> {
    let is_13 = version == TlsVersion::Tls13;
    let mut extensions = Vec::new();
    let mut extend = |kind: u16, body: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend(sized(body));
    };
    // Addresses have no server name (RFC 6066, section 3).
    if host.parse::<std::net::IpAddr>().is_err() {
        let name = [&[0][..], &sized(host.as_bytes())].concat();
        extend(0, &sized(&name));
    }
    extend(10, &sized(&numbers(&GROUPS)));
    extend(11, &[1, 0]);
    if version >= TlsVersion::Tls12 {
        extend(13, &sized(&numbers(&SIGNATURES)));
    }
    if is_13 {
        extend(SUPPORTED_VERSIONS, &[2, 3, 4]);
        // No share yet: the server asks for one, and has said which version it speaks.
        extend(51, &sized(&[]));
    }
    let mut hello = Vec::new();
    hello.extend(if is_13 { TlsVersion::Tls12.number() } else { version.number() });
    // The random and the session id. Nothing is encrypted with it: the conversation ends with the answer.
    hello.extend([0x5a; 32]);
    hello.push(32);
    hello.extend([0xa5; 32]);
    hello.extend(sized(&if is_13 { numbers(&CIPHERS_13) } else { numbers(&CIPHERS) }));
    hello.extend([1, 0]);
    hello.extend(sized(&extensions));
    let mut message = vec![CLIENT_HELLO, 0];
    message.extend(sized(&hello));
    [&[HANDSHAKE, 3, 1][..], &sized(&message)].concat()
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// The bytes after their number, in two bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    // A host name is at most 253 bytes long, and everything else is fixed.
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The version that a `ServerHello` chooses.
fn version_of(message: &[u8]) -> Option<[u8; 2]> {
    let body = message.strip_prefix(&[SERVER_HELLO])?.get(3..)?;
    let legacy = [*body.first()?, *body.get(1)?];
    let session = usize::from(*body.get(34)?);
    // After the session id come the cipher suite and the compression method.
    let extensions = body.get(35 + session + 3..).unwrap_or_default();
    let mut rest = extensions.get(2..).unwrap_or_default();
    while let Some(header) = rest.first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let content = rest.get(4..4 + length)?;
        if u16::from_be_bytes([header[0], header[1]]) == SUPPORTED_VERSIONS {
            return content.first_chunk().copied();
        }
        rest = &rest[4 + length..];
    }
    Some(legacy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_hello(legacy: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut body = Vec::from(legacy);
        body.extend([7; 32]);
        body.extend([2, 9, 9]);
        body.extend([0xc0, 0x2f, 0]);
        if !extensions.is_empty() {
            body.extend(sized(extensions));
        }
        let mut message = vec![SERVER_HELLO, 0];
        message.extend(sized(&body));
        message
    }

    #[test]
    fn the_version_of_an_answer_is_read() {
        assert_eq!(version_of(&server_hello([3, 1], &[])), Some([3, 1]));
        assert_eq!(version_of(&server_hello([3, 3], &[0, 23, 0, 0])), Some([3, 3]));
        assert_eq!(version_of(&server_hello([3, 3], &[0, 23, 0, 0, 0, 43, 0, 2, 3, 4])), Some([3, 4]));
        let whole = server_hello([3, 3], &[0, 43, 0, 2, 3, 4]);
        for end in 0..whole.len() {
            assert_ne!(version_of(&whole[..end]), Some([3, 4]), "{end}");
        }
    }
}
