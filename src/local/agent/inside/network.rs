//! The network of an instance: its own loopback, on which every address of the VPC is its own.
//!
//! Messages as in rtnetlink(7), written by hand: two of them are all that is needed.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;

use ipnet::Ipv4Net;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const RT_TABLE_LOCAL: u8 = 255;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_HOST: u8 = 254;
const RTN_LOCAL: u8 = 2;
/// The loopback's index in a new network namespace: it is the first link.
const LOOPBACK: u32 = 1;

/// Brings the loopback up and makes all of `network` this machine's own.
pub(super) fn set_up(network: Ipv4Net) -> io::Result<()> {
    request(RTM_NEWLINK, 0, &link_up())?;
    request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &local_route(network.network(), network.prefix_len()))
}

/// `struct ifinfomsg`: the link, its flags, and which of them change.
fn link_up() -> Vec<u8> {
    let mut body = vec![AF_UNSPEC, 0, 0, 0];
    for word in [LOOPBACK, IFF_UP, IFF_UP] {
        body.extend(word.to_ne_bytes());
    }
    body
}

/// `struct rtmsg` and its attributes.
fn local_route(network: Ipv4Addr, prefix: u8) -> Vec<u8> {
    let mut body = vec![AF_INET, prefix, 0, 0, RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL];
    body.extend(0_u32.to_ne_bytes());
    for (kind, value) in [(RTA_DST, network.octets()), (RTA_OIF, LOOPBACK.to_ne_bytes())] {
        body.extend(8_u16.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
    }
    body
}

/// Sends one request and waits for the kernel's word.
fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let route = Some(SockProtocol::NetlinkRoute);
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, route)?;
    let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend_from_slice(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let count = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let answer = answer.get(..count).unwrap_or_default();
    let kind = answer.get(4..).and_then(<[u8]>::first_chunk).copied().map(u16::from_ne_bytes);
    let error = answer.get(16..).and_then(<[u8]>::first_chunk).copied().map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(error)) => Err(io::Error::from_raw_os_error(error.saturating_neg())),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
