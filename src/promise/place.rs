//! Where the load balancer is: by its DNS name, or where the local AWS has put it on this machine.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::promised::Door;
use super::{Options, PromiseError};
use crate::probe::Trust;

/// The names of a local AWS's load balancers end so.
const LOCAL_DOMAIN: &str = ".elb.localhost";
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the load balancer is, and whom to trust there.
#[derive(Debug)]
pub(super) struct Place {
    addresses: BTreeMap<u16, Vec<SocketAddr>>,
    pub(super) trust: Trust,
}

impl Place {
    pub(super) async fn find(
        dns_name: &str,
        doors: &[Door],
        options: &Options,
    ) -> Result<Self, PromiseError> {
        let local = options.local.as_ref().filter(|_| dns_name.ends_with(LOCAL_DOMAIN));
        let trust = match (&options.trust, local) {
            (Some(trust), _) => trust.clone(),
            (None, Some(client)) => Trust::Pem(client.authority().await?),
            (None, None) => Trust::System,
        };
        // Found out now: every check would meet it.
        trust.check()?;
        let addresses = if let Some(ip) = options.resolve {
            at(doors, &[ip])
        } else if let Some(client) = local {
            let balancers = client.load_balancers().await?;
            let found = balancers.into_iter().filter(|found| found.dns_name == dns_name);
            found
                .flat_map(|found| found.listeners)
                .map(|listener| (listener.port, vec![listener.address]))
                .collect()
        } else {
            at(doors, &look_up(dns_name).await?)
        };
        Ok(Self { addresses, trust })
    }

    /// The addresses of a listener; none where the local AWS has no such listener open.
    pub(super) fn of(&self, port: u16) -> &[SocketAddr] {
        self.addresses.get(&port).map_or(&[], Vec::as_slice)
    }
}

fn at(doors: &[Door], ips: &[IpAddr]) -> BTreeMap<u16, Vec<SocketAddr>> {
    let place = |port: u16| ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
    doors.iter().map(|door| (door.port, place(door.port))).collect()
}

async fn look_up(dns_name: &str) -> Result<Vec<IpAddr>, PromiseError> {
    let refuse = |source| PromiseError::Dns { dns_name: dns_name.to_owned(), source };
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((dns_name, 0))).await;
    let found = found.map_err(|_| refuse(io::ErrorKind::TimedOut.into()))?.map_err(refuse)?;
    let mut ips: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    ips.sort_unstable();
    ips.dedup();
    if ips.is_empty() { Err(refuse(io::ErrorKind::NotFound.into())) } else { Ok(ips) }
}
