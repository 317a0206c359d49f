//! Where a load balancer stands: its VPC, one subnet a zone, static addresses, and a network interface in each.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::load_balancers::ip_address_type;
use super::{Context, arn, describe, invalid_configuration, refuse_unserved};
use crate::local::api::ec2::free_addresses;
use crate::local::api::interfaces::{Node, Nodes};
use crate::local::ids::Ids;
use crate::local::state::elb::Scheme;
use crate::local::state::elbv2::{Kind, LoadBalancer, SubnetMapping};
use crate::local::state::{Region, ec2};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// What a load balancer needs in each of its subnets.
const LEAST_FREE_ADDRESSES: usize = 8;

/// A VPC and subnets in it.
pub(super) struct Placement {
    pub(super) vpc_id: String,
    pub(super) subnets: Vec<SubnetMapping>,
}

/// `SetSubnets`: these in place of what it has. The static addresses of those that it keeps cannot change.
pub(super) fn set(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let here = context.state.region_mut(context.region);
    let present = &*arn::load_balancer(&mut here.elbv2, params)?;
    let (own, kind, scheme) = (present.arn.clone(), present.kind, present.scheme);
    let (vpc_id, before) = (present.vpc_id.clone(), present.subnets.clone());
    refuse_unserved(params, &["EnablePrefixForIpv6SourceNat"])?;
    let wanted_type = ip_address_type(params)?;
    let placement = Placement::asked_for(here, params, kind, scheme)?;
    if placement.vpc_id != vpc_id {
        let message = format!("The subnets must be in the VPC '{vpc_id}' of the load balancer");
        return Err(invalid_configuration(message));
    }
    for mapping in &placement.subnets {
        let kept = before.iter().find(|kept| kept.subnet_id == mapping.subnet_id);
        if kept.is_some_and(|kept| kept != mapping) {
            let message = format!("The addresses in subnet '{}' cannot be changed", mapping.subnet_id);
            return Err(invalid_configuration(message));
        }
    }
    placement.check_free(here, Some(&own))?;

    let load_balancer = arn::load_balancer(&mut here.elbv2, params)?;
    load_balancer.subnets = placement.subnets;
    load_balancer.ip_address_type = wanted_type.unwrap_or(load_balancer.ip_address_type);
    sync_interfaces(&mut here.ec2, context.ids, load_balancer);
    let ip_address_type = load_balancer.ip_address_type.name();
    let load_balancer = &*load_balancer;
    Ok(Members::new()
        .structures("AvailabilityZones", "member", describe::zones(&here.ec2, load_balancer))
        .text("IpAddressType", ip_address_type))
}

impl Placement {
    /// The place that a request asks for, by subnets or by mappings. Whether static addresses are
    /// free is left to [`Self::check_free`].
    pub(super) fn asked_for(
        region: &Region,
        params: &Params,
        kind: Kind,
        scheme: Scheme,
    ) -> Result<Self, ApiError> {
        let subnets = mappings(params)?;
        let vpc_id = check_subnets(&region.ec2, &subnets, kind)?;
        for mapping in &subnets {
            check_static(&region.ec2, mapping, kind, scheme)?;
        }
        if scheme == Scheme::InternetFacing && !region.ec2.has_internet_gateway(&vpc_id) {
            let message = format!("VPC {vpc_id} has no internet gateway");
            return Err(ApiError::bad_request("InvalidSubnet", message));
        }
        Ok(Self { vpc_id, subnets })
    }

    /// Elastic addresses must exist, and static ones be nobody else's; `own` is the ARN of the one that asks.
    pub(super) fn check_free(&self, region: &Region, own: Option<&str>) -> Result<(), ApiError> {
        let mut seen: Vec<&str> = Vec::new();
        for id in self.subnets.iter().filter_map(|mapping| mapping.allocation_id.as_deref()) {
            if !region.ec2.addresses.contains_key(id) {
                let message = format!("The allocation IDs '{id}' do not exist");
                return Err(ApiError::bad_request("AllocationIdNotFound", message));
            }
            let user = region.address_user(id).filter(|(user, _)| own != Some(user.arn.as_str()));
            if user.is_some() || seen.contains(&id) {
                return Err(invalid_configuration("The allocation IDs are not available for use"));
            }
            seen.push(id);
        }
        let own = own.and_then(|arn| region.elbv2.load_balancers.get(arn)).map(super::description);
        for address in self.subnets.iter().filter_map(|mapping| mapping.private_address) {
            let mut interfaces = region.ec2.network_interfaces.values();
            let taken = interfaces.any(|interface| {
                interface.private_ip == address
                    && own.as_ref().is_none_or(|(description, _)| interface.description != *description)
            });
            if taken {
                return Err(invalid_configuration(format!("The address '{address}' is in use")));
            }
        }
        Ok(())
    }
}

fn mappings(params: &Params) -> Result<Vec<SubnetMapping>, ApiError> {
    let ids = params.list("Subnets");
    let given = params.structures("SubnetMappings");
    if !ids.is_empty() && !given.is_empty() {
        return Err(ApiError::validation("Only one of subnets or subnet mappings may be specified"));
    }
    if given.is_empty() {
        let plain = |subnet_id| SubnetMapping { subnet_id, allocation_id: None, private_address: None };
        return Ok(ids.into_iter().map(plain).collect());
    }
    let mut all = Vec::new();
    for mapping in &given {
        let text = |name| mapping.get(name).filter(|value| !value.is_empty());
        for name in ["IPv6Address", "SourceNatIpv6Prefix"] {
            if text(name).is_some() {
                let message = format!("{name} of subnet mappings is not served by the local AWS");
                return Err(ApiError::validation(message));
            }
        }
        let private_address = match text("PrivateIPv4Address") {
            None => None,
            Some(address) => Some(address.parse::<Ipv4Addr>().map_err(|_| {
                ApiError::validation(format!("The private IPv4 address '{address}' is not valid"))
            })?),
        };
        all.push(SubnetMapping {
            subnet_id: mapping.required("SubnetId")?.to_owned(),
            allocation_id: text("AllocationId").map(str::to_owned),
            private_address,
        });
    }
    Ok(all)
}

/// The VPC of subnets that a load balancer can be in: one a zone, two for an Application Load Balancer.
fn check_subnets(region: &ec2::Region, subnets: &[SubnetMapping], kind: Kind) -> Result<String, ApiError> {
    let mut found: Vec<&ec2::Subnet> = Vec::new();
    for SubnetMapping { subnet_id, .. } in subnets {
        let Some(subnet) = region.subnets.get(subnet_id) else {
            let message = format!("The subnet ID '{subnet_id}' does not exist");
            return Err(ApiError::bad_request("SubnetNotFound", message));
        };
        if found.iter().any(|other| other.zone == subnet.zone) {
            return Err(invalid_configuration(
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            ));
        }
        if found.first().is_some_and(|first| first.vpc_id != subnet.vpc_id) {
            return Err(invalid_configuration("All subnets must belong to the same VPC"));
        }
        found.push(subnet);
    }
    match (kind, found.as_slice()) {
        (Kind::Application, [] | [_]) => Err(ApiError::validation(
            "At least two subnets in two different Availability Zones must be specified",
        )),
        (Kind::Network, []) => Err(ApiError::validation("At least one subnet must be specified")),
        (_, [first, ..]) => {
            // Interfaces of its own count as free; nobody has subnets so small that this shows.
            let short = found.iter().find(|subnet| free_addresses(region, subnet) < LEAST_FREE_ADDRESSES);
            match short {
                None => Ok(first.vpc_id.clone()),
                Some(subnet) => Err(ApiError::bad_request(
                    "InvalidSubnet",
                    format!(
                        "Not enough IP space available in {}. ELB requires at least {LEAST_FREE_ADDRESSES} free IP addresses in each subnet.",
                        subnet.id
                    ),
                )),
            }
        }
    }
}

fn check_static(
    region: &ec2::Region,
    mapping: &SubnetMapping,
    kind: Kind,
    scheme: Scheme,
) -> Result<(), ApiError> {
    let given = mapping.allocation_id.is_some() || mapping.private_address.is_some();
    if kind == Kind::Application && given {
        let message = "Static addresses are not supported for load balancers with type 'application'";
        return Err(invalid_configuration(message));
    }
    match scheme {
        Scheme::Internal if mapping.allocation_id.is_some() => {
            return Err(invalid_configuration("Allocation IDs are only for internet-facing load balancers"));
        }
        Scheme::InternetFacing if mapping.private_address.is_some() => {
            return Err(invalid_configuration("Private IPv4 addresses are only for internal load balancers"));
        }
        Scheme::Internal | Scheme::InternetFacing => {}
    }
    let Some(address) = mapping.private_address else { return Ok(()) };
    let block = region.subnets.get(&mapping.subnet_id).and_then(|subnet| subnet.cidr.parse::<Ipv4Net>().ok());
    // The first four addresses and the last one of a subnet are AWS's own.
    let usable = block.is_some_and(|block| {
        block.contains(&address)
            && u32::from(address) >= u32::from(block.network()) + 4
            && address != block.broadcast()
    });
    if !usable {
        let message = format!("The address '{address}' is not one of subnet '{}'", mapping.subnet_id);
        return Err(invalid_configuration(message));
    }
    Ok(())
}

/// Gives a load balancer one network interface in each of its subnets, with its security groups, and no other.
pub(super) fn sync_interfaces(region: &mut ec2::Region, ids: &mut Ids, load_balancer: &LoadBalancer) {
    let (description, requester) = super::description(load_balancer);
    let nodes = Nodes {
        description: &description,
        requester,
        security_groups: &load_balancer.security_groups,
        places: load_balancer
            .subnets
            .iter()
            .map(|mapping| Node {
                subnet_id: &mapping.subnet_id,
                private_address: mapping.private_address,
                allocation_id: mapping.allocation_id.as_deref(),
            })
            .collect(),
    };
    nodes.sync(region, ids);
}

/// Mappings by subnet.
pub(super) fn sorted(mappings: &[SubnetMapping]) -> Vec<&SubnetMapping> {
    let mut mappings: Vec<&SubnetMapping> = mappings.iter().collect();
    mappings.sort_by_key(|mapping| &mapping.subnet_id);
    mappings
}
