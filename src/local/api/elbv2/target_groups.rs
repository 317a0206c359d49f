//! Creating, modifying and deleting target groups.

use super::arn::{self, Kind as Arn};
use super::{
    Context, check_name, describe, health_checks, one_of, refuse_unserved, required_bounded, tagging,
};
use crate::local::ACCOUNT_ID;
use crate::local::state::elbv2::{Attributes, Protocol, ProtocolVersion, Region, TargetGroup, TargetType};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of target groups in a region.
const MOST: usize = 3000;

/// `CreateTargetGroup`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("Name")?;
    check_name(name, "target group")?;
    let wanted = parse(context, params, name)?;
    let region = &mut context.here().elbv2;
    if let Some(present) = region.target_groups.values().find(|group| group.name == name) {
        if !same(present, &wanted) {
            let message =
                format!("A target group with the same name '{name}' exists, but with different settings");
            return Err(ApiError::bad_request("DuplicateTargetGroupName", message));
        }
        let described = describe::target_group(region, present);
        return Ok(Members::new().structures("TargetGroups", "member", [described]));
    }
    if region.target_groups.len() >= MOST {
        let message =
            format!("The maximum number of target groups has been reached on account '{ACCOUNT_ID}'");
        return Err(ApiError::bad_request("TooManyTargetGroups", message));
    }
    let arn = format!(
        "arn:aws:elasticloadbalancing:{}:{ACCOUNT_ID}:targetgroup/{name}/{}",
        context.region,
        context.ids.arn_suffix()
    );
    let group = TargetGroup { arn: arn.clone(), ..wanted };
    let region = &mut context.here().elbv2;
    let described = describe::target_group(region, &group);
    region.target_groups.insert(arn, group);
    Ok(Members::new().structures("TargetGroups", "member", [described]))
}

/// The group that a request asks for, without an ARN yet.
fn parse(context: &mut Context<'_>, params: &Params, name: &str) -> Result<TargetGroup, ApiError> {
    let tags = tagging::of_new(params)?;
    let words = ["instance", "ip", "lambda", "alb"];
    let target_type = match one_of(params, "TargetType", "targetType", &words)? {
        Some("ip") => TargetType::Ip,
        Some("alb") => TargetType::Alb,
        Some("lambda") => {
            return Err(ApiError::validation("Targets of type 'lambda' are not served by the local AWS"));
        }
        Some(_) | None => TargetType::Instance,
    };
    refuse_unserved(params, &["TargetControlPort"])?;
    let protocol = protocol(params)?;
    if params.get("Port").is_none_or(str::is_empty) {
        return Err(ApiError::validation("A port must be specified"));
    }
    let port = required_bounded(params, "Port", "port", [1, 65535])?;
    let Some(vpc_id) = params.get("VpcId").filter(|id| !id.is_empty()) else {
        return Err(ApiError::validation("A VPC ID must be specified"));
    };
    if !context.here().ec2.vpcs.contains_key(vpc_id) {
        return Err(ApiError::validation(format!("The VPC ID '{vpc_id}' is not found")));
    }
    if one_of(params, "IpAddressType", "ipAddressType", &["ipv4", "ipv6"])? == Some("ipv6") {
        return Err(ApiError::validation("Targets with IPv6 addresses are not served by the local AWS"));
    }
    if target_type == TargetType::Alb && protocol != Protocol::Tcp {
        let message = format!("Protocol '{}' is not supported for target type 'alb'", protocol.name());
        return Err(ApiError::validation(message));
    }
    let protocol_version = protocol_version(params, protocol)?;
    let health_check = health_checks::of_new(params, protocol, protocol_version)?;
    Ok(TargetGroup {
        arn: String::new(),
        name: name.to_owned(),
        protocol,
        port,
        protocol_version,
        target_type,
        vpc_id: vpc_id.to_owned(),
        health_check,
        attributes: Attributes::of_target_group(protocol, protocol_version, target_type),
        targets: Vec::new(),
        tags,
    })
}

fn protocol(params: &Params) -> Result<Protocol, ApiError> {
    let words = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"];
    let Some(name) = one_of(params, "Protocol", "protocol", &words)? else {
        return Err(ApiError::validation("A protocol must be specified"));
    };
    let served = Protocol::from_name(name);
    served.ok_or_else(|| {
        ApiError::validation(format!("Target groups with protocol '{name}' are not served by the local AWS"))
    })
}

fn protocol_version(params: &Params, protocol: Protocol) -> Result<Option<ProtocolVersion>, ApiError> {
    let given = params.get("ProtocolVersion").filter(|version| !version.is_empty());
    if !protocol.is_application() {
        return match given {
            None => Ok(None),
            Some(_) => Err(ApiError::validation(format!(
                "A protocol version cannot be specified for target groups with protocol '{}'",
                protocol.name()
            ))),
        };
    }
    let all = [ProtocolVersion::Http1, ProtocolVersion::Http2, ProtocolVersion::Grpc];
    let Some(name) = given else { return Ok(Some(ProtocolVersion::Http1)) };
    match all.into_iter().find(|version| version.name() == name) {
        Some(version) => Ok(Some(version)),
        None => Err(ApiError::validation(format!(
            "Protocol version '{name}' must be one of 'HTTP1, HTTP2, GRPC'"
        ))),
    }
}

/// Whether a create asks for the group that is there.
fn same(present: &TargetGroup, wanted: &TargetGroup) -> bool {
    present.protocol == wanted.protocol
        && present.port == wanted.port
        && present.protocol_version == wanted.protocol_version
        && present.target_type == wanted.target_type
        && present.vpc_id == wanted.vpc_id
        && present.health_check == wanted.health_check
        && present.tags == wanted.tags
}

/// `ModifyTargetGroup`: the health check is all of a group that can change.
pub(super) fn modify(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let group = arn::target_group(region, params)?;
    group.health_check = health_checks::changed(group, params)?;
    let arn = group.arn.clone();
    let described = region.target_groups.get(&arn).map(|group| describe::target_group(region, group));
    Ok(Members::new().structures("TargetGroups", "member", described))
}

/// `DeleteTargetGroup`: it succeeds for one that is not there, too.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arn = Arn::TargetGroup.required(params, "TargetGroupArn")?;
    let region = &mut context.here().elbv2;
    if region.users_of(arn).next().is_some() {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(ApiError::bad_request("ResourceInUse", message));
    }
    region.target_groups.remove(arn);
    Ok(Members::new())
}

/// Nothing drains in a group that no load balancer uses any more.
pub(super) fn forget_unused(region: &mut Region) {
    let in_use: Vec<String> = region.groups_in_use().into_iter().map(str::to_owned).collect();
    for group in region.target_groups.values_mut().filter(|group| !in_use.contains(&group.arn)) {
        group.targets.retain(crate::local::state::elbv2::Target::is_registered);
    }
}
