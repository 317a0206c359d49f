//! Registering and deregistering instances.

use super::{Context, named, not_found, required_structures};
use crate::local::state::elb::LoadBalancer;
use crate::local::state::{Region, ec2};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `RegisterInstancesWithLoadBalancer`: all or none; one that is registered stays where it is.
pub(super) fn register(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = context.here();
    let name = named(&mut region.elb, params)?.name.clone();
    join(region, &name, &ids(params)?)?;
    named(&mut region.elb, params).map(|load_balancer| answer(load_balancer))
}

/// Registers instances with the load balancer of that name: all or none.
pub(in crate::local::api) fn join(region: &mut Region, name: &str, ids: &[String]) -> Result<(), ApiError> {
    let load_balancer = region.elb.load_balancers.get_mut(name).ok_or_else(|| not_found(name))?;
    for id in ids {
        let instance = find(&region.ec2, id)?;
        if instance.vpc_id != load_balancer.vpc_id {
            return Err(invalid(format!("EC2 instance {id} is not in the same VPC as ELB.")));
        }
    }
    for id in ids {
        if !load_balancer.instances.contains(id) {
            load_balancer.instances.push(id.clone());
        }
    }
    Ok(())
}

/// Deregisters instances, which may be gone, as may the load balancer.
pub(in crate::local::api) fn leave(region: &mut Region, name: &str, ids: &[String]) {
    if let Some(load_balancer) = region.elb.load_balancers.get_mut(name) {
        load_balancer.instances.retain(|id| !ids.contains(id));
    }
}

/// `DeregisterInstancesFromLoadBalancer`: one that is not registered is no error, one that does not exist is.
pub(super) fn deregister(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = context.here();
    let load_balancer = named(&mut region.elb, params)?;
    let ids = ids(params)?;
    for id in &ids {
        if !load_balancer.instances.contains(id) {
            find(&region.ec2, id)?;
        }
    }
    load_balancer.instances.retain(|id| !ids.contains(id));
    Ok(answer(load_balancer))
}

/// The instance of that id, unless it is terminated: then it leaves its load balancers by itself.
pub(super) fn find<'a>(region: &'a ec2::Region, id: &str) -> Result<&'a ec2::Instance, ApiError> {
    let instance =
        region.instances.get(id).filter(|instance| instance.state != ec2::InstanceState::Terminated);
    instance.ok_or_else(|| invalid(format!("Could not find EC2 instance {id}.")))
}

/// The instance ids that a request names; there must be one.
fn ids(params: &Params) -> Result<Vec<String>, ApiError> {
    let instances = required_structures(params, "Instances")?;
    instances.iter().map(|instance| instance.required("InstanceId").map(str::to_owned)).collect()
}

fn invalid(message: String) -> ApiError {
    ApiError::bad_request("InvalidInstance", message)
}

fn answer(load_balancer: &LoadBalancer) -> Members {
    let instances = load_balancer.instances.iter().map(|id| Members::new().text("InstanceId", id));
    Members::new().structures("Instances", "member", instances)
}
