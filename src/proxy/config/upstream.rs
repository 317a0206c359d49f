//! Where a backend is: `ip:port`, `host:port` or `unix:/path`.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// The address of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpstreamAddress {
    /// A fixed address.
    Ip(SocketAddr),
    /// A name that is resolved, and resolved again as DNS changes.
    Name {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

impl fmt::Display for UpstreamAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(out),
            Self::Name { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl UpstreamAddress {
    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(PathBuf::from(path)));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return (address.port() != 0).then_some(Self::Ip(address));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
        let label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let named = !host.is_empty() && host.bytes().all(label);
        // `127.0.0.300:80` is a typo of an address, not a name.
        let numeric = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (named && !numeric).then(|| Self::Name { host: host.to_owned(), port })
    }
}

impl Serialize for UpstreamAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UpstreamAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AddressVisitor)
    }
}

struct AddressVisitor;

impl Visitor<'_> for AddressVisitor {
    type Value = UpstreamAddress;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ip:port, host:port or unix:/path")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UpstreamAddress, E> {
        UpstreamAddress::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_told_apart() {
        let shown = |text: &str| UpstreamAddress::parse(text).map(|address| address.to_string());
        for good in ["127.0.0.1:80", "[::1]:80", "backend.internal:9000", "localhost:1", "unix:/run/app.sock"]
        {
            assert_eq!(shown(good).as_deref(), Some(good));
        }
        let bad = [
            "127.0.0.1",
            "127.0.0.300:80",
            "host:0",
            "host:99999",
            "unix:app",
            ":80",
            "http://a:80",
            "a b:1",
        ];
        for bad in bad {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
