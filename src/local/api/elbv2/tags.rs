//! Tags of load balancers, listeners, rules and target groups.

use super::arn::{self, Kind as Arn};
use super::describe::at_most_20;
use super::{Context, required_list, tagging};
use crate::local::state::Tags;
use crate::local::state::elbv2::Region;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `AddTags`: a key that a resource has gets the new value.
pub(super) fn add(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arns = required_list(params, "ResourceArns")?;
    let given = tagging::given(params)?;
    change(context, &arns, |tags| tags.extend(given.clone()))
}

/// `RemoveTags`: a key that a resource does not have is no error.
pub(super) fn remove(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arns = required_list(params, "ResourceArns")?;
    let keys = required_list(params, "TagKeys")?;
    change(context, &arns, |tags| tags.retain(|key, _| !keys.contains(key)))
}

/// All or none.
fn change(
    context: &mut Context<'_>,
    arns: &[String],
    change: impl Fn(&mut Tags),
) -> Result<Members, ApiError> {
    at_most_20(arns, "resource ARNs")?;
    let region = &mut context.here().elbv2;
    let mut changed = Vec::new();
    for arn in arns {
        let mut tags = find(region, arn)?.clone();
        change(&mut tags);
        tagging::check_count(&tags)?;
        changed.push((arn, tags));
    }
    for (arn, tags) in changed {
        *find(region, arn)? = tags;
    }
    Ok(Members::new())
}

/// `DescribeTags`: of up to 20 resources.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arns = required_list(params, "ResourceArns")?;
    at_most_20(&arns, "resource ARNs")?;
    let region = &mut context.here().elbv2;
    let mut described = Vec::new();
    for arn in &arns {
        let tags = tagging::members(find(region, arn)?);
        described.push(Members::new().text("ResourceArn", arn).structures("Tags", "member", tags));
    }
    Ok(Members::new().structures("TagDescriptions", "member", described))
}

/// The tags of the resource of that ARN. A default rule has its listener's.
fn find<'a>(region: &'a mut Region, arn: &str) -> Result<&'a mut Tags, ApiError> {
    let Some(kind) = Arn::of(arn) else {
        return Err(ApiError::validation(format!("'{arn}' is not a valid resource ARN")));
    };
    let balancers = &mut region.load_balancers;
    let found = match kind {
        Arn::LoadBalancer => balancers.get_mut(arn).map(|balancer| &mut balancer.tags),
        Arn::TargetGroup => region.target_groups.get_mut(arn).map(|group| &mut group.tags),
        Arn::Listener => {
            let balancer = balancers.get_mut(&arn::load_balancer_of(arn));
            balancer.and_then(|balancer| balancer.listeners.get_mut(arn)).map(|listener| &mut listener.tags)
        }
        Arn::Rule => {
            let above = arn::listener_of(arn);
            let balancer = balancers.get_mut(&arn::load_balancer_of(&above));
            balancer.and_then(|balancer| balancer.listeners.get_mut(&above)).and_then(|listener| {
                if listener.default_rule_arn == arn {
                    return Some(&mut listener.tags);
                }
                listener.rules.values_mut().find(|rule| rule.arn == arn).map(|rule| &mut rule.tags)
            })
        }
    };
    found.ok_or_else(|| kind.not_found(arn))
}
