//! How clients come in to Application and Network Load Balancers: by their security groups, and on the terms of
//! the listener's certificates and policy.

use std::net::IpAddr;

use super::front::Front;
use super::refusal::Refusal;
use super::tls::{Terms, suites};
use crate::local::account::Inner;
use crate::local::admission::Balancer;
use crate::local::state::Region;
use crate::local::state::elbv2::{Listener, LoadBalancer};

/// A listener as it is now, and what it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) region: &'a Region,
    pub(super) load_balancer: &'a LoadBalancer,
    pub(super) listener: &'a Listener,
}

/// The listener of a front, by its ARN.
pub(super) fn find<'a>(inner: &'a Inner, front: &Front, arn: &str) -> Result<Found<'a>, Refusal> {
    let region = inner.state.regions.get(&front.region).ok_or(Refusal::Gone)?;
    let (load_balancer, listener) = region.elbv2.listener(arn).ok_or(Refusal::Gone)?;
    Ok(Found { region, load_balancer, listener })
}

/// Lets a client in, on the terms of its handshake if there is one.
pub(super) fn enter(
    inner: &Inner,
    front: &Front,
    found: Found<'_>,
    client: IpAddr,
    alpn: &[&'static str],
) -> Result<Option<Terms>, Refusal> {
    let Found { region, load_balancer, listener } = found;
    let balancer = Balancer::from(load_balancer);
    if inner.settings.enforce_security_groups && !balancer.admits(&region.ec2, client, front.port) {
        return Err(Refusal::Client { client, port: front.port });
    }
    if !front.is_secure() {
        return Ok(None);
    }
    let certificates = listener.certificates().map(|arn| {
        let key_pair = inner.state.key_pair(&front.region, arn);
        let key_pair = key_pair.ok_or_else(|| Refusal::Certificate { arn: arn.to_owned() })?;
        Ok((arn.to_owned(), key_pair.clone()))
    });
    Ok(Some(Terms {
        certificates: certificates.collect::<Result<_, Refusal>>()?,
        suites: of_policy(listener.ssl_policy.as_deref().unwrap_or_default()),
        server_order: true,
        alpn: alpn.to_vec(),
    }))
}

/// The suites of a predefined policy that are there. Its name tells: `TLS13` in it stands for TLS 1.3 beside
/// others, and `TLS13-1-3` for nothing else; every one that has TLS 1.2 has its four suites with GCM.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>
fn of_policy(name: &str) -> Vec<&'static str> {
    let newest = suites(&rustls::version::TLS13).filter(|suite| {
        // ChaCha20 is not one of FIPS.
        name.contains("TLS13") && !(name.contains("FIPS") && suite.contains("CHACHA20"))
    });
    let others = suites(&rustls::version::TLS12).filter(|_| !name.contains("TLS13-1-3"));
    newest.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::of_policy;

    #[test]
    fn a_policys_name_tells_its_versions() {
        for (name, newest, others) in [
            ("ELBSecurityPolicy-2016-08", 0, 4),
            ("ELBSecurityPolicy-FS-1-2-Res-2020-10", 0, 4),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", 3, 4),
            ("ELBSecurityPolicy-TLS13-1-3-2021-06", 3, 0),
            ("ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04", 2, 0),
        ] {
            let suites = of_policy(name);
            let of_newest = suites.iter().filter(|suite| suite.starts_with("TLS_")).count();
            assert_eq!((of_newest, suites.len() - of_newest), (newest, others), "{name}");
        }
    }
}
