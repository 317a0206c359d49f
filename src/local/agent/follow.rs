//! What becomes of the agents as the account's instances stop, start and end.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{Agents, Host};
use crate::local::account::Account;
use crate::local::state::ec2::{Instance, InstanceState, Region};

impl Host {
    /// Who an instance of that region is.
    pub(crate) fn of(region: &Region, instance: &Instance) -> Self {
        let block = region.vpcs.get(&instance.vpc_id).and_then(|vpc| vpc.cidr.parse().ok());
        // Every VPC has a block.
        let network = block.unwrap_or_else(|| Ipv4Net::from(instance.private_ip));
        Self { id: instance.id.clone(), address: instance.private_ip, network }
    }
}

/// Ends what runs on instances that no longer do, and boots those again that ran something once. Ends all of them
/// when it is dropped only as fast as processes end; [`Agents::stop_all`] waits for that.
pub(crate) async fn follow(account: Arc<Account>, agents: Agents) {
    let mut changes = account.changes();
    loop {
        // Each is looked up anew: what is done to one takes a while, in which others are launched.
        for id in agents.running() {
            if instances(&account).get(&id).is_none_or(Option::is_none) {
                agents.stop(&id).await;
            }
        }
        for id in agents.known() {
            match instances(&account).get(&id) {
                None => agents.terminate(&id).await,
                // One that cannot be started says so when it is sent something.
                Some(Some(host)) => drop(agents.start(host).await),
                Some(None) => {}
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// The instances that are not terminated; where they are if they run.
fn instances(account: &Account) -> BTreeMap<String, Option<Host>> {
    let inner = account.lock();
    let regions = inner.state.regions.values();
    let all =
        regions.flat_map(|region| region.ec2.instances.values().map(|instance| (&region.ec2, instance)));
    all.filter(|(_, instance)| instance.state != InstanceState::Terminated)
        .map(|(region, instance)| {
            let host = (instance.state == InstanceState::Running).then(|| Host::of(region, instance));
            (instance.id.clone(), host)
        })
        .collect()
}
