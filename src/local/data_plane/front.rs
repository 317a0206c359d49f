//! Fronts, the listeners of load balancers, and which sockets are theirs. Pure.
//!
//! Every load balancer has an address of its own. `localhost` is the first one's that has a listener of the
//! port: browsers and resolvers take every name below `.localhost` to be there (RFC 6761, section 6.3).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use time::OffsetDateTime;

use crate::local::state::State;
use crate::local::state::elb::LoadBalancer;

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
    /// Whether requests are understood, or bytes carried.
    pub(super) is_http: bool,
    pub(super) is_secure: bool,
    pub(super) instance_port: u16,
}

/// A front at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) front: Front,
    /// Whether the address is the load balancer's own.
    pub(super) own: bool,
}

impl Front {
    fn of(region: &str, load_balancer: &LoadBalancer, port: u16) -> Option<Self> {
        let listener = load_balancer.listeners.get(&port)?;
        Some(Self {
            region: region.to_owned(),
            name: load_balancer.name.clone(),
            dns_name: load_balancer.dns_name.clone(),
            port,
            is_http: listener.protocol.is_http(),
            is_secure: listener.protocol.is_secure(),
            instance_port: listener.instance_port,
        })
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
    for (region, of_region) in &state.regions {
        for load_balancer in of_region.elb.load_balancers.values() {
            for port in load_balancer.listeners.keys() {
                let front = Front::of(region, load_balancer, *port);
                // A port that the offset lifts beyond the last one has no place on this machine.
                let Some((front, port)) = front.zip(port.checked_add(offset)) else { continue };
                let address = SocketAddr::new(IpAddr::V4(load_balancer.address), port);
                seats.insert(address, Seat { front: front.clone(), own: true });
                claims.entry(port).or_default().push((load_balancer.created_at, front));
            }
        }
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
