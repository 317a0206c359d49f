//! From a name to a connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use super::outcome::{Finding, Problem};
use super::target::Target;

/// Finds the addresses of the target, in the order in which they are to be tried.
pub(super) async fn look_up(
    target: &Target,
    resolve: Option<(IpAddr, Option<u16>)>,
) -> Result<(Finding, Vec<SocketAddr>), Problem> {
    let host = target.host.as_str();
    let addresses: Vec<SocketAddr> = if let Some((ip, port)) = resolve {
        vec![SocketAddr::new(ip, port.unwrap_or(target.port))]
    } else if let Ok(ip) = host.parse() {
        vec![SocketAddr::new(ip, target.port)]
    } else if is_localhost(host) {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        loopback.map(|ip| SocketAddr::new(ip, target.port)).into()
    } else {
        let found = timeout(PATIENCE, tokio::net::lookup_host((host, target.port))).await;
        let found = found.map_err(|_| Problem::Timeout { what: "an answer of the resolver" })?;
        found.map_err(|error| Problem::NoName { host: host.to_owned(), error: error.to_string() })?.collect()
    };
    if addresses.is_empty() {
        return Err(Problem::NoName { host: host.to_owned(), error: "it has no addresses".to_owned() });
    }
    let finding = Finding::Dns {
        host: host.to_owned(),
        addresses: addresses.iter().map(SocketAddr::ip).collect(),
        overridden: resolve.is_some(),
    };
    Ok((finding, addresses))
}

/// Names that mean loopback whatever a resolver says (RFC 6761, section 6.3); not every resolver knows.
fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

/// Connects to the first address that takes it.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<(Finding, TcpStream), Problem> {
    let mut last = None;
    for address in addresses {
        let problem = match timeout(PATIENCE / 2, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Frames are small and waited for.
                let _ = stream.set_nodelay(true);
                return Ok((Finding::Tcp { address: *address }, stream));
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Problem::Refused { address: *address }
            }
            Ok(Err(error)) => Problem::Unreachable { address: *address, error: error.to_string() },
            Err(_) => Problem::ConnectTimeout { address: *address },
        };
        // What the first address says is the most telling: the others are often of a family that is not there.
        last.get_or_insert(problem);
    }
    Err(last.unwrap_or(Problem::Timeout { what: "a connection" }))
}
