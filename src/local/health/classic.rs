//! What Classic load balancers check, and whom they serve.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::probe::{Probe, Request};
use super::record::{Record, Verdict};
use super::{Check, HealthTable, Key};
use crate::local::admission::{self, Balancer};
use crate::local::settings::Settings;
use crate::local::state::ec2::{Instance, InstanceState};
use crate::local::state::elb::LoadBalancer;
use crate::local::state::elbv2::ProtocolVersion;
use crate::local::state::{Region, State};

impl HealthTable {
    /// The verdict on an instance; none before its first check is planned.
    pub(crate) fn verdict(&self, region: &str, load_balancer: &str, instance: &str) -> Option<Verdict> {
        self.0.get(&key(region, load_balancer, instance)).map(Record::verdict)
    }

    /// Whether a load balancer sends traffic to an instance: registered, running, in a zone that it serves, and
    /// in service (or not asked, while everything counts as healthy).
    pub(crate) fn serves(
        &self,
        region: (&str, &Region),
        load_balancer: &LoadBalancer,
        id: &str,
        settings: &Settings,
    ) -> bool {
        let (region_name, region) = region;
        let serving = || self.verdict(region_name, &load_balancer.name, id) == Some(Verdict::Healthy);
        load_balancer.instances.iter().any(|registered| registered == id)
            && runs_in_zone(region, load_balancer, id).is_some()
            && (settings.assume_healthy || serving())
    }
}

fn key(region: &str, load_balancer: &str, instance: &str) -> Key {
    Key::Instance {
        region: region.to_owned(),
        load_balancer: load_balancer.to_owned(),
        instance: instance.to_owned(),
    }
}

/// Every check that load balancers call for: of running instances in zones that they serve.
pub(super) fn add_checks(state: &State, settings: &Settings, checks: &mut BTreeMap<Key, Check>) {
    for (name, region) in &state.regions {
        for load_balancer in region.elb.load_balancers.values() {
            for id in &load_balancer.instances {
                if let Some(check) = check(region, load_balancer, id, settings) {
                    checks.insert(key(name, &load_balancer.name, id), check);
                }
            }
        }
    }
}

/// The instance, if it runs in a zone that the load balancer serves.
fn runs_in_zone<'a>(region: &'a Region, load_balancer: &LoadBalancer, id: &str) -> Option<&'a Instance> {
    let instance = region.ec2.instances.get(id)?;
    let mut served = load_balancer.subnets.iter().filter_map(|id| region.ec2.subnets.get(id));
    let in_zone = served.any(|subnet| subnet.zone == instance.zone);
    (instance.state == InstanceState::Running && in_zone).then_some(instance)
}

fn check(region: &Region, load_balancer: &LoadBalancer, id: &str, settings: &Settings) -> Option<Check> {
    let instance = runs_in_zone(region, load_balancer, id)?;
    let configured = &load_balancer.health_check;
    let target = configured.parsed_target()?;
    // A port that no rule admits, or that the offset lifts beyond the last one, cannot be reached.
    let admitted = !settings.enforce_security_groups
        || admission::reaches(&region.ec2, &Balancer::from(load_balancer), instance, target.port);
    let port = target.port.checked_add(settings.port_offset).filter(|_| admitted);
    let address = port.map(|port| SocketAddr::new(IpAddr::V4(instance.private_ip), port));
    let request = target.protocol.is_http().then(|| Request {
        version: ProtocolVersion::Http1,
        path: target.path,
        host: instance.private_ip.to_string(),
        agent: "ELB-HealthChecker/1.0",
        codes: vec![200..=200],
    });
    let interval = settings.health_check_interval;
    Some(Check {
        probe: Probe {
            address,
            source: None,
            preface: Vec::new(),
            secure: target.protocol.is_secure(),
            request,
        },
        interval: interval.unwrap_or(Duration::from_secs(configured.interval.into())),
        timeout: Duration::from_secs(configured.timeout.into()),
        healthy_threshold: configured.healthy_threshold,
        unhealthy_threshold: configured.unhealthy_threshold,
        first_threshold: configured.healthy_threshold,
        tells_failures: false,
    })
}
