//! The PROXY header of instance ports turned on or off while visitors are served.
//!
//! No call changes the load balancer and the instances in one moment. So the proxies first serve connections with and
//! without the header, which each of them confirms; then the load balancer is switched; then every proxy is to have seen
//! what it sends now; and then they are strict again. Where a run ends in between, the next one goes on from what it finds.

use std::collections::{BTreeMap, BTreeSet};

use crate::provision::plan::PlanError;
use crate::provision::plan::classic::{self, backend_key};
use crate::provision::plan::header::{Header, Headers};
use crate::provision::plan::placement::Placement;
use crate::provision::plan::v2::group_key;
use crate::provision::resource::{
    DesiredBalancer, DesiredLoadBalancer, DesiredProxy, Kind, LoadBalancerType, Management, Observed,
    ResourceKey, Stack, v2,
};

/// A switch that is to come, or has come so far that the proxies alone lag behind.
#[derive(Debug)]
pub(in crate::provision::plan) struct Switch {
    /// What connections began with.
    pub(super) from: Header,
    /// What they begin with once the load balancer is switched.
    pub(super) to: Header,
    /// The changes that switch it; none where it is switched.
    pub(super) turning: BTreeSet<ResourceKey>,
    /// The blocks of addresses that the load balancer connects from.
    pub(super) trusted: BTreeSet<String>,
}

/// Stands for the moment when every proxy serves connections with the header and without it.
pub(in crate::provision::plan) fn either_key() -> ResourceKey {
    ResourceKey::new(Kind::Proxy, "with and without the header")
}

/// Stands for the moment when every proxy has seen what the load balancer sends since it was switched.
pub(super) fn seen_key() -> ResourceKey {
    ResourceKey::new(Kind::Proxy, "the header that was switched")
}

impl Switch {
    /// Finds out whether the spec turns the header of ports that proxies of the stack serve, or whether that was
    /// begun and not ended.
    pub(in crate::provision::plan) fn find(
        stack: &Stack,
        observed: &Observed,
        placement: &Placement<'_>,
    ) -> Option<Self> {
        let proxy = stack.proxy.as_ref()?;
        let turns = match &stack.load_balancer {
            DesiredBalancer::Classic(balancer) => {
                of_classic((stack, balancer), proxy, observed, &placement.vpc)
            }
            DesiredBalancer::V2(balancer) => of_v2((stack, balancer), proxy, observed, &placement.vpc),
        };
        let subnets = observed.subnets.iter().filter(|subnet| subnet.vpc == placement.vpc);
        let trusted = subnets.map(|subnet| subnet.block.clone()).filter(|block| !block.is_empty()).collect();
        let Some((from, to)) = turns.values().next().copied() else {
            let (from, to) = begun(stack, proxy, observed, placement)?;
            return Some(Self { from, to, turning: BTreeSet::new(), trusted });
        };
        let same = turns.into_iter().filter(|(_, turn)| *turn == (from, to));
        Some(Self { from, to, turning: same.map(|(key, _)| key).collect(), trusted })
    }

    /// Says whether the load balancer is yet to be switched.
    pub(in crate::provision::plan) fn is_ahead(&self) -> bool {
        !self.turning.is_empty()
    }

    /// Says whether the change of this resource is what switches the load balancer.
    pub(in crate::provision::plan) fn is_by(&self, key: &ResourceKey) -> bool {
        self.turning.contains(key)
    }

    /// Returns what the configuration reads for the time in which the header is optional.
    pub(super) fn accept(&self) -> &'static str {
        match (self.from, self.to) {
            (Header::V2, _) | (_, Header::V2) => "v2",
            (Header::V1 | Header::None, Header::V1 | Header::None) => "v1",
        }
    }

    /// Says in which steps it goes.
    pub(in crate::provision::plan) fn steps(&self) -> String {
        let (from, to) = (self.from, self.to);
        format!(
            "in steps, with nobody turned away: the proxies serve with {from} and with {to}; each of them confirms it; \
             this changes; {to} is seen on each of them; they serve with {to} alone"
        )
    }

    /// Checks that the proxies can tell what their connections begin with.
    pub(super) fn check(&self, proxy: &DesiredProxy, errors: &mut Vec<PlanError>) {
        if self.is_ahead() && proxy.installation.status.is_none() {
            errors.push(PlanError::SwitchUnseen { from: self.from, to: self.to });
        }
    }
}

type Turns = BTreeMap<ResourceKey, (Header, Header)>;

fn of_classic(
    (stack, balancer): (&Stack, &DesiredLoadBalancer),
    proxy: &DesiredProxy,
    observed: &Observed,
    vpc: &str,
) -> Turns {
    let Some(current) = classic::kept(balancer, observed, vpc) else { return Turns::new() };
    let (old, new) = (Headers::of_classic(current), Headers::desired(&stack.load_balancer));
    let ports = proxy.listen.iter().copied();
    ports
        .filter_map(|port| {
            let turn = (old.of(port)?, new.of(port)?);
            (turn.0 != turn.1).then(|| (backend_key(port), turn))
        })
        .collect()
}

fn of_v2(
    (stack, balancer): (&Stack, &v2::DesiredLoadBalancer),
    proxy: &DesiredProxy,
    observed: &Observed,
    vpc: &str,
) -> Turns {
    let turn = |(word, desired): (&String, &v2::DesiredTargetGroup)| {
        let name = desired.name_in_aws(&stack.name, &balancer.name, word, vpc);
        let current = observed.target_groups.iter().find(|found| found.name == name)?;
        // Connections that come from the visitors' own addresses have nobody to be trusted.
        let preserved = |attributes: &BTreeMap<String, String>| {
            attributes
                .get("preserve_client_ip.enabled")
                .is_some_and(|value| value.eq_ignore_ascii_case("true"))
        };
        if preserved(&current.attributes) || preserved(&desired.attributes) {
            return None;
        }
        let turn = (Header::of_attributes(&current.attributes), Header::of_attributes(&desired.attributes));
        let served = desired.target_ports().iter().any(|port| proxy.listen.contains(port));
        (served && turn.0 != turn.1).then(|| (group_key(word), turn))
    };
    balancer.target_groups.iter().filter_map(turn).collect()
}

/// Returns the turn of a load balancer that is switched by now, if there is a proxy that may still serve both.
fn begun(
    stack: &Stack,
    proxy: &DesiredProxy,
    observed: &Observed,
    placement: &Placement<'_>,
) -> Option<(Header, Header)> {
    proxy.installation.status.as_ref()?;
    let sent = match stack.load_balancer.kind() {
        LoadBalancerType::Classic => Header::V1,
        LoadBalancerType::Network => Header::V2,
        LoadBalancerType::Application => return None,
    };
    let lags = observed.proxies.iter().any(|found| match &found.management {
        Management::Managed(installed) => {
            placement.instances.contains_key(found.instance.as_str()) && installed.optional_until.is_some()
        }
        Management::Unknown | Management::Offline(_) | Management::Failed { .. } => false,
    });
    let turn = if proxy.installation.accept() == "off" { (sent, Header::None) } else { (Header::None, sent) };
    lags.then_some(turn)
}
