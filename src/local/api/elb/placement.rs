//! Where a load balancer stands: its VPC, one subnet a zone, and the network interface in each.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{invalid_configuration, required_list};
use crate::local::ids::Ids;
use crate::local::state::Tags;
use crate::local::state::ec2::{NetworkInterface, Region, Subnet};
use crate::local::state::elb::{LoadBalancer, Scheme};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;

/// The owner of load balancers' network interfaces.
const REQUESTER: &str = "amazon-elb";

/// A VPC and subnets in it.
pub(super) struct Placement {
    pub(super) vpc_id: String,
    pub(super) subnets: Vec<String>,
}

impl Placement {
    /// The place that a create asks for, by zones or by subnets.
    pub(super) fn asked_for(region: &Region, params: &Params, scheme: Scheme) -> Result<Self, ApiError> {
        let by_zones = !params.list("AvailabilityZones").is_empty();
        let by_subnets = !params.list("Subnets").is_empty();
        let placement = match (by_zones, by_subnets) {
            (false, false) => {
                return Err(ApiError::validation("Either AvailabilityZones or SubnetIds must be specified"));
            }
            (true, true) => {
                return Err(ApiError::validation(
                    "Only one of SubnetIds or AvailabilityZones may be specified",
                ));
            }
            (true, false) => {
                let subnets = of_zones(region, &required_list(params, "AvailabilityZones")?)?;
                Self::of(region, &subnets)?
            }
            (false, true) => Self::of(region, &required_list(params, "Subnets")?)?,
        };
        if scheme == Scheme::InternetFacing {
            check_gateway(region, &placement.vpc_id)?;
        }
        Ok(placement)
    }

    /// These subnets, which must be of one VPC and in zones of their own.
    pub(super) fn of(region: &Region, ids: &[String]) -> Result<Self, ApiError> {
        let mut subnets: Vec<&Subnet> = Vec::new();
        for id in ids {
            let subnet = find(region, id)?;
            if subnets.iter().all(|other| other.id != subnet.id) {
                subnets.push(subnet);
            }
        }
        let Some(first) = subnets.first() else {
            return Err(ApiError::validation("Either AvailabilityZones or SubnetIds must be specified"));
        };
        for (index, subnet) in subnets.iter().enumerate() {
            if subnet.vpc_id != first.vpc_id {
                let message = format!("Subnet {} is not in VPC {}", subnet.id, first.vpc_id);
                return Err(invalid_configuration(message));
            }
            if subnets[..index].iter().any(|other| other.zone == subnet.zone) {
                let message = "ELB cannot be attached to multiple subnets in the same AZ.";
                return Err(invalid_configuration(message));
            }
        }
        let vpc_id = first.vpc_id.clone();
        Ok(Self { vpc_id, subnets: subnets.into_iter().map(|subnet| subnet.id.clone()).collect() })
    }
}

/// The default subnets of zones.
pub(super) fn of_zones(region: &Region, zones: &[String]) -> Result<Vec<String>, ApiError> {
    let mut subnets = Vec::new();
    for zone in zones {
        if !region.zones.contains(zone) {
            return Err(ApiError::validation(format!("Invalid availability zone: {zone}")));
        }
        let Some(subnet) = region.default_subnet(zone) else {
            let message = format!("There is no default subnet in availability zone {zone}");
            return Err(ApiError::validation(message));
        };
        subnets.push(subnet.id.clone());
    }
    Ok(subnets)
}

fn find<'a>(region: &'a Region, id: &str) -> Result<&'a Subnet, ApiError> {
    region.subnets.get(id).ok_or_else(|| {
        ApiError::bad_request("SubnetNotFound", format!("The subnet ID '{id}' does not exist"))
    })
}

/// A load balancer that faces the internet needs a gateway to it.
pub(super) fn check_gateway(region: &Region, vpc_id: &str) -> Result<(), ApiError> {
    if region.has_internet_gateway(vpc_id) {
        return Ok(());
    }
    Err(ApiError::bad_request("InvalidSubnet", format!("VPC {vpc_id} has no internet gateway")))
}

/// The zones of a load balancer, in the order of its subnets.
pub(super) fn zones(region: &Region, load_balancer: &LoadBalancer) -> Vec<String> {
    let subnets = load_balancer.subnets.iter().filter_map(|id| region.subnets.get(id));
    subnets.map(|subnet| subnet.zone.clone()).collect()
}

/// Gives a load balancer one network interface in each of its subnets, with its security groups, and no other.
pub(super) fn sync_interfaces(region: &mut Region, ids: &mut Ids, load_balancer: &LoadBalancer) {
    let description = description(&load_balancer.name);
    let mut missing = load_balancer.subnets.clone();
    region.network_interfaces.retain(|_, interface| {
        if !is_of(interface, &description) {
            return true;
        }
        interface.security_groups.clone_from(&load_balancer.security_groups);
        let wanted = missing.iter().position(|subnet| *subnet == interface.subnet_id);
        wanted.map(|index| missing.remove(index)).is_some()
    });
    for subnet_id in missing {
        let Some(subnet) = region.subnets.get(&subnet_id) else { continue };
        let interface = NetworkInterface {
            id: ids.resource("eni"),
            vpc_id: subnet.vpc_id.clone(),
            zone: subnet.zone.clone(),
            private_ip: free_address(region, subnet),
            subnet_id,
            security_groups: load_balancer.security_groups.clone(),
            description: description.clone(),
            requester_id: Some(REQUESTER.to_owned()),
            instance_id: None,
            tags: Tags::new(),
        };
        region.network_interfaces.insert(interface.id.clone(), interface);
    }
}

/// Takes the network interfaces of a load balancer away.
pub(super) fn remove_interfaces(region: &mut Region, name: &str) {
    let description = description(name);
    region.network_interfaces.retain(|_, interface| !is_of(interface, &description));
}

fn description(name: &str) -> String {
    format!("ELB {name}")
}

fn is_of(interface: &NetworkInterface, description: &str) -> bool {
    interface.requester_id.as_deref() == Some(REQUESTER) && interface.description == description
}

/// An address of a subnet that no interface has. The first four of each subnet are AWS's own
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
fn free_address(region: &Region, subnet: &Subnet) -> Ipv4Addr {
    let network: Option<Ipv4Net> = subnet.cidr.parse().ok();
    let taken = |address: &Ipv4Addr| {
        region.network_interfaces.values().any(|interface| interface.private_ip == *address)
    };
    let free = network.and_then(|network| network.hosts().skip(3).find(|address| !taken(address)));
    free.unwrap_or(Ipv4Addr::UNSPECIFIED)
}
