//! Creating, changing and deleting groups.

use super::{Context, attachments, launch, members, named, new_arn, new_name, tags};
use crate::local::state::autoscaling::Group;
use crate::local::state::ec2;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// How many instances a group has at least, at most and now.
struct Size {
    least: u32,
    most: u32,
    desired: u32,
}

impl Size {
    /// What a request changes of a size.
    fn changed(self, params: &Params) -> Result<Self, ApiError> {
        let (least, most) = (number(params, "MinSize")?, number(params, "MaxSize")?);
        let desired = number(params, "DesiredCapacity")?;
        let (least, most) = (least.unwrap_or(self.least), most.unwrap_or(self.most));
        if least > most {
            let message = format!("Max bound, {most}, must be greater than or equal to min bound, {least}");
            return Err(ApiError::validation(message));
        }
        let Some(desired) = desired else {
            return Ok(Self { least, most, desired: self.desired.clamp(least, most) });
        };
        if !(least..=most).contains(&desired) {
            let message = format!(
                "Desired capacity:{desired} must be between the specified min size:{least} and max size:{most}"
            );
            return Err(ApiError::validation(message));
        }
        Ok(Self { least, most, desired })
    }
}

/// Where a group's instances are.
struct Placement {
    zones: Vec<String>,
    subnets: Vec<String>,
}

impl Placement {
    /// What a request names; none if it names nothing.
    fn named(region: &ec2::Region, params: &Params) -> Result<Option<Self>, ApiError> {
        let mut zones = params.list("AvailabilityZones");
        if let Some(unknown) = zones.iter().find(|zone| !region.zones.contains(zone)) {
            return Err(ApiError::validation(format!("Invalid availability zones: [{unknown}]")));
        }
        let given = params.get("VPCZoneIdentifier").unwrap_or_default();
        let subnets: Vec<String> =
            given.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        if zones.is_empty() && subnets.is_empty() {
            return Ok(None);
        }
        let mut of_subnets: Vec<String> = Vec::new();
        for id in &subnets {
            let Some(subnet) = region.subnets.get(id) else {
                return Err(ApiError::validation(format!("The subnet ID '{id}' does not exist")));
            };
            if !of_subnets.contains(&subnet.zone) {
                of_subnets.push(subnet.zone.clone());
            }
        }
        if !of_subnets.is_empty() {
            if zones.iter().any(|zone| !of_subnets.contains(zone)) {
                let message =
                    "The availability zones of the specified subnets and the Auto Scaling group do not match";
                return Err(ApiError::validation(message));
            }
            zones = of_subnets;
        }
        Ok(Some(Self { zones, subnets }))
    }
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = new_name(params, "AutoScalingGroupName")?;
    for required in ["MinSize", "MaxSize"] {
        params.required(required)?;
    }
    let size = Size { least: 0, most: 0, desired: 0 }.changed(params)?;
    let launch = launch::named(context, params)?.ok_or_else(|| {
        ApiError::validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        )
    })?;
    let placement = Placement::named(&context.here().ec2, params)?
        .ok_or_else(|| ApiError::validation("At least one Availability Zone or VPC Subnet is required."))?;
    let sources = attachments::named(context.here(), params)?;
    let tags = tags::of_new(params, name)?;
    if context.here().autoscaling.groups.contains_key(name) {
        let message = format!(
            "AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        );
        return Err(ApiError::bad_request("AlreadyExists", message));
    }
    let mut group = Group {
        name: name.to_owned(),
        arn: new_arn(context, "autoScalingGroup", name),
        launch,
        least: size.least,
        most: size.most,
        desired: size.desired,
        cooldown: 300,
        zones: placement.zones,
        subnets: placement.subnets,
        health_check: "EC2".to_owned(),
        grace: 0,
        load_balancers: sources.load_balancers,
        target_groups: sources.target_groups,
        protects_new: false,
        tags,
        created_at: context.now,
        members: Vec::new(),
    };
    settings(&mut group, params)?;
    context.here().autoscaling.groups.insert(name.to_owned(), group);
    Ok(Members::new())
}

/// What creation and update have in common beside size, place and launch.
fn settings(group: &mut Group, params: &Params) -> Result<(), ApiError> {
    group.cooldown = number(params, "DefaultCooldown")?.unwrap_or(group.cooldown);
    group.grace = number(params, "HealthCheckGracePeriod")?.unwrap_or(group.grace);
    if let Some(kind) = params.get("HealthCheckType").filter(|kind| !kind.is_empty()) {
        if !["EC2", "ELB"].contains(&kind) {
            let message = format!("Invalid HealthCheckType: {kind}; the local AWS has EC2 and ELB");
            return Err(ApiError::validation(message));
        }
        kind.clone_into(&mut group.health_check);
    }
    group.protects_new = params.boolean("NewInstancesProtectedFromScaleIn")?.unwrap_or(group.protects_new);
    Ok(())
}

pub(super) fn update(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let mut group = named(&mut context.here().autoscaling, params)?.clone();
    let Size { least, most, desired } =
        Size { least: group.least, most: group.most, desired: group.desired }.changed(params)?;
    (group.least, group.most, group.desired) = (least, most, desired);
    if let Some(launch) = launch::named(context, params)? {
        group.launch = launch;
    }
    if let Some(placement) = Placement::named(&context.here().ec2, params)? {
        group.zones = placement.zones;
        group.subnets = placement.subnets;
    }
    settings(&mut group, params)?;
    context.here().autoscaling.groups.insert(group.name.clone(), group);
    Ok(Members::new())
}

pub(super) fn set_desired(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let group = named(&mut context.here().autoscaling, params)?;
    params.required("DesiredCapacity")?;
    let desired = number(params, "DesiredCapacity")?.unwrap_or_default();
    let refuse = |relation: &str, bound: &str, limit: u32| {
        let message = format!(
            "New SetDesiredCapacity value {desired} is {relation} {bound} value {limit} for the AutoScalingGroup."
        );
        Err(ApiError::validation(message))
    };
    if desired > group.most {
        return refuse("above", "max", group.most);
    }
    if desired < group.least {
        return refuse("below", "min", group.least);
    }
    group.desired = desired;
    Ok(Members::new())
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let force = params.boolean("ForceDelete")?.unwrap_or_default();
    let group = named(&mut context.here().autoscaling, params)?;
    if !group.members.is_empty() && !force {
        let message = "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.";
        return Err(ApiError::bad_request("ResourceInUse", message));
    }
    let name = group.name.clone();
    let ids: Vec<String> = group.members.iter().map(|member| member.instance_id.clone()).collect();
    members::end(context, &name, &ids, "a user request force-deleted AutoScalingGroup");
    context.here().autoscaling.groups.remove(&name);
    Ok(Members::new())
}

/// A number that is not negative.
fn number(params: &Params, name: &str) -> Result<Option<u32>, ApiError> {
    let Some(value) = params.integer(name)? else { return Ok(None) };
    u32::try_from(value).map(Some).map_err(|_| {
        let member = crate::local::wire::query::member(name);
        let constraint = "Member must have value greater than or equal to 0";
        ApiError::constraint(Some(&value.to_string()), &member, constraint)
    })
}
