//! Who listens, by the kernel's socket diagnostics (`sock_diag(7)`), or else by its tables of TCP sockets. The readers
//! of both are pure.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use nix::libc::{AF_INET, AF_INET6, IPPROTO_TCP};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

/// The state of a socket that listens (`TCP_LISTEN` of the kernel), in the tables and as a number.
const LISTEN: &str = "0A";
const TCP_LISTEN: u32 = 10;
/// `SOCK_DIAG_BY_FAMILY`, the request and each of its answers.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const ALL: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Of a netlink message's header, and of the request after it (`inet_diag_req_v2`).
const HEADER: usize = 16;
const REQUEST: usize = 56;
/// The kernel answers in pieces of 32 KiB at most.
const PIECE: usize = 64 << 10;

/// The addresses of this network namespace at which something listens, as IPv4 reaches them.
///
/// The tables hold every connection, too, and to go through those takes tens of milliseconds where there are many.
pub(super) fn listening() -> BTreeSet<SocketAddrV4> {
    diagnosed().unwrap_or_else(|_| tabled())
}

fn diagnosed() -> io::Result<BTreeSet<SocketAddrV4>> {
    let mut found = BTreeSet::new();
    ask(AF_INET, &mut found)?;
    // Without IPv6 there is nobody to answer.
    let _ = ask(AF_INET6, &mut found);
    Ok(found)
}

fn tabled() -> BTreeSet<SocketAddrV4> {
    let mut found = BTreeSet::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        // The same: then there is no second table.
        found.extend(std::fs::read_to_string(table).unwrap_or_default().lines().filter_map(listener));
    }
    found
}

/// Asks the kernel for the listening sockets of a family of addresses.
fn ask(family: i32, found: &mut BTreeSet<SocketAddrV4>) -> io::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    let mut socket = File::from(socket);
    socket.write_all(&request(family))?;
    let mut piece = vec![0; PIECE];
    loop {
        let length = socket.read(&mut piece)?;
        if read_piece(piece.get(..length).unwrap_or_default(), found)? {
            return Ok(());
        }
    }
}

fn request(family: i32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(u32::try_from(HEADER + REQUEST).unwrap_or_default().to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(ALL.to_ne_bytes());
    bytes.resize(HEADER, 0);
    // Both are small numbers of the kernel's.
    bytes.extend([family, IPPROTO_TCP].map(|number| u8::try_from(number).unwrap_or_default()));
    bytes.extend([0, 0]);
    bytes.extend((1_u32 << TCP_LISTEN).to_ne_bytes());
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}

/// Takes the listeners of a piece of the answer; true where it is the last.
fn read_piece(mut piece: &[u8], found: &mut BTreeSet<SocketAddrV4>) -> io::Result<bool> {
    let malformed = || io::Error::from(io::ErrorKind::InvalidData);
    if piece.is_empty() {
        return Err(malformed());
    }
    while let Some((length, rest)) = piece.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_ne_bytes(*length)).map_err(|_| malformed())?;
        let kind = rest.first_chunk::<2>().ok_or_else(malformed)?;
        let body = piece.get(HEADER..length).ok_or_else(malformed)?;
        match u16::from_ne_bytes(*kind) {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => return Err(malformed()),
            _ => found.extend(diagnosis(body)),
        }
        // Messages begin at multiples of four.
        piece = piece.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The listener of an `inet_diag_msg`: family, state, timer, retransmissions, then `inet_diag_sockid`, of which the
/// first are the ports and the own address, in network byte order.
fn diagnosis(body: &[u8]) -> Option<SocketAddrV4> {
    let family = i32::from(*body.first()?);
    let port = u16::from_be_bytes(*body.get(4..)?.first_chunk()?);
    let address = body.get(8..24)?;
    let address = match family {
        AF_INET => Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        AF_INET6 => Ipv6Addr::from(*address.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddrV4::new(as_ipv4(address)?, port))
}

/// `::` takes IPv4 as well, unless it was told not to, which is not looked at; `::ffff:a.b.c.d` is IPv4.
fn as_ipv4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Some(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(address) => address.to_ipv4_mapped(),
    }
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
        32 => {
            let mut bytes = Vec::with_capacity(16);
            for at in (0..32).step_by(8) {
                bytes.extend(word(address.get(at..at + 8)?)?);
            }
            as_ipv4(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into())?
        }
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
    fn this_machines_listeners_are_found_both_ways() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(address) = listener.local_addr().unwrap() else { unreachable!() };
        let connected = std::net::TcpStream::connect(address).unwrap();
        let std::net::SocketAddr::V4(own) = connected.local_addr().unwrap() else { unreachable!() };
        for found in [diagnosed().unwrap(), tabled()] {
            assert!(found.contains(&address) && !found.contains(&own), "{found:?}");
        }
        if let Ok(every) = std::net::TcpListener::bind("[::]:0") {
            let every = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, every.local_addr().unwrap().port());
            assert!(diagnosed().unwrap().contains(&every) == tabled().contains(&every));
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_is_no_answer() {
        let mut message = Vec::from(88_u32.to_ne_bytes());
        message.extend(BY_FAMILY.to_ne_bytes());
        message.resize(HEADER, 0);
        message.extend([2, 10, 0, 0, 0x1f, 0x90, 0, 0, 127, 0, 0, 1]);
        message.resize(88, 0);
        let mut found = BTreeSet::new();
        assert!(!read_piece(&message, &mut found).unwrap());
        assert_eq!(found, BTreeSet::from(["127.0.0.1:8080".parse().unwrap()]));
        for end in 4..message.len() {
            assert!(read_piece(&message[..end], &mut BTreeSet::new()).is_err(), "{end}");
        }
        message[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        assert!(read_piece(&message, &mut found).is_err());
        assert!(read_piece(&[], &mut found).is_err());
    }
}
