//! The URL of a WebSocket.

use std::fmt;

use hyper::Uri;

/// A WebSocket's URL: `wss://` or `ws://`; `https://` and `http://` mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether there is TLS.
    pub secure: bool,
    /// The host, an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and the query.
    pub path: String,
}

/// What is not the URL of a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the URL of a WebSocket")]
pub struct TargetError {
    text: String,
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refuse = || TargetError { text: text.to_owned() };
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let secure = match uri.scheme_str() {
            Some("wss" | "https") => true,
            Some("ws" | "http") => false,
            _ => return Err(refuse()),
        };
        let authority = uri.authority().ok_or_else(refuse)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(refuse());
        }
        // `Authority::port` is silent about ports that are none.
        let port = match authority.as_str().strip_prefix(authority.host()).unwrap_or_default() {
            "" if secure => 443,
            "" => 80,
            rest => rest.trim_start_matches(':').parse().ok().filter(|port| *port != 0).ok_or_else(refuse)?,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { secure, host, port, path })
    }
}

impl Target {
    /// The host as it stands in a URL and in `Host`, with `port` unless it is the scheme's own.
    pub(super) fn authority(&self, port: u16, default: u16) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if port == default { host } else { format!("{host}:{port}") }
    }

    /// The origin of a page that opens this WebSocket.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}", self.own_authority())
    }

    pub(super) fn own_authority(&self) -> String {
        self.authority(self.port, if self.secure { 443 } else { 80 })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.secure { "wss" } else { "ws" }, self.own_authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_written() {
        for (text, expected) in [
            ("wss://chat.example.com/ws/?room=a", "wss://chat.example.com/ws/?room=a"),
            ("https://chat.example.com", "wss://chat.example.com/"),
            ("ws://127.0.0.1:8080/ws/", "ws://127.0.0.1:8080/ws/"),
            ("http://[::1]:80/", "ws://[::1]/"),
            ("wss://[2001:db8::1]:8443/x", "wss://[2001:db8::1]:8443/x"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), expected);
        }
        for text in
            ["", "chat.example.com", "ftp://a/", "wss://", "wss://a:0/", "wss://u:p@a/", "wss://a:99999/"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
