//! What groups register their instances with: Classic load balancers by name, target groups by ARN.

use super::{Context, named as group_named, page};
use crate::local::api::{elb, elbv2};
use crate::local::health::TargetState;
use crate::local::state::Region;
use crate::local::state::autoscaling::Group;
use crate::local::state::elbv2::TargetType;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Load balancers and target groups.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) load_balancers: Vec<String>,
    pub(super) target_groups: Vec<String>,
}

impl Sources {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let mut sources = Self {
            load_balancers: params.list("LoadBalancerNames"),
            target_groups: params.list("TargetGroupARNs"),
        };
        for source in params.structures("TrafficSources") {
            let identifier = source.required("Identifier")?.to_owned();
            let by_form = if identifier.starts_with("arn:") { "elbv2" } else { "elb" };
            match source.get("Type").filter(|kind| !kind.is_empty()).unwrap_or(by_form) {
                "elb" => sources.load_balancers.push(identifier),
                "elbv2" => sources.target_groups.push(identifier),
                other => {
                    let message = format!("Traffic sources of type {other} are not served by the local AWS");
                    return Err(ApiError::validation(message));
                }
            }
        }
        Ok(sources)
    }
}

/// What a request names, all of which exists and takes instances.
pub(super) fn named(here: &Region, params: &Params) -> Result<Sources, ApiError> {
    let sources = Sources::read(params)?;
    if sources.load_balancers.iter().any(|name| !here.elb.load_balancers.contains_key(name)) {
        let message = "Provided Load Balancers may not be valid. Please ensure they exist and try again.";
        return Err(ApiError::validation(message));
    }
    for arn in &sources.target_groups {
        let Some(group) = here.elbv2.target_groups.get(arn) else {
            let message = "Provided Target Groups may not be valid. Please ensure they exist and try again.";
            return Err(ApiError::validation(message));
        };
        if group.target_type != TargetType::Instance {
            let message = format!("Target group {arn} is not of the target type instance.");
            return Err(ApiError::validation(message));
        }
    }
    Ok(sources)
}

/// Attaches what `list` names; what is attached stays so.
pub(super) fn attach(context: &mut Context<'_>, params: &Params, list: &str) -> Result<Members, ApiError> {
    let now = context.now;
    let here = context.here();
    let group = group_named(&mut here.autoscaling, params)?.clone();
    if !params.has(list) {
        params.required(list)?;
    }
    let sources = named(here, params)?;
    let ids = ids(&group);
    let mut joined = here.clone();
    for name in &sources.load_balancers {
        elb::join(&mut joined, name, &ids)?;
    }
    for arn in &sources.target_groups {
        elbv2::join(&mut joined, arn, &ids, now)?;
    }
    let group = group_named(&mut joined.autoscaling, params)?;
    for (held, given) in [
        (&mut group.load_balancers, sources.load_balancers),
        (&mut group.target_groups, sources.target_groups),
    ] {
        for source in given {
            if !held.contains(&source) {
                held.push(source);
            }
        }
    }
    *here = joined;
    Ok(Members::new())
}

/// Detaches what `list` names, and deregisters the group's instances from it.
pub(super) fn detach(context: &mut Context<'_>, params: &Params, list: &str) -> Result<Members, ApiError> {
    let now = context.now;
    let here = context.here();
    let group = group_named(&mut here.autoscaling, params)?;
    if !params.has(list) {
        params.required(list)?;
    }
    let sources = Sources::read(params)?;
    let unknown = sources.load_balancers.iter().find(|name| !group.load_balancers.contains(name));
    let unknown =
        unknown.or_else(|| sources.target_groups.iter().find(|arn| !group.target_groups.contains(arn)));
    if let Some(unknown) = unknown {
        let message = format!("{unknown} is not attached to the AutoScalingGroup {}.", group.name);
        return Err(ApiError::validation(message));
    }
    group.load_balancers.retain(|name| !sources.load_balancers.contains(name));
    group.target_groups.retain(|arn| !sources.target_groups.contains(arn));
    let ids = ids(group);
    for name in &sources.load_balancers {
        elb::leave(here, name, &ids);
    }
    for arn in &sources.target_groups {
        elbv2::leave(here, arn, &ids, now);
    }
    Ok(Members::new())
}

fn ids(group: &Group) -> Vec<String> {
    group.members.iter().map(|member| member.instance_id.clone()).collect()
}

pub(super) fn describe_load_balancers(
    context: &mut Context<'_>,
    params: &Params,
) -> Result<Members, ApiError> {
    let group = group_named(&mut context.here().autoscaling, params)?.clone();
    let names = group.load_balancers.iter().map(|name| (name.clone(), name));
    page(params, "LoadBalancers", names, |name| {
        let state = balancer_state(context, &group, name);
        Members::new().text("LoadBalancerName", name).text("State", state)
    })
}

pub(super) fn describe_target_groups(
    context: &mut Context<'_>,
    params: &Params,
) -> Result<Members, ApiError> {
    let group = group_named(&mut context.here().autoscaling, params)?.clone();
    let arns = group.target_groups.iter().map(|arn| (arn.clone(), arn));
    page(params, "LoadBalancerTargetGroups", arns, |arn| {
        let state = group_state(context, &group, arn);
        Members::new().text("LoadBalancerTargetGroupARN", arn).text("State", state)
    })
}

pub(super) fn describe_traffic_sources(
    context: &mut Context<'_>,
    params: &Params,
) -> Result<Members, ApiError> {
    let group = group_named(&mut context.here().autoscaling, params)?.clone();
    let kind = params.get("TrafficSourceType").filter(|kind| !kind.is_empty());
    let classic = group.load_balancers.iter().map(|name| ("elb", name));
    let all = classic.chain(group.target_groups.iter().map(|arn| ("elbv2", arn)));
    let wanted = all.filter(|(of, _)| kind.is_none_or(|kind| kind == *of));
    page(params, "TrafficSources", wanted.map(|(of, id)| (format!("{of}/{id}"), (of, id))), |(of, id)| {
        let state =
            if of == "elb" { balancer_state(context, &group, id) } else { group_state(context, &group, id) };
        Members::new().text("TrafficSource", id).text("State", state).text("Identifier", id).text("Type", of)
    })
}

/// `InService` once a load balancer has found one of the group's instances healthy, as AWS documents it.
fn state(is_there: bool, serves: bool) -> &'static str {
    match (is_there, serves) {
        (false, _) => "Removed",
        (true, true) => "InService",
        (true, false) => "Added",
    }
}

fn balancer_state(context: &Context<'_>, group: &Group, name: &str) -> &'static str {
    let Some(here) = context.state.regions.get(context.region) else { return "Removed" };
    let balancer = here.elb.load_balancers.get(name);
    let serves = balancer.is_some_and(|balancer| {
        let region = (context.region, here);
        let serves = |id: &String| context.health.serves(region, balancer, id, context.settings);
        group.members.iter().any(|member| serves(&member.instance_id))
    });
    state(balancer.is_some(), serves)
}

fn group_state(context: &Context<'_>, group: &Group, arn: &str) -> &'static str {
    let Some(here) = context.state.regions.get(context.region) else { return "Removed" };
    let targets = here.elbv2.target_groups.get(arn);
    let serves = targets.is_some_and(|targets| {
        let region = (context.region, here);
        let own = targets
            .targets
            .iter()
            .filter(|target| group.members.iter().any(|member| member.instance_id == target.id));
        own.map(|target| context.health.target(region, targets, target, context.settings))
            .any(|health| health.state == TargetState::Healthy)
    });
    state(targets.is_some(), serves)
}
