//! Version 1, the text form: `PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, DecodeError, Decoded, Form, Header, Origin, V1_MAX};

pub(super) const PREFIX: &[u8] = b"PROXY ";

pub(super) fn decode(input: &[u8]) -> Result<Option<Decoded>, DecodeError> {
    let window = input.get(..V1_MAX).unwrap_or(input);
    let Some(line_feed) = memchr::memchr(b'\n', window) else {
        if window.len() == V1_MAX {
            return Err(DecodeError::V1("no line end within 107 bytes"));
        }
        return Ok(None);
    };
    let line = window.get(..line_feed).and_then(|line| line.strip_suffix(b"\r"));
    let line = line.ok_or(DecodeError::V1("a line feed without carriage return"))?;
    let rest = line.strip_prefix(PREFIX).ok_or(DecodeError::Missing)?;
    let origin = decode_rest(rest)?;
    let header = Header { origin, tlvs: Vec::new() };
    Ok(Some(Decoded { header, form: Form::V1, consumed: line_feed + 1 }))
}

fn decode_rest(rest: &[u8]) -> Result<Origin, DecodeError> {
    if rest == b"UNKNOWN" || rest.starts_with(b"UNKNOWN ") {
        return Ok(Origin::Socket);
    }
    let text = std::str::from_utf8(rest).map_err(|_| DecodeError::V1("not ASCII"))?;
    let mut words = text.split(' ');
    let mut word = || words.next().ok_or(DecodeError::V1("fields are missing"));
    let (family, source, destination) = (word()?, word()?, word()?);
    let (source_port, destination_port) = (port(word()?)?, port(word()?)?);
    if words.next().is_some() {
        return Err(DecodeError::V1("more fields than five, or double spaces"));
    }
    let parse: fn(&str) -> Option<IpAddr> = match family {
        "TCP4" => |text| text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return Err(DecodeError::V1("a protocol other than TCP4, TCP6 and UNKNOWN")),
    };
    let address = |text| parse(text).ok_or(DecodeError::V1("an address that is not of the family"));
    Ok(Origin::Proxied(Addresses {
        source: SocketAddr::new(address(source)?, source_port),
        destination: SocketAddr::new(address(destination)?, destination_port),
    }))
}

/// Digits only: `str::parse` would take `+443` and `0443`, which other parsers refuse.
fn port(text: &str) -> Result<u16, DecodeError> {
    let error = DecodeError::V1("a port that is not a decimal number up to 65535");
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().map_err(|_| error) } else { Err(error) }
}

/// Encodes a version 1 header; without addresses it says `UNKNOWN`.
///
/// Addresses of two families are both written as IPv6, the IPv4 one mapped (`::ffff:192.0.2.1`).
#[must_use]
pub fn encode(addresses: Option<&Addresses>) -> Vec<u8> {
    let Some(Addresses { source, destination }) = addresses else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (family, from, to) = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ("TCP4", IpAddr::V4(from), IpAddr::V4(to)),
        (from, to) => ("TCP6", IpAddr::V6(mapped(from)), IpAddr::V6(mapped(to))),
    };
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

pub(super) fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(input: &str, source: &str, destination: &str) {
        let decoded = decode(input.as_bytes()).unwrap().unwrap();
        let expected =
            Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
        assert_eq!(decoded.header.origin, Origin::Proxied(expected));
        assert_eq!(decoded.consumed, input.len());
    }

    #[test]
    fn addresses_are_read() {
        check("PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n", "192.0.2.1:50000", "198.51.100.2:443");
        check("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "[2001:db8::1]:1", "[::1]:65535");
        check("PROXY TCP4 0.0.0.0 255.255.255.255 0 0\r\n", "0.0.0.0:0", "255.255.255.255:0");
    }

    #[test]
    fn unknown_is_read_up_to_the_line_end() {
        for input in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN ffff:f...f ::1 what +1 ever\r\n"] {
            let decoded = decode(input.as_bytes()).unwrap().unwrap();
            assert_eq!((decoded.header.origin, decoded.consumed), (Origin::Socket, input.len()));
        }
    }

    #[test]
    fn anything_looser_is_refused() {
        for input in [
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000  443\r\n",
            "PROXY  TCP4 192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000 443 7\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +5000 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 05000 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 50000 443\r\n",
            "PROXY TCP4 192.0.2 198.51.100.2 50000 443\r\n",
            "PROXY TCP4 2001:db8::1 ::1 50000 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY TCP6 fe80::1%eth0 ::1 50000 443\r\n",
            "PROXY TCP5 192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY UNKNOWNS\r\n",
            "PROXY TCP4\t192.0.2.1 198.51.100.2 50000 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 50000 4\r43\r\n",
        ] {
            assert!(matches!(decode(input.as_bytes()), Err(DecodeError::V1(_))), "{input:?}");
        }
    }

    #[test]
    fn a_header_longer_than_107_bytes_is_refused() {
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 16));
        assert_eq!(decode(longest.as_bytes()).unwrap().unwrap().consumed, V1_MAX);
        let over = format!("PROXY UNKNOWN {}\r\n", "x".repeat(V1_MAX - 15));
        assert!(decode(over.as_bytes()).is_err());
        assert!(decode(&over.as_bytes()[..V1_MAX]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(source: SocketAddr, destination: SocketAddr) {
            let bytes = encode(Some(&Addresses { source, destination }));
            prop_assert!(bytes.len() <= V1_MAX);
            let decoded = decode(&bytes).unwrap().unwrap();
            let Origin::Proxied(read) = decoded.header.origin else { panic!("no addresses") };
            prop_assert_eq!(mapped(read.source.ip()), mapped(source.ip()));
            prop_assert_eq!(mapped(read.destination.ip()), mapped(destination.ip()));
            prop_assert_eq!((read.source.port(), read.destination.port()), (source.port(), destination.port()));
        }

        #[test]
        fn no_text_panics(text in "PROXY (TCP4|TCP6|UNKNOWN)?[ -~\r\n]{0,120}") {
            let _ = decode(text.as_bytes());
        }
    }
}
