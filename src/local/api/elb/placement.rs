//! Where a load balancer stands: its VPC, one subnet a zone, and the network interface in each.

use super::interfaces::{self, Node, Nodes};
use super::{invalid_configuration, required_list};
use crate::local::ids::Ids;
use crate::local::state::ec2::{Region, Subnet};
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
    let nodes = Nodes {
        description: &description(&load_balancer.name),
        requester: REQUESTER,
        security_groups: &load_balancer.security_groups,
        places: load_balancer
            .subnets
            .iter()
            .map(|id| Node { subnet_id: id, private_address: None, allocation_id: None })
            .collect(),
    };
    nodes.sync(region, ids);
}

/// Takes the network interfaces of a load balancer away.
pub(super) fn remove_interfaces(region: &mut Region, name: &str) {
    interfaces::remove(region, &description(name), REQUESTER);
}

fn description(name: &str) -> String {
    format!("ELB {name}")
}
