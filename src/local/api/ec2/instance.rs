//! Instances after their launch: describe, start, stop, reboot, terminate, modify.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::filter::{Field, one};
use super::image::ARCHITECTURE;
use super::kind::{self, Kind};
use super::select::{Page, Resource, listed, named_and_filtered, page, page_size, select};
use super::{instance_profile, interface, options, security_group, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Instance, InstanceState, Region, zone_id};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for Instance {
    const KIND: &'static Kind = &kind::INSTANCE;
    const FIELDS: &'static [Field<Self>] = &[
        ("architecture", |_, _| one(ARCHITECTURE)),
        ("availability-zone", |_, instance| one(&instance.zone)),
        ("availability-zone-id", |_, instance| one(zone_id(&instance.zone))),
        ("client-token", |_, instance| instance.client_token.iter().cloned().collect()),
        ("dns-name", |_, _| Vec::new()),
        ("hypervisor", |_, _| one("xen")),
        ("iam-instance-profile.arn", |_, instance| profile(instance, str::to_owned)),
        ("iam-instance-profile.id", |_, instance| profile(instance, instance_profile::id)),
        ("iam-instance-profile.name", |_, instance| {
            profile(instance, |arn| arn.rsplit('/').next().unwrap_or_default().to_owned())
        }),
        ("image-id", |_, instance| one(&instance.image_id)),
        ("instance-id", |_, instance| one(&instance.id)),
        ("instance-lifecycle", |_, _| Vec::new()),
        ("instance-state-code", |_, instance| one(instance.state.code())),
        ("instance-state-name", |_, instance| one(instance.state.name())),
        ("instance-type", |_, instance| one(&instance.size)),
        ("instance.group-id", |_, instance| alive(instance, || instance.security_groups.clone())),
        ("instance.group-name", group_names),
        ("ip-address", |_, _| Vec::new()),
        ("key-name", |_, instance| instance.key_name.iter().cloned().collect()),
        ("launch-index", |_, instance| one(instance.launch_index)),
        ("launch-time", |_, instance| one(timestamp(instance.launched_at))),
        ("monitoring-state", |_, _| one("disabled")),
        ("network-interface.addresses.private-ip-address", private_ip),
        ("network-interface.availability-zone", |_, instance| alive(instance, || one(&instance.zone))),
        ("network-interface.group-id", |_, instance| alive(instance, || instance.security_groups.clone())),
        ("network-interface.group-name", group_names),
        ("network-interface.network-interface-id", |region, instance| {
            interface::of_instance(region, instance)
                .map(|interface| interface.id.clone())
                .into_iter()
                .collect()
        }),
        ("network-interface.subnet-id", |_, instance| alive(instance, || one(&instance.subnet_id))),
        ("network-interface.vpc-id", |_, instance| alive(instance, || one(&instance.vpc_id))),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("platform", |_, _| Vec::new()),
        ("private-dns-name", |_, instance| alive(instance, || one(interface::dns_name(instance.private_ip)))),
        ("private-ip-address", private_ip),
        ("reservation-id", |_, instance| one(&instance.reservation_id)),
        ("root-device-name", |_, _| one("/dev/xvda")),
        ("root-device-type", |_, _| one("ebs")),
        ("source-dest-check", |_, instance| one(instance.source_dest_check)),
        ("subnet-id", |_, instance| alive(instance, || one(&instance.subnet_id))),
        ("tenancy", |_, _| one("default")),
        ("virtualization-type", |_, _| one("hvm")),
        ("vpc-id", |_, instance| alive(instance, || one(&instance.vpc_id))),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }

    /// What was launched together stands together.
    fn position(&self) -> String {
        format!("{}/{:06}", self.reservation_id, self.launch_index)
    }
}

/// A terminated instance has lost its place in the network.
fn alive(instance: &Instance, values: impl Fn() -> Vec<String>) -> Vec<String> {
    if instance.state == InstanceState::Terminated { Vec::new() } else { values() }
}

fn profile(instance: &Instance, value: impl Fn(&str) -> String) -> Vec<String> {
    instance.profile.iter().map(|profile| value(&profile.arn)).collect()
}

fn private_ip(_: &Region, instance: &Instance) -> Vec<String> {
    alive(instance, || one(instance.private_ip))
}

fn group_names(region: &Region, instance: &Instance) -> Vec<String> {
    let name = |id: &String| region.security_groups.get(id).map(|group| group.name.clone());
    alive(instance, || instance.security_groups.iter().filter_map(name).collect())
}

/// A time as EC2 writes it: in UTC, to the millisecond.
pub(in crate::local::api) fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    let millisecond = time.replace_millisecond(time.millisecond()).unwrap_or(time);
    millisecond.format(&Rfc3339).unwrap_or_default()
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    refuse_ids_with_pages(params)?;
    let region = &context.here().ec2;
    let Page { items, next } = select(params, region, region.instances.values())?;
    let reservations = items.chunk_by(|one, other| one.reservation_id == other.reservation_id).collect();
    let page: Page<&[&Instance]> = Page { items: reservations, next };
    Ok(listed("reservationSet", page, |instances| {
        let state = |instance: &Instance| instance.state;
        reservation(region, instances, state)
    }))
}

fn refuse_ids_with_pages(params: &Params) -> Result<(), ApiError> {
    if params.has("MaxResults") && params.has("InstanceId") {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::bad_request("InvalidParameterCombination", message));
    }
    Ok(())
}

/// Instances of one launch, each in the state that `state` says.
pub(super) fn reservation(
    region: &Region,
    instances: &[&Instance],
    state: impl Fn(&Instance) -> InstanceState,
) -> Members {
    let id = instances.first().map(|instance| instance.reservation_id.as_str()).unwrap_or_default();
    let described = instances.iter().map(|instance| description(region, instance, state(instance)));
    Members::new()
        .text("reservationId", id)
        .text("ownerId", ACCOUNT_ID)
        .structures("groupSet", "item", [])
        .structures("instancesSet", "item", described)
}

pub(super) fn state_members(state: InstanceState) -> Members {
    Members::new().text("code", state.code()).text("name", state.name())
}

fn description(region: &Region, instance: &Instance, state: InstanceState) -> Members {
    let in_network = state != InstanceState::Terminated;
    let placed = |members: Members| {
        if !in_network {
            return members.text("privateDnsName", "");
        }
        let groups = security_group::identifiers(region, &instance.security_groups);
        members
            .text("privateDnsName", interface::dns_name(instance.private_ip))
            .text("privateIpAddress", instance.private_ip)
            .text("subnetId", &instance.subnet_id)
            .text("vpcId", &instance.vpc_id)
            .structures("groupSet", "item", groups)
            .structures("networkInterfaceSet", "item", network_interface(region, instance))
    };
    let reason = instance.transition_reason.as_deref().unwrap_or_default();
    let state_reason = (!reason.is_empty()).then(|| {
        Members::new()
            .text("code", "Client.UserInitiatedShutdown")
            .text("message", "Client.UserInitiatedShutdown: User initiated shutdown")
    });
    let members = Members::new()
        .text("instanceId", &instance.id)
        .text("imageId", &instance.image_id)
        .structure("instanceState", state_members(state))
        .text("dnsName", "")
        .text("reason", reason)
        .optional("keyName", instance.key_name.as_ref())
        .text("amiLaunchIndex", instance.launch_index)
        .structures("productCodes", "item", [])
        .text("instanceType", &instance.size)
        .text("launchTime", timestamp(instance.launched_at))
        .structure(
            "placement",
            Members::new()
                .text("availabilityZone", &instance.zone)
                .text("groupName", "")
                .text("tenancy", "default"),
        )
        .structure("monitoring", Members::new().text("state", "disabled"))
        .text("architecture", ARCHITECTURE)
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", "/dev/xvda")
        .structures("blockDeviceMapping", "item", [])
        .text("virtualizationType", "hvm")
        .text("hypervisor", "xen")
        .text("sourceDestCheck", instance.source_dest_check)
        .text("clientToken", instance.client_token.as_deref().unwrap_or_default());
    let members = placed(members)
        .structure("metadataOptions", options::metadata(region, &instance.id))
        .structures("tagSet", "item", tags::set(&instance.tags));
    let members = match &instance.profile {
        Some(profile) => members.structure("iamInstanceProfile", instance_profile::members(profile)),
        None => members,
    };
    match state_reason {
        Some(reason) => members.structure("stateReason", reason),
        None => members,
    }
}

fn network_interface(region: &Region, instance: &Instance) -> Option<Members> {
    let own = interface::of_instance(region, instance)?;
    let attachment = Members::new()
        .text("attachmentId", interface::attachment_id(own))
        .text("deviceIndex", 0)
        .text("status", "attached")
        .text("attachTime", timestamp(instance.launched_at))
        .text("deleteOnTermination", true);
    let members = Members::new()
        .text("networkInterfaceId", &own.id)
        .text("subnetId", &own.subnet_id)
        .text("vpcId", &own.vpc_id)
        .text("description", &own.description)
        .text("ownerId", ACCOUNT_ID)
        .text("status", "in-use")
        .text("interfaceType", "interface")
        .text("macAddress", interface::mac_address(own))
        .text("privateIpAddress", own.private_ip)
        .text("privateDnsName", interface::dns_name(own.private_ip))
        .text("sourceDestCheck", instance.source_dest_check)
        .structures("groupSet", "item", security_group::identifiers(region, &own.security_groups))
        .structure("attachment", attachment)
        .structures("privateIpAddressesSet", "item", [interface::addresses(own)]);
    Some(options::with_tracking(members, region, &own.id))
}

const STATUS_FIELDS: &[Field<Instance>] = &[
    ("availability-zone", |_, instance| one(&instance.zone)),
    ("availability-zone-id", |_, instance| one(zone_id(&instance.zone))),
    ("instance-state-code", |_, instance| one(instance.state.code())),
    ("instance-state-name", |_, instance| one(instance.state.name())),
    ("instance-status.reachability", |_, instance| one(reachability(instance))),
    ("instance-status.status", |_, instance| one(summary_status(instance))),
    ("system-status.reachability", |_, instance| one(reachability(instance))),
    ("system-status.status", |_, instance| one(summary_status(instance))),
];

fn summary_status(instance: &Instance) -> &'static str {
    if instance.state == InstanceState::Running { "ok" } else { "not-applicable" }
}

fn reachability(instance: &Instance) -> &'static str {
    if instance.state == InstanceState::Running { "passed" } else { "" }
}

pub(super) fn describe_status(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    refuse_ids_with_pages(params)?;
    let all = params.boolean("IncludeAllInstances")?.unwrap_or_default();
    let limit = page_size(params, 1000)?;
    let region = &context.here().ec2;
    let mut instances = named_and_filtered(params, region, STATUS_FIELDS, region.instances.values())?;
    instances.retain(|instance| all || instance.state == InstanceState::Running);
    let page = page(params, limit, instances, |instance| instance.position())?;
    Ok(listed("instanceStatusSet", page, |instance| {
        let running = instance.state == InstanceState::Running;
        let details = running.then(|| Members::new().text("name", "reachability").text("status", "passed"));
        let summary =
            Members::new().text("status", summary_status(instance)).structures("details", "item", details);
        Members::new()
            .text("instanceId", &instance.id)
            .text("availabilityZone", &instance.zone)
            .structures("eventsSet", "item", [])
            .structure("instanceState", state_members(instance.state))
            .structure("systemStatus", summary.clone())
            .structure("instanceStatus", summary)
    }))
}
