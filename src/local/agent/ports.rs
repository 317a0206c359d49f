//! Who listens, as the kernel's tables of TCP sockets have it. Pure but for [`listening`].

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

/// The state of a socket that listens (`TCP_LISTEN` of the kernel).
const LISTEN: &str = "0A";

/// The addresses of this network namespace at which something listens, as IPv4 reaches them.
pub(super) fn listening() -> BTreeSet<SocketAddrV4> {
    let mut found = BTreeSet::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        // Without IPv6 there is no second table.
        found.extend(std::fs::read_to_string(table).unwrap_or_default().lines().filter_map(listener));
    }
    found
}

/// The listener of a line: `sl local_address rem_address st …`, the address in the machine's byte order.
fn listener(line: &str) -> Option<SocketAddrV4> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let local = columns.next()?;
    if columns.nth(1)? != LISTEN {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    let address = match address.len() {
        8 => Ipv4Addr::from(word(address)?),
        // `::` takes IPv4 as well, unless it was told not to, which is not seen here; `::ffff:a.b.c.d` is IPv4.
        32 => match address.split_at(24) {
            ("000000000000000000000000", "00000000") => Ipv4Addr::UNSPECIFIED,
            (prefix, last) if word(prefix.get(16..)?)? == [0, 0, 0xff, 0xff] => Ipv4Addr::from(word(last)?),
            _ => return None,
        },
        _ => return None,
    };
    Some(SocketAddrV4::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_and_nothing_else() {
        // As an x86 prints them; the address's words are in the machine's order.
        let lines = [
            ("   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000", Some("127.0.0.1:80")),
            ("   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000", Some("0.0.0.0:8080")),
            ("   2: 0100007F:0050 0100007F:D2F0 01 00000000:00000000 00:00000000", None),
            (
                "   3: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0",
                Some("0.0.0.0:22"),
            ),
            (
                "   4: 0000000000000000FFFF00000100007F:0016 00000000000000000000000000000000:0000 0A 0",
                Some("127.0.0.1:22"),
            ),
            ("   5: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 0", None),
            ("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt", None),
        ];
        if cfg!(target_endian = "little") {
            for (line, expected) in lines {
                assert_eq!(listener(line).map(|found| found.to_string()).as_deref(), expected, "{line}");
            }
        }
    }

    #[test]
    fn this_machines_listeners_are_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        assert!(listening().contains(&address));
    }
}
