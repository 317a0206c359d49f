//! Registering and deregistering targets, and their health.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use time::OffsetDateTime;

use super::arn::{self, Kind as Arn};
use super::{Context, bounded, refuse_unserved, required_structures};
use crate::local::health::TargetHealth;
use crate::local::state::ec2::InstanceState;
use crate::local::state::elbv2::{Target, TargetGroup, TargetType};
use crate::local::state::{Region, ec2, elbv2};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of targets in a group.
const MOST_TARGETS: usize = 1000;

/// Where addresses may be that are not in the group's VPC: RFC 1918 and RFC 6598, as the service model has it.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];

/// The addresses of instances here, which count as within their VPC.
const INSTANCES: &str = "127.64.0.0/16";

/// A target that a request names.
struct Named {
    id: String,
    port: u16,
    zone: Option<String>,
}

/// `RegisterTargets`: all or none. One that is registered stays as it is, and one that drains comes back.
pub(super) fn register(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let now = context.now;
    let here = context.here();
    let group = &*arn::target_group(&mut here.elbv2, params)?;
    let named = named(group, params)?;
    let arn = group.arn.clone();
    add(here, &arn, named, now)?;
    Ok(Members::new())
}

/// Registers instances with a group, at its own port: all or none.
pub(in crate::local::api) fn join(
    here: &mut Region,
    arn: &str,
    ids: &[String],
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    let port = here.elbv2.target_groups.get(arn).map(|group| group.port);
    let port = port.ok_or_else(|| Arn::TargetGroup.not_found(arn))?;
    let named = ids.iter().map(|id| Named { id: id.clone(), port, zone: None }).collect();
    add(here, arn, named, now)
}

/// Deregisters instances at any port; they and the group may be gone.
pub(in crate::local::api) fn leave(here: &mut Region, arn: &str, ids: &[String], now: OffsetDateTime) {
    remove(&mut here.elbv2, arn, |target| ids.contains(&target.id), now);
}

fn add(here: &mut Region, arn: &str, named: Vec<Named>, now: OffsetDateTime) -> Result<(), ApiError> {
    let Some(group) = here.elbv2.target_groups.get(arn) else {
        return Err(Arn::TargetGroup.not_found(arn));
    };
    for target in &named {
        match group.target_type {
            TargetType::Instance => check_instance(&here.ec2, group, target)?,
            TargetType::Ip => check_address(&here.ec2, group, target)?,
            TargetType::Alb => check_load_balancer(here, group, target)?,
        }
    }
    let mut targets = group.targets.clone();
    for Named { id, port, zone } in named {
        match targets.iter_mut().find(|target| target.id == id && target.port == port) {
            Some(present) if present.is_registered() => {}
            Some(present) => {
                present.draining_since = None;
                present.registered_at = now;
            }
            None => targets.push(Target { id, port, zone, registered_at: now, draining_since: None }),
        }
    }
    if targets.len() > MOST_TARGETS {
        let message = format!("The maximum number of targets has been reached on target group '{arn}'");
        return Err(ApiError::bad_request("TooManyTargets", message));
    }
    if let Some(group) = here.elbv2.target_groups.get_mut(arn) {
        group.targets = targets;
    }
    Ok(())
}

/// `DeregisterTargets`: one that is not registered is no error. In a group that a load balancer uses, targets
/// drain for the group's delay; in others they are gone at once.
pub(super) fn deregister(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let now = context.now;
    let region = &mut context.here().elbv2;
    let group = &*arn::target_group(region, params)?;
    let named = named(group, params)?;
    let arn = group.arn.clone();
    let is_named =
        |target: &Target| named.iter().any(|named| named.id == target.id && named.port == target.port);
    remove(region, &arn, is_named, now);
    Ok(Members::new())
}

fn remove(region: &mut elbv2::Region, arn: &str, goes: impl Fn(&Target) -> bool, now: OffsetDateTime) {
    let drains = region.users_of(arn).next().is_some();
    let Some(group) = region.target_groups.get_mut(arn) else { return };
    for target in group.targets.iter_mut().filter(|target| goes(target)) {
        target.draining_since.get_or_insert(now);
    }
    if !drains {
        group.targets.retain(Target::is_registered);
    }
    group.settle(now);
}

/// `DescribeTargetHealth`: of all targets, or of those that are named, registered or not.
pub(super) fn describe_health(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let (region_name, table, settings) = (context.region, context.health, context.settings);
    let here = context.here();
    let group = &*arn::target_group(&mut here.elbv2, params)?;
    let named = if params.structures("Targets").is_empty() { None } else { Some(named(group, params)?) };
    let arn = group.arn.clone();
    let Some(group) = here.elbv2.target_groups.get(&arn) else {
        return Err(Arn::TargetGroup.not_found(&arn));
    };
    let health = |target: &Target| table.target((region_name, here), group, target, settings);
    let described: Vec<Members> = match named {
        None => group
            .targets
            .iter()
            .map(|target| description(group, &target.id, target.port, target.zone.as_ref(), health(target)))
            .collect(),
        Some(named) => named
            .iter()
            .map(|Named { id, port, zone }| {
                let health = group.target(id, *port).map_or_else(TargetHealth::not_registered, health);
                description(group, id, *port, zone.as_ref(), health)
            })
            .collect(),
    };
    Ok(Members::new().structures("TargetHealthDescriptions", "member", described))
}

fn description(
    group: &TargetGroup,
    id: &str,
    port: u16,
    zone: Option<&String>,
    health: TargetHealth,
) -> Members {
    let target = Members::new().text("Id", id).text("Port", port).optional("AvailabilityZone", zone);
    let state = Members::new()
        .text("State", health.state.name())
        .optional("Reason", health.reason)
        .optional("Description", health.description);
    Members::new()
        .structure("Target", target)
        .text("HealthCheckPort", group.health_check.port.unwrap_or(port))
        .structure("TargetHealth", state)
}

/// The targets that a request names; there must be one.
fn named(group: &TargetGroup, params: &Params) -> Result<Vec<Named>, ApiError> {
    let mut all = Vec::new();
    for (index, target) in required_structures(params, "Targets")?.iter().enumerate() {
        refuse_unserved(target, &["QuicServerId"])?;
        let member = format!("targets.{}.member.port", index + 1);
        all.push(Named {
            id: target.required("Id")?.to_owned(),
            port: bounded(target, "Port", &member, [1, 65535])?.unwrap_or(group.port),
            zone: target.get("AvailabilityZone").filter(|zone| !zone.is_empty()).map(str::to_owned),
        });
    }
    Ok(all)
}

fn check_instance(region: &ec2::Region, group: &TargetGroup, target: &Named) -> Result<(), ApiError> {
    let id = &target.id;
    let digits = id.strip_prefix("i-").unwrap_or_default();
    if !matches!(digits.len(), 8 | 17) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ApiError::validation(format!("Instance ID '{id}' is not valid")));
    }
    if target.zone.is_some() {
        let message = "You cannot specify an Availability Zone for targets of type 'instance'";
        return Err(ApiError::validation(message));
    }
    let Some(instance) = region.instances.get(id) else {
        return Err(invalid(format!("Instance ID '{id}' does not exist")));
    };
    if instance.vpc_id != group.vpc_id {
        let message =
            format!("The following targets are not in the target group VPC '{}': '{id}'", group.vpc_id);
        return Err(invalid(message));
    }
    if instance.state != InstanceState::Running {
        let message =
            format!("The following targets are not in a running state and cannot be registered: '{id}'");
        return Err(invalid(message));
    }
    Ok(())
}

fn check_address(region: &ec2::Region, group: &TargetGroup, target: &Named) -> Result<(), ApiError> {
    let id = &target.id;
    let within =
        |block: &str, address: Ipv4Addr| block.parse::<Ipv4Net>().is_ok_and(|block| block.contains(&address));
    let address = match id.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address,
        Ok(IpAddr::V6(_)) | Err(_) => {
            return Err(ApiError::validation(format!("The IP address '{id}' is not a valid IPv4 address")));
        }
    };
    let zone = target.zone.as_deref();
    if zone.is_some_and(|zone| zone != "all" && !region.zones.iter().any(|known| known == zone)) {
        let message = format!("The Availability Zone '{}' is not valid", zone.unwrap_or_default());
        return Err(ApiError::validation(message));
    }
    let vpc = region.vpcs.get(&group.vpc_id);
    if within(INSTANCES, address) || vpc.is_some_and(|vpc| within(&vpc.cidr, address)) {
        return Ok(());
    }
    if !PRIVATE.iter().any(|block| within(block, address)) {
        let message = format!("The IP address '{id}' is not within an allowed range");
        return Err(ApiError::validation(message));
    }
    if zone.is_none() {
        let message = format!(
            "You must specify an Availability Zone or 'all' for the IP address '{id}', which is outside of the target group VPC"
        );
        return Err(ApiError::validation(message));
    }
    Ok(())
}

fn check_load_balancer(here: &Region, group: &TargetGroup, target: &Named) -> Result<(), ApiError> {
    let arn = &target.id;
    Arn::LoadBalancer.check(arn)?;
    let found = here
        .elbv2
        .load_balancers
        .get(arn)
        .filter(|found| found.kind == elbv2::Kind::Application && found.vpc_id == group.vpc_id);
    let Some(found) = found else {
        let message = format!("'{arn}' is not an Application Load Balancer of the target group VPC");
        return Err(invalid(message));
    };
    if target.port != group.port || found.listener_on(target.port).is_none() {
        let message = format!("Load balancer '{arn}' must have a listener on port {}", group.port);
        return Err(invalid(message));
    }
    if group.targets.iter().any(|present| present.id != *arn) {
        return Err(ApiError::bad_request(
            "TooManyTargets",
            "A target group of type 'alb' can have one target only",
        ));
    }
    Ok(())
}

fn invalid(message: String) -> ApiError {
    ApiError::bad_request("InvalidTarget", message)
}
