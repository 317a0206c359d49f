//! Who a request is from: the address, port and scheme that the load balancer saw.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::proxy::config::{Config, Scheme};
use crate::proxy::http::Fields;
use crate::proxy::proxy_protocol::{Addresses, Tlv};

/// The client as the load balancer saw it.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    /// The client's address.
    pub(super) address: SocketAddr,
    /// Where the client connected to.
    pub(super) destination: SocketAddr,
    /// By the destination's port; `None` for a port that is not mapped.
    pub(super) scheme: Option<Scheme>,
    /// The port that the client connected to.
    pub(super) port: u16,
    /// The AWS VPC endpoint that the client came through.
    pub(super) vpc_endpoint: Option<String>,
    /// What else its PROXY header says, for backends that get one of their own.
    pub(super) tlvs: Vec<Tlv>,
    /// Whether the connection began without a PROXY header, which holds for all of its requests, whatever
    /// configuration comes meanwhile.
    pub(super) bare: bool,
    /// What backends are told of all this, which is the same for each of a connection's requests.
    told: String,
}

impl Visitor {
    /// The visitor that a PROXY header names.
    pub(super) fn new(pair: Addresses, vpc_endpoint: Option<String>, config: &Config) -> Self {
        let scheme = config.scheme_by_port.get(&pair.destination.port()).copied();
        Self::over(pair, scheme, vpc_endpoint)
    }

    /// The visitor of a connection without header: the socket's own two ends are all that is known of it.
    pub(super) fn bare(ends: Addresses, config: &Config) -> Self {
        Self { bare: true, ..Self::new(ends, None, config) }
    }

    /// A visitor that used that scheme.
    pub(super) fn over(pair: Addresses, scheme: Option<Scheme>, vpc_endpoint: Option<String>) -> Self {
        let mut visitor = Self {
            address: canonical(pair.source),
            destination: canonical(pair.destination),
            scheme,
            port: pair.destination.port(),
            vpc_endpoint,
            tlvs: Vec::new(),
            bare: false,
            told: String::new(),
        };
        visitor.told = visitor.tell();
        visitor
    }

    /// The fields about the visitor alone; the last, `Forwarded`, is left open for the host.
    pub(super) fn told(&self) -> &str {
        &self.told
    }

    fn tell(&self) -> String {
        // Written out once each: formatting an address takes longer than reading a PROXY header.
        let (ip, port) = (&self.address.ip().to_string(), &self.port.to_string());
        let scheme = self.scheme_name();
        let (open, close) = if self.address.is_ipv6() { ("\"[", "]\"") } else { ("", "") };
        [
            "X-Forwarded-For: ",
            ip,
            "\r\nX-Real-IP: ",
            ip,
            "\r\nX-Forwarded-Proto: ",
            scheme,
            "\r\nX-Forwarded-Port: ",
            port,
            "\r\nForwarded: for=",
            open,
            ip,
            close,
            ";proto=",
            scheme,
        ]
        .concat()
    }

    /// What a load balancer without PROXY header says of its client; of `X-Forwarded-For` only the right-most address
    /// is its own word.
    ///
    /// Without `X-Forwarded-Proto`, as behind a TCP listener, the scheme is not known: the port that the load
    /// balancer connected to says nothing about the visitor's.
    pub(super) fn seen_by_alb(&self, fields: &Fields<'_>) -> Self {
        let text = |name| fields.all(name).last().and_then(|value| std::str::from_utf8(value).ok());
        let last = |name| text(name).and_then(|value: &str| value.rsplit(',').next()).map(str::trim);
        let mut visitor = Self { scheme: None, ..self.clone() };
        if let Some(address) = last("x-forwarded-for").and_then(forwarded_address) {
            visitor.address = address;
        }
        if let Some(scheme) = last("x-forwarded-proto") {
            visitor.scheme = match scheme.to_ascii_lowercase().as_str() {
                "https" => Some(Scheme::Https),
                "http" => Some(Scheme::Http),
                _ => visitor.scheme,
            };
        }
        if let Some(port) = last("x-forwarded-port").and_then(|port| port.parse().ok()) {
            visitor.port = port;
        }
        visitor.told = visitor.tell();
        visitor
    }

    pub(super) fn scheme_name(&self) -> &'static str {
        self.scheme.unwrap_or(Scheme::Http).as_str()
    }
}

/// `ip`, `ip:port`, `[v6]` or `[v6]:port`.
fn forwarded_address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    ip.or_else(|_| text.parse::<SocketAddr>()).ok().map(canonical)
}

/// IPv4 that arrives on an IPv6 socket is still IPv4 to everybody who reads it.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(super) fn is_trusted(trusted: &[IpNet], peer: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(&peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_an_alb_come_with_and_without_port() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1:0"),
            ("192.0.2.1:443", "192.0.2.1:443"),
            ("2001:db8::1", "[2001:db8::1]:0"),
            ("[2001:db8::1]", "[2001:db8::1]:0"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ] {
            assert_eq!(forwarded_address(text), Some(expected.parse().unwrap()), "{text}");
        }
        assert_eq!(forwarded_address("unknown"), None);
    }
}
