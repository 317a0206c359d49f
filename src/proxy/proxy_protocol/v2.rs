//! Version 2, the binary form: signature, command, family, length, addresses, TLVs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, DecodeError, Decoded, Form, Header, Origin, Tlv, V2_MAX, v1};

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const PREAMBLE: usize = 16;
const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The TLV types that mean something to this proxy (specification, section 2.2).
pub mod tlv_kind {
    /// The application protocol negotiated in TLS.
    pub const ALPN: u8 = 0x01;
    /// The host name that the client asked for.
    pub const AUTHORITY: u8 = 0x02;
    /// A CRC32C over the whole header.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// An opaque id of the connection, at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// What the sender knows of the client's TLS.
    pub const SSL: u8 = 0x20;
    /// A network namespace.
    pub const NETNS: u8 = 0x30;
    /// AWS: a subtype byte, then its value.
    pub const AWS: u8 = 0xEA;
}

pub(super) fn decode(input: &[u8]) -> Result<Option<Decoded>, DecodeError> {
    // The command is judged as soon as it is there, so that garbage is not waited upon.
    let command = match input.get(12) {
        None => return Ok(None),
        Some(&byte @ (LOCAL | PROXY)) => byte,
        Some(_) => return Err(DecodeError::V2("a version or command other than LOCAL and PROXY")),
    };
    let Some(&[_, family, high, low]) = input.get(12..PREAMBLE).and_then(|four| four.first_chunk::<4>())
    else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let total = PREAMBLE + length;
    if total > V2_MAX {
        return Err(DecodeError::V2("longer than 4096 bytes"));
    }
    let Some(header) = input.get(..total) else { return Ok(None) };
    let body = header.get(PREAMBLE..).unwrap_or_default();
    let (form, origin, tlvs) = if command == LOCAL {
        // NLB health checks send LOCAL with a family but no addresses: nothing in it may be decoded.
        (Form::Local, Origin::Socket, Vec::new())
    } else {
        let (origin, rest) = addresses(family, body)?;
        let tlvs = split_tlvs(rest)?;
        check_tlvs(header, &tlvs)?;
        (Form::V2, origin, tlvs)
    };
    Ok(Some(Decoded { header: Header { origin, tlvs }, form, consumed: total }))
}

fn addresses(family: u8, body: &[u8]) -> Result<(Origin, &[u8]), DecodeError> {
    let short = DecodeError::V2("shorter than its addresses");
    match family {
        0x00 => Ok((Origin::Socket, body)),
        0x11 => {
            let (block, rest) = body.split_first_chunk::<12>().ok_or(short)?;
            let (source, after) = block.split_first_chunk::<4>().ok_or(short)?;
            let (destination, ports) = after.split_first_chunk::<4>().ok_or(short)?;
            let ports = *ports.first_chunk::<4>().ok_or(short)?;
            let (source, destination) = (Ipv4Addr::from(*source), Ipv4Addr::from(*destination));
            Ok((Origin::Proxied(pair(source.into(), destination.into(), ports)), rest))
        }
        0x21 => {
            let (source, rest) = body.split_first_chunk::<16>().ok_or(short)?;
            let (destination, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
            let (ports, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
            let source = IpAddr::V6(Ipv6Addr::from(*source));
            let destination = IpAddr::V6(Ipv6Addr::from(*destination));
            Ok((Origin::Proxied(pair(source, destination, *ports)), rest))
        }
        // Two unix paths: nothing that a forwarded header could say.
        0x31 => Ok((Origin::Socket, body.get(216..).ok_or(short)?)),
        _ => Err(DecodeError::V2("an address family or transport other than a stream's")),
    }
}

fn pair(source: IpAddr, destination: IpAddr, ports: [u8; 4]) -> Addresses {
    let [a, b, c, d] = ports;
    Addresses {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    }
}

fn split_tlvs(mut rest: &[u8]) -> Result<Vec<Tlv>, DecodeError> {
    let overrun = DecodeError::V2("a TLV that runs over the header's end");
    let mut tlvs = Vec::new();
    while !rest.is_empty() {
        let (&[kind, high, low], after) = rest.split_first_chunk::<3>().ok_or(overrun)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, after) = after.split_at_checked(length).ok_or(overrun)?;
        tlvs.push(Tlv { kind, value: value.to_vec() });
        rest = after;
    }
    Ok(tlvs)
}

fn check_tlvs(header: &[u8], tlvs: &[Tlv]) -> Result<(), DecodeError> {
    if tlvs.iter().any(|tlv| tlv.kind == tlv_kind::UNIQUE_ID && tlv.value.len() > 128) {
        return Err(DecodeError::V2("a UNIQUE_ID longer than 128 bytes"));
    }
    let size = |tlv: &Tlv| 3 + tlv.value.len();
    let mut at = header.len() - tlvs.iter().map(size).sum::<usize>();
    let mut seen = false;
    for tlv in tlvs {
        if tlv.kind == tlv_kind::CRC32C {
            let sent = <[u8; 4]>::try_from(tlv.value.as_slice());
            let sent = u32::from_be_bytes(sent.map_err(|_| DecodeError::V2("a CRC32C not of four bytes"))?);
            if std::mem::replace(&mut seen, true) {
                return Err(DecodeError::V2("two CRC32C"));
            }
            if checksum(header, at + 3) != sent {
                return Err(DecodeError::Checksum);
            }
        }
        at += size(tlv);
    }
    Ok(())
}

/// CRC32C of the header with the four bytes at `field` taken as zero.
fn checksum(header: &[u8], field: usize) -> u32 {
    let before = crc32c::crc32c(header.get(..field).unwrap_or_default());
    let zeroed = crc32c::crc32c_append(before, &[0; 4]);
    crc32c::crc32c_append(zeroed, header.get(field + 4..).unwrap_or_default())
}

/// Encodes a version 2 header: PROXY with addresses, or LOCAL for [`Origin::Socket`].
///
/// `checksum` appends a CRC32C. `None` when the TLVs do not fit the 16-bit length.
#[must_use]
pub fn encode(origin: &Origin, tlvs: &[Tlv], with_checksum: bool) -> Option<Vec<u8>> {
    let mut out = SIGNATURE.to_vec();
    match origin {
        Origin::Socket => out.extend_from_slice(&[LOCAL, 0x00, 0, 0]),
        Origin::Proxied(Addresses { source, destination }) => {
            match (source.ip(), destination.ip()) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    out.extend_from_slice(&[PROXY, 0x11, 0, 0]);
                    out.extend_from_slice(&from.octets());
                    out.extend_from_slice(&to.octets());
                }
                (from, to) => {
                    out.extend_from_slice(&[PROXY, 0x21, 0, 0]);
                    out.extend_from_slice(&v1::mapped(from).octets());
                    out.extend_from_slice(&v1::mapped(to).octets());
                }
            }
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&destination.port().to_be_bytes());
        }
    }
    for tlv in tlvs {
        out.push(tlv.kind);
        out.extend_from_slice(&u16::try_from(tlv.value.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&tlv.value);
    }
    if with_checksum {
        out.extend_from_slice(&[tlv_kind::CRC32C, 0, 4, 0, 0, 0, 0]);
    }
    let length = u16::try_from(out.len() - PREAMBLE).ok()?.to_be_bytes();
    out.get_mut(14..PREAMBLE)?.copy_from_slice(&length);
    if with_checksum {
        let crc = crc32c::crc32c(&out).to_be_bytes();
        let field = out.len() - 4;
        out.get_mut(field..)?.copy_from_slice(&crc);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xC3, 0x50, 1, 187];

    #[test]
    fn ipv4_addresses_are_read() {
        let decoded = decode(&with(PROXY, 0x11, &V4)).unwrap().unwrap();
        let expected = Addresses {
            source: "192.0.2.1:50000".parse().unwrap(),
            destination: "198.51.100.2:443".parse().unwrap(),
        };
        assert_eq!(decoded.header.origin, Origin::Proxied(expected));
    }

    #[test]
    fn local_with_a_family_but_no_addresses_is_a_health_check() {
        // As real NLB health checks are: TLVs begin where the addresses would be.
        let input = with(LOCAL, 0x11, &[0x03, 0, 4, 1, 2, 3, 4]);
        let decoded = decode(&input).unwrap().unwrap();
        assert_eq!((decoded.header.origin, decoded.consumed), (Origin::Socket, input.len()));
        assert!(decode(&with(LOCAL, 0xFF, &[])).unwrap().is_some());
    }

    #[test]
    fn anything_looser_is_refused() {
        let long_id = [&V4[..], &[tlv_kind::UNIQUE_ID, 0, 129], &[7; 129]].concat();
        for input in [
            with(0x11, 0x11, &V4),
            with(0x22, 0x11, &V4),
            with(0x31, 0x11, &V4),
            with(PROXY, 0x12, &V4),
            with(PROXY, 0x41, &V4),
            with(PROXY, 0x11, &V4[..11]),
            with(PROXY, 0x21, &V4),
            with(PROXY, 0x31, &[0; 215]),
            with(PROXY, 0x11, &[&V4[..], &[4, 0]].concat()),
            with(PROXY, 0x11, &[&V4[..], &[4, 0, 1]].concat()),
            with(PROXY, 0x11, &[&V4[..], &[4, 255, 255, 0]].concat()),
            with(PROXY, 0x11, &[&V4[..], &[3, 0, 3, 0, 0, 0]].concat()),
            with(PROXY, 0x11, &long_id),
            with(LOCAL, 0x00, &[0; V2_MAX]),
        ] {
            assert!(matches!(decode(&input), Err(DecodeError::V2(_))), "{input:?}");
        }
    }

    #[test]
    fn a_flipped_bit_fails_the_checksum() {
        let origin = Origin::Proxied(Addresses {
            source: "192.0.2.1:50000".parse().unwrap(),
            destination: "198.51.100.2:443".parse().unwrap(),
        });
        let good = encode(&origin, &[Tlv { kind: tlv_kind::NOOP, value: vec![0; 9] }], true).unwrap();
        assert!(decode(&good).unwrap().is_some());
        // Addresses, the padding's value and the checksum itself; lengths and types fail in other ways.
        for at in (16..28).chain(31..40).chain(43..47) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad), Err(DecodeError::Checksum), "byte {at}");
        }
    }

    #[test]
    fn the_checksum_matches_a_known_value() {
        // CRC32C of "123456789" (RFC 3720, B.4 gives the polynomial).
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn the_vpc_endpoint_id_is_read() {
        let tlv = [&V4[..], &[tlv_kind::AWS, 0, 9, 1], b"vpce-0a1"].concat();
        let decoded = decode(&with(PROXY, 0x11, &tlv)).unwrap().unwrap();
        assert_eq!(decoded.header.vpc_endpoint_id(), Some("vpce-0a1"));
        let forged = [&V4[..], &[tlv_kind::AWS, 0, 9, 1], b"vp\r\n: x1"].concat();
        assert_eq!(decode(&with(PROXY, 0x11, &forged)).unwrap().unwrap().header.vpc_endpoint_id(), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(
            source: SocketAddr,
            destination: SocketAddr,
            values in prop::collection::vec((0x10u8.., prop::collection::vec(any::<u8>(), 0..100)), 0..6),
            with_checksum: bool,
        ) {
            let tlvs: Vec<Tlv> = values.into_iter().map(|(kind, value)| Tlv { kind, value }).collect();
            let origin = Origin::Proxied(Addresses { source, destination });
            let bytes = encode(&origin, &tlvs, with_checksum).unwrap();
            let decoded = decode(&bytes).unwrap().unwrap();
            prop_assert_eq!(decoded.consumed, bytes.len());
            let Origin::Proxied(read) = decoded.header.origin else { panic!("no addresses") };
            prop_assert_eq!(v1::mapped(read.source.ip()), v1::mapped(source.ip()));
            prop_assert_eq!(read.destination.port(), destination.port());
            prop_assert_eq!(&decoded.header.tlvs[..tlvs.len()], &tlvs[..]);
        }

        #[test]
        fn no_bytes_panic(command in 0x1Fu8..0x23, family: u8, body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&with(command, family, &body));
        }
    }
}
