//! What the two sides of an agent say to each other, over a socket pair; descriptors travel beside the messages.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

/// What the inside is to be; given on the command line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The directory with the instance's own files.
    pub(super) files: PathBuf,
    /// The instance's address inside, in the network.
    pub(super) address: Ipv4Addr,
    /// The VPC's addresses.
    pub(super) network: Ipv4Net,
}

/// What the outside asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// With two descriptors: where the script's standard output and standard error go.
    Run { id: u64, text: String, environment: BTreeMap<String, String>, directory: Option<PathBuf> },
    /// Kills the script's process group.
    Kill { id: u64 },
    /// Asks for a connection to something inside, from an address of the network.
    Connect { id: u64, to: SocketAddrV4, from: Ipv4Addr },
    /// Asks for a listener on that port of the inside's loopback.
    Listen { port: u16 },
}

/// What the inside says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It is isolated and takes orders.
    Ready,
    /// It cannot be isolated, and has ended.
    Failed { reason: String },
    /// Everything that may be reached from other machines listens at these; said at once and at every change.
    Ports(Vec<SocketAddrV4>),
    /// The script's process has ended, by a signal if the code is above 128.
    Ended { id: u64, code: i32 },
    /// With a descriptor: a socket that connects, or has connected.
    Connected { id: u64 },
    /// It cannot even begin to connect.
    Refused { id: u64 },
    /// With a descriptor: the listener.
    Listening { port: u16 },
    /// The port is taken inside.
    Taken { port: u16 },
}
