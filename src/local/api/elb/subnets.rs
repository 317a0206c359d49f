//! Attaching and detaching subnets, by id or by zone. What is already so succeeds.

use super::placement::{Placement, check_gateway, of_zones, sync_interfaces, zones};
use super::{Context, invalid_configuration, named, required_list};
use crate::local::state::elb::Scheme;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `AttachLoadBalancerToSubnets`.
pub(super) fn attach(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    named(&mut context.here().elb, params)?;
    let ids = required_list(params, "Subnets")?;
    let subnets = add(context, params, &ids)?;
    Ok(Members::new().texts("Subnets", "member", subnets))
}

/// `DetachLoadBalancerFromSubnets`.
pub(super) fn detach(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    named(&mut context.here().elb, params)?;
    let ids = required_list(params, "Subnets")?;
    let subnets = remove(context, params, &ids)?;
    Ok(Members::new().texts("Subnets", "member", subnets))
}

/// `EnableAvailabilityZonesForLoadBalancer`: the default subnets of those zones.
pub(super) fn enable_zones(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    check_default_vpc(context, params)?;
    let wanted = required_list(params, "AvailabilityZones")?;
    let region = context.here();
    let present = zones(&region.ec2, named(&mut region.elb, params)?);
    let new: Vec<String> = wanted.into_iter().filter(|zone| !present.contains(zone)).collect();
    let ids = of_zones(&region.ec2, &new)?;
    add(context, params, &ids)?;
    enabled_zones(context, params)
}

/// `DisableAvailabilityZonesForLoadBalancer`.
pub(super) fn disable_zones(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    check_default_vpc(context, params)?;
    let unwanted = required_list(params, "AvailabilityZones")?;
    let region = context.here();
    if let Some(zone) = unwanted.iter().find(|zone| !region.ec2.zones.contains(zone)) {
        return Err(ApiError::validation(format!("Invalid availability zone: {zone}")));
    }
    let load_balancer = named(&mut region.elb, params)?;
    let in_zone =
        |id: &&String| region.ec2.subnets.get(*id).is_some_and(|subnet| unwanted.contains(&subnet.zone));
    let ids: Vec<String> = load_balancer.subnets.iter().filter(in_zone).cloned().collect();
    remove(context, params, &ids)?;
    enabled_zones(context, params)
}

fn enabled_zones(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = context.here();
    let zones = zones(&region.ec2, named(&mut region.elb, params)?);
    Ok(Members::new().texts("AvailabilityZones", "member", zones))
}

/// Zones are for load balancers in the default VPC; those elsewhere are given subnets.
fn check_default_vpc(context: &mut Context<'_>, params: &Params) -> Result<(), ApiError> {
    let region = context.here();
    let vpc_id = &named(&mut region.elb, params)?.vpc_id;
    if region.ec2.default_vpc().is_some_and(|vpc| vpc.id == *vpc_id) {
        return Ok(());
    }
    Err(ApiError::validation("Availability zones of a load balancer in a VPC are changed by its subnets"))
}

fn add(context: &mut Context<'_>, params: &Params, ids: &[String]) -> Result<Vec<String>, ApiError> {
    let region = context.state.region_mut(context.region);
    let load_balancer = named(&mut region.elb, params)?;
    let all: Vec<String> = load_balancer.subnets.iter().chain(ids).cloned().collect();
    let placement = Placement::of(&region.ec2, &all)?;
    if load_balancer.scheme == Scheme::InternetFacing {
        check_gateway(&region.ec2, &placement.vpc_id)?;
    }
    load_balancer.subnets = placement.subnets;
    sync_interfaces(&mut region.ec2, context.ids, load_balancer);
    Ok(load_balancer.subnets.clone())
}

fn remove(context: &mut Context<'_>, params: &Params, ids: &[String]) -> Result<Vec<String>, ApiError> {
    let region = context.state.region_mut(context.region);
    let load_balancer = named(&mut region.elb, params)?;
    if load_balancer.subnets.iter().all(|id| ids.contains(id)) {
        return Err(invalid_configuration("A load balancer must keep at least one subnet"));
    }
    load_balancer.subnets.retain(|id| !ids.contains(id));
    sync_interfaces(&mut region.ec2, context.ids, load_balancer);
    Ok(load_balancer.subnets.clone())
}
