//! Where the targets of groups are on this machine, and which of a load balancer's zones they are in. Pure.

use std::net::{IpAddr, Ipv4Addr};

use super::state::Region;
use super::state::ec2::{Instance, InstanceState};
use super::state::elbv2::{LoadBalancer, Target, TargetGroup, TargetType};

/// Where a target is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// None for an address that is not one of this machine: nobody is asked beyond it.
    pub(crate) address: Option<Ipv4Addr>,
    /// None for one that every zone may reach.
    pub(crate) zone: Option<&'a str>,
    /// Whose address it is.
    pub(crate) instance: Option<&'a Instance>,
}

/// Where a target of a group is; none for an instance that is not running, or a load balancer that is not there.
pub(crate) fn place<'a>(region: &'a Region, group: &TargetGroup, target: &'a Target) -> Option<Place<'a>> {
    let running = |instance: &&Instance| instance.state == InstanceState::Running;
    match group.target_type {
        TargetType::Instance => {
            let instance = region.ec2.instances.get(&target.id).filter(running)?;
            let zone = Some(instance.zone.as_str());
            Some(Place { address: Some(instance.private_ip), zone, instance: Some(instance) })
        }
        TargetType::Ip => {
            let address = target.id.parse().ok().and_then(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            });
            let instance = region
                .ec2
                .instances
                .values()
                .filter(running)
                .find(|instance| Some(instance.private_ip) == address);
            let given = target.zone.as_deref().filter(|zone| *zone != "all");
            let zone = given.or(instance.map(|instance| instance.zone.as_str()));
            Some(Place { address: address.filter(Ipv4Addr::is_loopback), zone, instance })
        }
        TargetType::Alb => {
            let balancer = region.elbv2.load_balancers.get(&target.id)?;
            Some(Place { address: Some(balancer.address), zone: None, instance: None })
        }
    }
}

/// The zones that a load balancer serves.
pub(crate) fn zones<'a>(
    region: &'a Region,
    load_balancer: &'a LoadBalancer,
) -> impl Iterator<Item = &'a str> {
    let subnets = load_balancer.subnets.iter();
    let known = subnets.filter_map(|mapping| region.ec2.subnets.get(&mapping.subnet_id));
    known.map(|subnet| subnet.zone.as_str())
}

/// Whether a load balancer serves the zone of a place.
pub(crate) fn serves_zone(region: &Region, load_balancer: &LoadBalancer, place: &Place<'_>) -> bool {
    place.zone.is_none_or(|zone| zones(region, load_balancer).any(|served| served == zone))
}
