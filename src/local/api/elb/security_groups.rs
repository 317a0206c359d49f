//! A load balancer's security groups.

use super::placement::sync_interfaces;
use super::{Context, invalid_configuration, named, required_list};
use crate::local::state::ec2::Region;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of security groups a network interface.
const MOST_GROUPS: usize = 5;

/// `ApplySecurityGroupsToLoadBalancer`: these in place of what it has.
pub(super) fn apply(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = context.state.region_mut(context.region);
    let load_balancer = named(&mut region.elb, params)?;
    let groups = checked(&region.ec2, &load_balancer.vpc_id, required_list(params, "SecurityGroups")?)?;
    load_balancer.security_groups.clone_from(&groups);
    sync_interfaces(&mut region.ec2, context.ids, load_balancer);
    Ok(Members::new().texts("SecurityGroups", "member", groups))
}

/// The groups that a create asks for: the VPC's default one if it names none.
pub(super) fn asked_for(region: &Region, vpc_id: &str, params: &Params) -> Result<Vec<String>, ApiError> {
    let ids = params.list("SecurityGroups");
    if ids.is_empty() {
        let default = region.default_security_group(vpc_id);
        return Ok(default.map(|group| group.id.clone()).into_iter().collect());
    }
    checked(region, vpc_id, ids)
}

fn checked(region: &Region, vpc_id: &str, ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    let mut groups: Vec<String> = Vec::new();
    for id in ids {
        match region.security_groups.get(&id) {
            None => return Err(invalid(format!("The security group '{id}' does not exist"))),
            Some(group) if group.vpc_id != vpc_id => {
                return Err(invalid(format!("The security group '{id}' is not in VPC {vpc_id}")));
            }
            Some(_) if groups.contains(&id) => {}
            Some(_) => groups.push(id),
        }
    }
    if groups.len() > MOST_GROUPS {
        let message = format!("A load balancer can have at most {MOST_GROUPS} security groups");
        return Err(invalid_configuration(message));
    }
    Ok(groups)
}

fn invalid(message: String) -> ApiError {
    ApiError::bad_request("InvalidSecurityGroup", message)
}
