//! Opens the listeners of a configuration, or takes ones that were opened before.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::proxy::config::Config;
use crate::proxy::upstream::cap_kernel_buffers;

const BACKLOG: i32 = 4096;

/// The open listeners of a proxy.
#[derive(Debug)]
pub struct Listeners {
    /// For each address one socket a worker, or one that all workers share.
    pub(super) traffic: Vec<Vec<TcpListener>>,
    pub(super) health: Option<TcpListener>,
    pub(super) metrics: Option<TcpListener>,
}

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl Listeners {
    /// Opens every listener that the configuration names; traffic gets one a worker (`SO_REUSEPORT`).
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        let workers = super::worker_count(config);
        let traffic = config.listen.iter().map(|address| bind_all(*address, workers));
        Ok(Self {
            traffic: traffic.collect::<Result<_, _>>()?,
            health: config.health.map(|address| bind_one(address, false)).transpose()?,
            metrics: config.metrics.map(|address| bind_one(address, false)).transpose()?,
        })
    }

    /// Takes listeners opened by somebody else, such as systemd, for the traffic; opens the others.
    pub fn adopt(config: &Config, traffic: Vec<TcpListener>) -> Result<Self, BindError> {
        for listener in &traffic {
            let prepared = cap_kernel_buffers(&SockRef::from(listener));
            prepared.and_then(|()| listener.set_nonblocking(true)).map_err(|source| BindError {
                address: listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0))),
                source,
            })?;
        }
        Ok(Self {
            traffic: traffic.into_iter().map(|one| vec![one]).collect(),
            health: config.health.map(|address| bind_one(address, false)).transpose()?,
            metrics: config.metrics.map(|address| bind_one(address, false)).transpose()?,
        })
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.traffic.iter().filter_map(|sockets| sockets.first()?.local_addr().ok()).collect()
    }

    /// Takes every listener of a process before, which may have had another number of workers.
    #[must_use]
    pub fn inherit(
        traffic: Vec<Vec<TcpListener>>,
        health: Option<TcpListener>,
        metrics: Option<TcpListener>,
    ) -> Self {
        Self { traffic, health, metrics }
    }

    /// Handles on all of them, for another process.
    pub fn try_clone(&self) -> io::Result<Self> {
        let clones = |sockets: &Vec<TcpListener>| sockets.iter().map(TcpListener::try_clone).collect();
        Ok(Self {
            traffic: self.traffic.iter().map(clones).collect::<io::Result<_>>()?,
            health: self.health.as_ref().map(TcpListener::try_clone).transpose()?,
            metrics: self.metrics.as_ref().map(TcpListener::try_clone).transpose()?,
        })
    }

    /// For each address one socket a worker, or one that all workers share.
    #[must_use]
    pub fn traffic(&self) -> &[Vec<TcpListener>] {
        &self.traffic
    }

    /// Where health checks are answered.
    #[must_use]
    pub fn health(&self) -> Option<&TcpListener> {
        self.health.as_ref()
    }

    /// Where metrics are served.
    #[must_use]
    pub fn metrics(&self) -> Option<&TcpListener> {
        self.metrics.as_ref()
    }

    /// The sockets of the worker with that index: each has at least one worker, and each worker one of each
    /// address; the kernel spreads connections over all of them, so none may go without.
    pub(super) fn for_worker(&self, index: usize, workers: usize) -> io::Result<Vec<TcpListener>> {
        let own = |sockets: &Vec<TcpListener>| {
            let mine = sockets.iter().enumerate().filter(|(at, _)| at % workers == index).map(|(_, one)| one);
            let shared = sockets.get(index % sockets.len().max(1)).filter(|_| index >= sockets.len());
            mine.chain(shared).map(TcpListener::try_clone).collect::<Vec<_>>()
        };
        self.traffic.iter().flat_map(own).collect()
    }
}

fn bind_all(address: SocketAddr, workers: usize) -> Result<Vec<TcpListener>, BindError> {
    let first = bind_one(address, true)?;
    // With port 0 the others must take the port that the first one got.
    let resolved = first.local_addr().map_err(|source| BindError { address, source })?;
    let others = (1..workers).map(|_| bind_one(resolved, true));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn bind_one(address: SocketAddr, shared: bool) -> Result<TcpListener, BindError> {
    let outcome = match open(address, shared) {
        // A kernel without IPv6: the wildcard of IPv4 is what is left.
        Err(_) if address.is_ipv6() && address.ip().is_unspecified() => {
            open(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()), shared)
        }
        outcome => outcome,
    };
    outcome.map_err(|source| BindError { address, source })
}

fn open(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    cap_kernel_buffers(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
