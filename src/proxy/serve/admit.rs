//! Whose connection this is: by its PROXY header, or by the socket where there is none and none is required.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant as Deadline;

use super::client::{ClientIo, NoHead};
use super::patience::Patience;
use super::state::{Phase, Worker};
use super::visitor::{Visitor, is_trusted};
use crate::proxy::config::Accept;
use crate::proxy::observe::{Beginning, Counter, Reject};
use crate::proxy::proxy_protocol::{self, Addresses, DecodeError, Decoded, Opening, Origin, Tlv, Versions};
use crate::proxy::stream::Stream;

/// Reads the PROXY header, where there must or may be one, and says whose connection this is.
pub(super) async fn admit(client: &mut ClientIo, peer: SocketAddr, worker: &Worker) -> Option<Visitor> {
    let live = worker.shared.live();
    let Accept::Header(versions) = live.config.accept else {
        return Some(Visitor::bare(ends(client, peer)?, &live.config));
    };
    let trusted = &live.config.trusted;
    if !trusted.is_empty() && !is_trusted(trusted, peer.ip()) {
        worker.reject(Reject::Untrusted, peer, "the peer is not in `trusted`");
        return None;
    }
    let limits = live.config.limits;
    let header = if live.loaded.header_is_optional() {
        read_if_any(client, worker, versions, limits.request_timeout, limits.header_timeout).await
    } else {
        read(client, versions, limits.header_timeout).await.map(Some)
    };
    let decoded = match header {
        Ok(Some(decoded)) => decoded,
        Ok(None) => return Some(Visitor::bare(ends(client, peer)?, &live.config)),
        Err(NoHeader::Empty) => {
            // A connection with nothing on it is a health check of the load balancer's.
            worker.metrics.add(Counter::ConnectionsEmpty, 1);
            return None;
        }
        Err(NoHeader::Refused(error)) => {
            worker.reject(Reject::ProxyHeader, peer, error);
            return None;
        }
        Err(NoHeader::TimedOut) => {
            worker.reject(Reject::ProxyHeaderTimeout, peer, "the PROXY header did not end in time");
            return None;
        }
    };
    worker.metrics.began(Beginning::Header(decoded.form));
    let header = decoded.header;
    let vpc_endpoint = header.vpc_endpoint_id().map(str::to_owned);
    let pair = match header.origin {
        Origin::Proxied(pair) => pair,
        Origin::Socket => ends(client, peer)?,
    };
    let mut visitor = Visitor::new(pair, vpc_endpoint, &live.config);
    visitor.tlvs = header.tlvs.into_iter().filter(Tlv::is_about_the_client).collect();
    Some(visitor)
}

/// The socket's own two ends, which are asked for only where no header names others.
fn ends(client: &ClientIo, peer: SocketAddr) -> Option<Addresses> {
    match &client.stream {
        Stream::Tcp(stream) => {
            stream.local_addr().ok().map(|own| Addresses { source: peer, destination: own })
        }
        Stream::Unix(_) => None,
    }
}

/// Why there is no PROXY header.
enum NoHeader {
    /// Nothing came at all.
    Empty,
    /// It stopped midway.
    TimedOut,
    /// It is malformed, or something else.
    Refused(DecodeError),
}

/// Reads a header if the connection begins with one; whatever else came stays in the input.
async fn read_if_any(
    client: &mut ClientIo,
    worker: &Worker,
    versions: Versions,
    to_begin: Duration,
    limit: Duration,
) -> Result<Option<Decoded>, NoHeader> {
    match client.begin(worker, to_begin).await {
        Ok(()) => {}
        Err(NoHead::Ending) if matches!(*worker.shared.phase.borrow(), Phase::HandingOver(_)) => {
            // The new process would not know that the beginning is still to come, so it is awaited here.
            client.patience = Patience::default();
        }
        Err(_) => return Err(NoHeader::Empty),
    }
    let deadline = Deadline::now() + limit;
    loop {
        match proxy_protocol::opening(&client.input) {
            Opening::Other => return Ok(None),
            Opening::Header => {
                let left = deadline.saturating_duration_since(Deadline::now());
                return read(client, versions, left).await.map(Some);
            }
            Opening::Undecided => fill(client, deadline).await?,
        }
    }
}

async fn read(client: &mut ClientIo, versions: Versions, limit: Duration) -> Result<Decoded, NoHeader> {
    let deadline = Deadline::now() + limit;
    loop {
        if let Some(decoded) = proxy_protocol::decode(&client.input, versions).map_err(NoHeader::Refused)? {
            client.input.drain(..decoded.consumed);
            return Ok(decoded);
        }
        fill(client, deadline).await?;
    }
}

async fn fill(client: &mut ClientIo, deadline: Deadline) -> Result<(), NoHeader> {
    if !client.input.is_empty() {
        client.stream.acknowledge();
    }
    match client.fill_before(deadline).await {
        Some(Ok(1..)) => Ok(()),
        _ if client.input.is_empty() => Err(NoHeader::Empty),
        Some(Ok(0) | Err(_)) => Err(NoHeader::Refused(DecodeError::Missing)),
        None => Err(NoHeader::TimedOut),
    }
}
