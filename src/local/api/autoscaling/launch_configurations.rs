//! Launch configurations.

use super::super::ec2;
use super::{Context, new_arn, new_name, page};
use crate::local::state::autoscaling::{LaunchConfiguration, LaunchSource};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = new_name(params, "LaunchConfigurationName")?;
    if params.get("InstanceId").is_some() {
        return Err(ApiError::validation("the local AWS makes no launch configuration from an instance"));
    }
    let image_id = params.required("ImageId")?;
    let size = params.required("InstanceType")?;
    let configuration = LaunchConfiguration {
        name: name.to_owned(),
        arn: new_arn(context, "launchConfiguration", name),
        image_id: image_id.to_owned(),
        size: size.to_owned(),
        key_name: params.get("KeyName").map(str::to_owned),
        security_groups: params.list("SecurityGroups"),
        profile: params.get("IamInstanceProfile").map(str::to_owned),
        user_data: params.get("UserData").map(str::to_owned),
        created_at: context.now,
    };
    ec2::check_launch(&context.here().ec2, &parameters(&configuration))?;
    if context.here().autoscaling.launch_configurations.contains_key(name) {
        let message = format!(
            "Launch Configuration by this name already exists - A launch configuration already exists with the name {name}"
        );
        return Err(ApiError::bad_request("AlreadyExists", message));
    }
    context.here().autoscaling.launch_configurations.insert(name.to_owned(), configuration);
    Ok(Members::new())
}

/// The parameters of a launch.
pub(super) fn parameters(configuration: &LaunchConfiguration) -> Params {
    let mut params = Params::default();
    params.set("ImageId", &configuration.image_id);
    params.set("InstanceType", &configuration.size);
    if let Some(key) = &configuration.key_name {
        params.set("KeyName", key);
    }
    if let Some(profile) = &configuration.profile {
        let member = if profile.starts_with("arn:") { "Arn" } else { "Name" };
        params.set(&format!("IamInstanceProfile.{member}"), profile);
    }
    for (index, group) in configuration.security_groups.iter().enumerate() {
        params.set(&format!("SecurityGroupId.{}", index + 1), group);
    }
    params
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("LaunchConfigurationName")?;
    let region = &mut context.here().autoscaling;
    if !region.launch_configurations.contains_key(name) {
        let message = format!("Launch configuration name not found - Launch configuration {name} not found");
        return Err(ApiError::validation(message));
    }
    let used = LaunchSource::Configuration(name.to_owned());
    if region.groups.values().any(|group| group.launch == used) {
        let message = format!(
            "Cannot delete launch configuration {name} because it is attached to an AutoScalingGroup"
        );
        return Err(ApiError::bad_request("ResourceInUse", message));
    }
    region.launch_configurations.remove(name);
    Ok(Members::new())
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let names = params.list("LaunchConfigurationNames");
    let all = context.here().autoscaling.launch_configurations.iter();
    let wanted = all.filter(|(name, _)| names.is_empty() || names.contains(name));
    let wanted = wanted.map(|(name, configuration)| (name.clone(), configuration));
    page(params, "LaunchConfigurations", wanted, |configuration| {
        Members::new()
            .text("LaunchConfigurationName", &configuration.name)
            .text("LaunchConfigurationARN", &configuration.arn)
            .text("ImageId", &configuration.image_id)
            .text("KeyName", configuration.key_name.as_deref().unwrap_or_default())
            .texts("SecurityGroups", "member", &configuration.security_groups)
            .structures("ClassicLinkVPCSecurityGroups", "member", [])
            .text("UserData", configuration.user_data.as_deref().unwrap_or_default())
            .text("InstanceType", &configuration.size)
            .structures("BlockDeviceMappings", "member", [])
            .structure("InstanceMonitoring", Members::new().text("Enabled", true))
            .optional("IamInstanceProfile", configuration.profile.as_ref())
            .text("CreatedTime", ec2::timestamp(configuration.created_at))
            .text("EbsOptimized", false)
    })
}
