//! The ports of an instance, both ways: who listens inside is found at the instance's address on this machine, and who
//! listens there on this machine is found inside. Owns the listeners and the relays between the two.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::running::Link;
use super::{Host, Terms, ports};
use crate::local::state::ec2::inside_address;
use crate::proxy::stream::Transport as _;
use crate::proxy::tunnel::{Registry, Relay};

/// How long connecting on one machine may take; longer only where nobody accepts.
const CONNECT: Duration = Duration::from_secs(10);
/// The pause after a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The ports of one instance; all its listeners and connections end when it is dropped.
pub(super) struct Mirror {
    host: Host,
    port_offset: u16,
    /// Where the local AWS serves.
    endpoint: Option<SocketAddrV4>,
    messages: Option<UnboundedSender<String>>,
    link: Arc<Link>,
    registry: Arc<Registry>,
    /// Where something inside listens, by port.
    inside: BTreeMap<u16, SocketAddrV4>,
    /// The ports of the inside that are open on this machine; an end of each stops it.
    exposed: BTreeMap<u16, oneshot::Sender<()>>,
    /// Those that could not be opened, of which people were told.
    refused: BTreeSet<u16>,
    /// The ports of this machine that are open inside, by the port there.
    admitted: BTreeMap<u16, Admitted>,
    serving: JoinSet<()>,
}

/// A port of this machine that is open inside, or asked for.
struct Admitted {
    outside: SocketAddrV4,
    stop: Option<oneshot::Sender<()>>,
}

impl Mirror {
    pub(super) fn new(terms: &Terms, host: &Host, link: &Arc<Link>) -> Self {
        let endpoint = terms.endpoint.and_then(|endpoint| match endpoint {
            SocketAddr::V4(endpoint) => Some(endpoint),
            SocketAddr::V6(_) => None,
        });
        Self {
            host: host.clone(),
            port_offset: terms.port_offset,
            endpoint,
            messages: terms.messages.clone(),
            link: Arc::clone(link),
            registry: Arc::default(),
            inside: BTreeMap::new(),
            exposed: BTreeMap::new(),
            refused: BTreeSet::new(),
            admitted: BTreeMap::new(),
            serving: JoinSet::new(),
        }
    }

    /// Opens the ports on this machine that something inside listens on, and no others.
    pub(super) fn follow_inside(&mut self, listening: &[SocketAddrV4]) {
        self.inside.clear();
        for at in listening {
            let own = inside_address(self.host.network, self.host.address);
            let at = if at.ip().is_unspecified() { SocketAddrV4::new(own, at.port()) } else { *at };
            self.inside.entry(at.port()).or_insert(at);
        }
        let inside = &self.inside;
        self.exposed.retain(|port, _| inside.contains_key(port));
        self.refused.retain(|port| inside.contains_key(port));
        self.open();
    }

    /// Opens what is not open yet: a port that was taken may be free by now.
    fn open(&mut self) {
        for (port, to) in self.inside.clone() {
            if self.exposed.contains_key(&port) {
                continue;
            }
            match self.bind(port) {
                Ok(listener) => {
                    let (stop, stopped) = oneshot::channel();
                    self.exposed.insert(port, stop);
                    let (link, network) = (Arc::clone(&self.link), self.host.network);
                    let accepting = Accepting { listener, stopped, registry: Arc::clone(&self.registry) };
                    self.serving.spawn(accepting.run(move |peer| {
                        let link = Arc::clone(&link);
                        async move { connect_inside(&link, to, seen_inside(network, peer)).await }
                    }));
                }
                Err(error) => {
                    if self.refused.insert(port)
                        && let Some(messages) = &self.messages
                    {
                        let at = self.host.address;
                        let lifted = u32::from(port) + u32::from(self.port_offset);
                        let message = format!(
                            "instance {}: port {port} cannot be opened at {at}:{lifted}: {error}",
                            self.host.id
                        );
                        // Who prints them may have ended.
                        let _ = messages.send(message);
                    }
                }
            }
        }
    }

    fn bind(&self, port: u16) -> io::Result<TcpListener> {
        let beyond = || io::Error::other("with the port offset it is beyond 65535");
        let port = port.checked_add(self.port_offset).ok_or_else(beyond)?;
        let listener = std::net::TcpListener::bind((self.host.address, port))?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// Looks who listens on this machine at the instance's address, and asks for the same ports inside.
    pub(super) async fn follow_outside(&mut self) {
        self.open();
        let address = self.host.address;
        let mut wanted: BTreeMap<u16, SocketAddrV4> = ports::listening()
            .into_iter()
            .filter(|at| *at.ip() == address)
            .filter_map(|at| Some((at.port().checked_sub(self.port_offset).filter(|port| *port > 0)?, at)))
            .filter(|(port, _)| !self.exposed.contains_key(port))
            .collect();
        if let Some(endpoint) = self.endpoint {
            wanted.insert(endpoint.port(), endpoint);
        }
        self.admitted.retain(|port, admitted| wanted.get(port) == Some(&admitted.outside));
        for (port, outside) in wanted {
            if let Entry::Vacant(entry) = self.admitted.entry(port) {
                entry.insert(Admitted { outside, stop: None });
                self.link.listen(port).await;
            }
        }
    }

    /// Serves a port of this machine on a listener inside.
    pub(super) fn serve_inside(&mut self, port: u16, listener: OwnedFd) {
        // It may be gone again, and so the listener.
        let Some(admitted) = self.admitted.get_mut(&port) else { return };
        let listener = std::net::TcpListener::from(listener);
        let Ok(()) = listener.set_nonblocking(true) else { return };
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let (stop, stopped) = oneshot::channel();
        admitted.stop = Some(stop);
        let (outside, source) = (admitted.outside, self.host.address);
        let accepting = Accepting { listener, stopped, registry: Arc::clone(&self.registry) };
        self.serving.spawn(accepting.run(move |_| connect_outside(outside, source)));
    }

    /// The port is taken inside: it is asked for again with the next look.
    pub(super) fn forget(&mut self, port: u16) {
        if self.admitted.get(&port).is_some_and(|admitted| admitted.stop.is_none()) {
            self.admitted.remove(&port);
        }
    }
}

/// A listener of one side, of which every connection leads to the other side.
struct Accepting {
    listener: TcpListener,
    stopped: oneshot::Receiver<()>,
    registry: Arc<Registry>,
}

impl Accepting {
    /// Accepts until it is stopped; connections that are open then stay.
    async fn run<F>(self, connect: impl Fn(Ipv4Addr) -> F)
    where
        F: Future<Output = io::Result<TcpStream>> + Send + 'static,
    {
        let Self { listener, mut stopped, registry } = self;
        let mut relays = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let peer = match peer.ip() {
                            IpAddr::V4(peer) => peer,
                            IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
                        };
                        let (other, registry) = (connect(peer), Arc::clone(&registry));
                        relays.spawn(join(stream, other, registry));
                    }
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                _ = &mut stopped => break,
                Some(_) = relays.join_next() => {}
            }
        }
        drop(listener);
        while relays.join_next().await.is_some() {}
    }
}

/// Relays until both have ended, half-closes and resets as they come. Who leads nowhere is reset.
async fn join(
    stream: TcpStream,
    other: impl Future<Output = io::Result<TcpStream>>,
    registry: Arc<Registry>,
) {
    let Ok(Ok(other)) = timeout(CONNECT, other).await else {
        stream.abort();
        return;
    };
    // One that cannot be set is slower, not wrong.
    let _ = (stream.set_nodelay(true), other.set_nodelay(true));
    Relay::new(stream, other, Vec::new(), Vec::new(), registry.register()).await;
}

async fn connect_inside(link: &Link, to: SocketAddrV4, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = link.connect(to, from).await.ok_or(io::ErrorKind::ConnectionRefused)?;
    let stream = std::net::TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    let stream = TcpStream::from_std(stream)?;
    // It connects still.
    stream.writable().await?;
    match stream.take_error()? {
        Some(error) => Err(error),
        None => Ok(stream),
    }
}

async fn connect_outside(to: SocketAddrV4, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to.into()).await
}

/// Whom the inside sees: load balancers and other instances at addresses of its VPC, anybody else as he is.
fn seen_inside(network: Ipv4Net, peer: Ipv4Addr) -> Ipv4Addr {
    match peer.octets() {
        [127, 64 | 65, _, _] => inside_address(network, peer),
        _ => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_balancers_and_instances_are_seen_at_addresses_of_the_vpc() {
        for (network, peer, seen) in [
            ("172.31.0.0/16", [127, 65, 7, 9], [172, 31, 7, 9]),
            ("172.31.0.0/16", [127, 64, 0, 1], [172, 31, 0, 1]),
            ("172.31.0.0/16", [127, 0, 0, 1], [127, 0, 0, 1]),
            ("10.0.0.0/8", [127, 65, 7, 9], [10, 0, 7, 9]),
            ("10.1.2.0/24", [127, 65, 7, 9], [10, 1, 2, 9]),
        ] {
            assert_eq!(seen_inside(network.parse().unwrap(), peer.into()), Ipv4Addr::from(seen), "{network}");
        }
    }
}
