//! Fronts, the listeners of load balancers, and which sockets are theirs. Pure.
//!
//! Every load balancer has an address of its own. `localhost` is the first one's that has a listener of the
//! port: browsers and resolvers take every name below `.localhost` to be there (RFC 6761, section 6.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use time::OffsetDateTime;

use crate::local::state::State;
use crate::local::state::elbv2::{Kind, Protocol};
use crate::local::state::{elb, elbv2};

/// A listener, as far as a change makes it another one that drops the connections of the old.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Front {
    pub(super) region: String,
    /// The load balancer's name.
    pub(super) name: String,
    /// Tells load balancers of one name apart, of which one came after the other.
    pub(super) dns_name: String,
    /// The port as clients know it, without the offset.
    pub(super) port: u16,
    pub(super) family: Family,
}

/// Which kind of load balancer a front belongs to, and what makes its listener another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// A Classic one.
    Classic {
        /// Whether requests are understood, or bytes carried.
        is_http: bool,
        is_secure: bool,
        instance_port: u16,
    },
    /// An Application one, with the listener's ARN.
    Application { listener: String, is_secure: bool },
    /// A Network one, with the listener's ARN.
    Network { listener: String, is_secure: bool },
}

/// A front at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) front: Front,
    /// Whether the address is the load balancer's own.
    pub(super) own: bool,
}

/// A front, the address that its load balancer has to itself, and since when.
struct Claim {
    created_at: OffsetDateTime,
    address: Ipv4Addr,
    front: Front,
}

impl Front {
    /// Whether clients begin with a TLS handshake.
    pub(super) fn is_secure(&self) -> bool {
        match self.family {
            Family::Classic { is_secure, .. }
            | Family::Application { is_secure, .. }
            | Family::Network { is_secure, .. } => is_secure,
        }
    }
}

/// The sockets that the state calls for. Who holds a port of localhost keeps it while it has a listener for it.
pub(super) fn seats(
    state: &State,
    offset: u16,
    held: &BTreeMap<SocketAddr, Front>,
) -> BTreeMap<SocketAddr, Seat> {
    let mut seats = BTreeMap::new();
    let mut claims: BTreeMap<u16, Vec<(OffsetDateTime, Front)>> = BTreeMap::new();
    for Claim { created_at, address, front } in all(state) {
        // A port that the offset lifts beyond the last one has no place on this machine.
        let Some(port) = front.port.checked_add(offset) else { continue };
        let address = SocketAddr::new(IpAddr::V4(address), port);
        seats.insert(address, Seat { front: front.clone(), own: true });
        claims.entry(port).or_default().push((created_at, front));
    }
    for (port, mut claims) in claims {
        claims.sort();
        for localhost in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let address = SocketAddr::new(localhost, port);
            let holder = held.get(&address);
            let kept = claims.iter().find(|(_, front)| Some(front) == holder);
            if let Some((_, front)) = kept.or_else(|| claims.first()) {
                seats.entry(address).or_insert_with(|| Seat { front: front.clone(), own: false });
            }
        }
    }
    seats
}

/// Every front of the account.
fn all(state: &State) -> Vec<Claim> {
    let mut all = Vec::new();
    for (region, of_region) in &state.regions {
        for load_balancer in of_region.elb.load_balancers.values() {
            all.extend(classic(region, load_balancer));
        }
        for load_balancer in of_region.elbv2.load_balancers.values() {
            all.extend(v2(region, load_balancer));
        }
    }
    all
}

fn classic(region: &str, load_balancer: &elb::LoadBalancer) -> impl Iterator<Item = Claim> {
    load_balancer.listeners.iter().map(move |(port, listener)| Claim {
        created_at: load_balancer.created_at,
        address: load_balancer.address,
        front: Front {
            region: region.to_owned(),
            name: load_balancer.name.clone(),
            dns_name: load_balancer.dns_name.clone(),
            port: *port,
            family: Family::Classic {
                is_http: listener.protocol.is_http(),
                is_secure: listener.protocol.is_secure(),
                instance_port: listener.instance_port,
            },
        },
    })
}

fn v2(region: &str, load_balancer: &elbv2::LoadBalancer) -> impl Iterator<Item = Claim> {
    load_balancer.listeners.values().filter_map(move |listener| {
        let (arn, is_secure) = (listener.arn.clone(), listener.protocol.is_secure());
        let family = match (load_balancer.kind, listener.protocol) {
            (Kind::Network, Protocol::Tcp | Protocol::Tls | Protocol::TcpUdp) => {
                Family::Network { listener: arn, is_secure }
            }
            (Kind::Application, Protocol::Http | Protocol::Https) => {
                Family::Application { listener: arn, is_secure }
            }
            // Datagrams are not carried.
            (Kind::Network, Protocol::Udp | Protocol::Http | Protocol::Https)
            | (Kind::Application, Protocol::Tcp | Protocol::Tls | Protocol::Udp | Protocol::TcpUdp) => {
                return None;
            }
        };
        Some(Claim {
            created_at: load_balancer.created_at,
            address: load_balancer.address,
            front: Front {
                region: region.to_owned(),
                name: load_balancer.name.clone(),
                dns_name: load_balancer.dns_name.clone(),
                port: listener.port,
                family,
            },
        })
    })
}
