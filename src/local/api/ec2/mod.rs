//! EC2, 2016-11-15: what load balancers need of it.
//!
//! Instances are records: nothing runs in them. What an operation starts (an instance coming up, going down)
//! is done by the next request.

mod account;
mod address;
mod filter;
mod gateway;
mod image;
mod instance;
mod instance_profile;
mod interface;
mod kind;
mod launch;
mod launch_template;
mod lifecycle;
mod network_acl;
mod options;
mod permission;
mod route_table;
mod rule;
mod security_group;
mod select;
mod subnet;
mod tags;
mod vpc;
mod zone;

use time::Duration;

pub(in crate::local::api) use self::instance::timestamp;
pub(in crate::local::api) use self::launch::{check_launch, launch_one};
pub(in crate::local::api) use self::launch_template::{
    find as launch_template, parameters as launch_parameters,
};
pub(in crate::local::api) use self::lifecycle::end;
pub(in crate::local::api) use self::subnet::free_addresses;
use super::Context;
use crate::local::state::ec2::{Direction, InstanceState};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// How long a terminated instance is still described.
const REMEMBERED: Duration = Duration::hours(1);

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    perhaps_dry(context, action, params).map_err(|error| {
        // A number or boolean that is none has another code here than in the other query services.
        if error.code == "MalformedInput" { invalid_value(error.message) } else { error }
    })
}

fn perhaps_dry(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    forget_terminated(context);
    if params.boolean("DryRun")? != Some(true) {
        return run(context, action, params);
    }
    // A dry run is refused as the operation would be, and otherwise with the news that it would not.
    let mut state = context.state.clone();
    let mut rehearsal = Context {
        state: &mut state,
        region: context.region,
        now: context.now,
        ids: &mut *context.ids,
        settings: context.settings,
        health: context.health,
        isolates: context.isolates,
    };
    run(&mut rehearsal, action, params)?;
    let message = "Request would have succeeded, but DryRun flag is set.";
    Err(ApiError::new(412, "DryRunOperation", message))
}

fn run(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    match action {
        "AllocateAddress" => address::allocate(context, params),
        "AssociateIamInstanceProfile" => instance_profile::associate(context, params),
        "AttachInternetGateway" => gateway::attach(context, params),
        "AuthorizeSecurityGroupEgress" => rule::authorize(context, params, Direction::Egress),
        "AuthorizeSecurityGroupIngress" => rule::authorize(context, params, Direction::Ingress),
        "CreateInternetGateway" => gateway::create(context, params),
        "CreateLaunchTemplate" => launch_template::create(context, params),
        "CreateLaunchTemplateVersion" => launch_template::create_version(context, params),
        "CreateNetworkAclEntry" => network_acl::put(context, params, false),
        "CreateSecurityGroup" => security_group::create(context, params),
        "CreateSubnet" => subnet::create(context, params),
        "CreateTags" => tags::create(context, params),
        "CreateVpc" => vpc::create(context, params),
        "DeleteInternetGateway" => gateway::delete(context, params),
        "DeleteLaunchTemplate" => launch_template::delete(context, params),
        "DeleteNetworkAclEntry" => network_acl::delete(context, params),
        "DeleteSecurityGroup" => security_group::delete(context, params),
        "DeleteSubnet" => subnet::delete(context, params),
        "DeleteTags" => tags::delete(context, params),
        "DeleteVpc" => vpc::delete(context, params),
        "DescribeAccountAttributes" => account::describe_attributes(context, params),
        "DescribeAddresses" => address::describe(context, params),
        "DescribeAvailabilityZones" => zone::describe(context, params),
        "DescribeIamInstanceProfileAssociations" => instance_profile::describe(context, params),
        "DescribeImages" => image::describe(context, params),
        "DescribeInstanceStatus" => instance::describe_status(context, params),
        "DescribeInstances" => instance::describe(context, params),
        "DescribeInternetGateways" => gateway::describe(context, params),
        "DescribeLaunchTemplateVersions" => launch_template::describe_versions(context, params),
        "DescribeLaunchTemplates" => launch_template::describe(context, params),
        "DescribeNetworkAcls" => network_acl::describe(context, params),
        "DescribeNetworkInterfaces" => interface::describe(context, params),
        "DescribeRegions" => zone::describe_regions(context, params),
        "DescribeRouteTables" => route_table::describe(context, params),
        "DescribeSecurityGroupRules" => rule::describe(context, params),
        "DescribeSecurityGroups" => security_group::describe(context, params),
        "DescribeSubnets" => subnet::describe(context, params),
        "DescribeTags" => tags::describe(context, params),
        "DescribeVpcs" => vpc::describe(context, params),
        "DetachInternetGateway" => gateway::detach(context, params),
        "DisassociateIamInstanceProfile" => instance_profile::disassociate(context, params),
        "ModifyInstanceAttribute" => lifecycle::modify_attribute(context, params),
        "ModifyInstanceMetadataOptions" => options::modify_metadata(context, params),
        "ModifyNetworkInterfaceAttribute" => options::modify_interface(context, params),
        "ModifySecurityGroupRules" => rule::modify(context, params),
        "RebootInstances" => lifecycle::reboot(context, params),
        "ReleaseAddress" => address::release(context, params),
        "ReplaceIamInstanceProfileAssociation" => instance_profile::replace(context, params),
        "ReplaceNetworkAclEntry" => network_acl::put(context, params, true),
        "RevokeSecurityGroupEgress" => rule::revoke(context, params, Direction::Egress),
        "RevokeSecurityGroupIngress" => rule::revoke(context, params, Direction::Ingress),
        "RunInstances" => launch::run(context, params),
        "StartInstances" => lifecycle::start(context, params),
        "StopInstances" => lifecycle::stop(context, params),
        "TerminateInstances" => lifecycle::terminate(context, params),
        "UpdateSecurityGroupRuleDescriptionsEgress" => {
            rule::describe_anew(context, params, Direction::Egress)
        }
        "UpdateSecurityGroupRuleDescriptionsIngress" => {
            rule::describe_anew(context, params, Direction::Ingress)
        }
        _ => Err(ApiError::invalid_action(action, "2016-11-15")),
    }
}

fn forget_terminated(context: &mut Context<'_>) {
    let now = context.now;
    let region = &mut context.here().ec2;
    let before = region.instances.len();
    region.instances.retain(|_, instance| {
        instance.state != InstanceState::Terminated
            || instance.terminated_at.is_none_or(|terminated| now - terminated <= REMEMBERED)
    });
    if region.instances.len() < before {
        let instances = &region.instances;
        let left = |id: &String| instances.values().any(|instance| instance.reservation_id == *id);
        region.launches.retain(|_, launch| left(&launch.reservation_id));
        region.metadata_options.retain(|id, _| instances.contains_key(id));
        let interfaces = &region.network_interfaces;
        region.connection_tracking.retain(|id, _| interfaces.contains_key(id));
    }
}

/// The refusal of a value.
fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::bad_request("InvalidParameterValue", message)
}

/// The answer of operations that have nothing to tell.
fn done() -> Members {
    Members::new().text("return", true)
}
