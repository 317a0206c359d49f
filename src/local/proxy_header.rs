//! The PROXY v2 header as Network Load Balancers send it. Pure.
//!
//! Every one is 100 bytes long: after the addresses, if there are any, come a checksum and NOOP up to the end.
//! That of a health check is LOCAL, of the family TCP over IPv4, and has no addresses at all, which readers must
//! not look for (the specification's section 2.2; packets as captured in
//! <https://github.com/kubernetes/kubernetes/issues/57250>).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::proxy::proxy_protocol::tlv_kind;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// What the length field says of each header, and where the rest begins.
const LENGTH: u16 = 84;
const PREAMBLE: usize = 16;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The header of a client's connection: who it is, and where it connected to.
pub(crate) fn of_client(client: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let mut addresses = Vec::with_capacity(36);
    let family = match (client.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            addresses.extend_from_slice(&from.octets());
            addresses.extend_from_slice(&to.octets());
            TCP4
        }
        (from, to) => {
            addresses.extend_from_slice(&mapped(from).octets());
            addresses.extend_from_slice(&mapped(to).octets());
            TCP6
        }
    };
    addresses.extend_from_slice(&client.port().to_be_bytes());
    addresses.extend_from_slice(&destination.port().to_be_bytes());
    header(PROXY, family, &addresses)
}

/// The header of a health check.
pub(crate) fn of_health_check() -> Vec<u8> {
    header(LOCAL, TCP4, &[])
}

fn header(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let end = PREAMBLE + usize::from(LENGTH);
    let mut header = Vec::with_capacity(end);
    header.extend_from_slice(&SIGNATURE);
    header.extend_from_slice(&[command, family]);
    header.extend_from_slice(&LENGTH.to_be_bytes());
    header.extend_from_slice(addresses);
    header.extend_from_slice(&[tlv_kind::CRC32C, 0, 4]);
    let checksum = header.len();
    header.extend_from_slice(&[0; 4]);
    // What is left is some tens of bytes in either family.
    let padding = u16::try_from(end - header.len() - 3).unwrap_or_default();
    header.push(tlv_kind::NOOP);
    header.extend_from_slice(&padding.to_be_bytes());
    header.resize(end, 0);
    let sum = crc32c::crc32c(&header).to_be_bytes();
    if let Some(field) = header.get_mut(checksum..checksum + sum.len()) {
        field.copy_from_slice(&sum);
    }
    header
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::proxy_protocol::{Addresses, Origin, Versions, decode};

    #[test]
    fn a_health_checks_header_is_the_captured_one() {
        let mut captured =
            b"\r\n\r\n\0\r\nQUIT\n\x20\x11\x00\x54\x03\x00\x04\xbc\xe5\x95\x1f\x04\x00\x4a".to_vec();
        captured.resize(100, 0);
        assert_eq!(of_health_check(), captured);
    }

    #[test]
    fn a_clients_header_has_its_addresses_in_either_family() {
        for (source, destination) in
            [("192.0.2.1:50000", "198.51.100.2:443"), ("[2001:db8::1]:50000", "[2001:db8::2]:443")]
        {
            let pair =
                Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
            let header = of_client(pair.source, pair.destination);
            assert_eq!(header.len(), 100);
            let decoded = decode(&header, Versions::V2).unwrap().unwrap();
            assert_eq!((decoded.header.origin, decoded.consumed), (Origin::Proxied(pair), 100));
        }
    }
}
