//! From what a group launches, and the parameters of one launch.

use super::launch_configurations;
use crate::local::api::{Context, ec2};
use crate::local::state::Region;
use crate::local::state::autoscaling::{Group, LaunchSource};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// What a request names to launch from; none if it names nothing.
pub(super) fn named(context: &mut Context<'_>, params: &Params) -> Result<Option<LaunchSource>, ApiError> {
    for other in ["InstanceId", "MixedInstancesPolicy"] {
        if params.has(other) {
            let message = format!("{other} is not served by the local AWS");
            return Err(ApiError::validation(message));
        }
    }
    let configuration = params.get("LaunchConfigurationName").filter(|name| !name.is_empty());
    let template = params.structure("LaunchTemplate");
    if configuration.is_some() && !template.is_empty() {
        let message = "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.";
        return Err(ApiError::validation(message));
    }
    let here = context.here();
    if let Some(name) = configuration {
        if !here.autoscaling.launch_configurations.contains_key(name) {
            let message = format!(
                "Launch configuration name not found - A launch configuration with the name: {name} does not exist"
            );
            return Err(ApiError::validation(message));
        }
        return Ok(Some(LaunchSource::Configuration(name.to_owned())));
    }
    if template.is_empty() {
        return Ok(None);
    }
    let version = template.get("Version").filter(|version| !version.is_empty()).unwrap_or("$Default");
    let found = ec2::launch_template(&here.ec2, &template).map_err(|error| {
        let message = format!("You must use a valid fully-formed launch template. {}", error.message);
        ApiError::validation(message)
    })?;
    let (id, launch) = (found.id.clone(), ec2::launch_parameters(found, version));
    let Some(launch) = launch else {
        let message = format!(
            "You must use a valid fully-formed launch template. The version {version} of launch template {id} does not exist."
        );
        return Err(ApiError::validation(message));
    };
    if launch.get("ImageId").is_none() {
        let message = "You must use a valid fully-formed launch template. The request must contain the parameter ImageId";
        return Err(ApiError::validation(message));
    }
    Ok(Some(LaunchSource::Template { id, version: version.to_owned() }))
}

/// The parameters of the launch of one instance in a subnet, or in a zone's default one.
pub(super) fn parameters(region: &Region, group: &Group, place: &Place<'_>) -> Result<Params, ApiError> {
    let mut params = match &group.launch {
        LaunchSource::Configuration(name) => {
            let configuration = region.autoscaling.launch_configurations.get(name);
            configuration.map(launch_configurations::parameters).ok_or_else(|| {
                ApiError::validation(format!("the launch configuration {name} does not exist"))
            })?
        }
        LaunchSource::Template { id, version } => {
            let template = region.ec2.launch_templates.get(id);
            let found = template.and_then(|template| ec2::launch_parameters(template, version));
            found.ok_or_else(|| {
                ApiError::validation(format!("the launch template {id} has no version {version}"))
            })?
        }
    };
    params.set("MinCount", "1");
    params.set("MaxCount", "1");
    match place {
        Place::Zone(zone) => params.set("Placement.AvailabilityZone", zone),
        Place::Subnet(subnet) if params.has("NetworkInterface") => {
            params.set("NetworkInterface.1.SubnetId", subnet);
        }
        Place::Subnet(subnet) => params.set("SubnetId", subnet),
    }
    Ok(params)
}

/// Where an instance is launched.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Zone(&'a str),
    Subnet(&'a str),
}

/// How descriptions name it.
pub(super) fn described(region: &Region, members: Members, source: &LaunchSource) -> Members {
    match source {
        LaunchSource::Configuration(name) => members.text("LaunchConfigurationName", name),
        LaunchSource::Template { id, version } => {
            let name = region.ec2.launch_templates.get(id).map(|template| template.name.as_str());
            let template = Members::new()
                .text("LaunchTemplateId", id)
                .optional("LaunchTemplateName", name)
                .text("Version", version);
            members.structure("LaunchTemplate", template)
        }
    }
}
