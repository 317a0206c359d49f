//! Security groups of load balancers.

use super::{Context, arn, invalid_configuration, one_of, placement, required_list};
use crate::local::state::ec2::Region;
use crate::local::state::elbv2::Kind;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of security groups a network interface.
const MOST_GROUPS: usize = 5;

/// `SetSecurityGroups`: these in place of what it has. A Network Load Balancer that was created without any
/// gets none, and one that has some keeps at least one.
pub(super) fn set(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let switch = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
    let member = "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
    let enforced = one_of(params, switch, member, &["on", "off"])?.map(|word| word == "on");
    let region = context.state.region_mut(context.region);
    let load_balancer = arn::load_balancer(&mut region.elbv2, params)?;
    let groups = checked(&region.ec2, &load_balancer.vpc_id, required_list(params, "SecurityGroups")?)?;
    match load_balancer.kind {
        Kind::Application if enforced.is_some() => {
            return Err(ApiError::validation(format!(
                "{switch} is not supported for load balancers with type 'application'"
            )));
        }
        Kind::Network if load_balancer.security_groups.is_empty() => {
            return Err(invalid_configuration(
                "You cannot set security groups on a Network Load Balancer that was created without any",
            ));
        }
        Kind::Application | Kind::Network => {}
    }
    load_balancer.enforced_on_private_link = enforced.or(load_balancer.enforced_on_private_link);
    load_balancer.security_groups.clone_from(&groups);
    placement::sync_interfaces(&mut region.ec2, context.ids, load_balancer);
    let enforced = load_balancer.enforced_on_private_link.map(|on| if on { "on" } else { "off" });
    Ok(Members::new().texts("SecurityGroupIds", "member", groups).optional(switch, enforced))
}

/// The groups that a create asks for. If it names none, an Application Load Balancer gets the VPC's default one.
pub(super) fn of_new(
    region: &Region,
    vpc_id: &str,
    kind: Kind,
    params: &Params,
) -> Result<Vec<String>, ApiError> {
    let ids = params.list("SecurityGroups");
    match kind {
        Kind::Application if ids.is_empty() => {
            let default = region.default_security_group(vpc_id);
            Ok(default.map(|group| group.id.clone()).into_iter().collect())
        }
        Kind::Application | Kind::Network => checked(region, vpc_id, ids),
    }
}

fn checked(region: &Region, vpc_id: &str, ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    let mut groups: Vec<String> = Vec::new();
    for id in ids {
        if region.security_groups.get(&id).is_none_or(|group| group.vpc_id != vpc_id) {
            return Err(invalid_configuration("One or more security groups are invalid"));
        }
        if !groups.contains(&id) {
            groups.push(id);
        }
    }
    if groups.len() > MOST_GROUPS {
        let message = format!("A load balancer can have at most {MOST_GROUPS} security groups");
        return Err(invalid_configuration(message));
    }
    Ok(groups)
}
