//! Subnets.

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::vpc::{cidr_block, stored_cidr};
use super::{done, invalid_value, tags, vpc};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Region, Subnet, zone_id};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for Subnet {
    const KIND: &'static Kind = &kind::SUBNET;
    const FIELDS: &'static [Field<Self>] = &[
        ("assign-ipv6-address-on-creation", |_, _| one(false)),
        ("availability-zone", |_, subnet| one(&subnet.zone)),
        ("availabilityZone", |_, subnet| one(&subnet.zone)),
        ("availability-zone-id", |_, subnet| one(zone_id(&subnet.zone))),
        ("availabilityZoneId", |_, subnet| one(zone_id(&subnet.zone))),
        ("available-ip-address-count", |region, subnet| one(free_addresses(region, subnet))),
        ("cidr", |_, subnet| one(&subnet.cidr)),
        ("cidr-block", |_, subnet| one(&subnet.cidr)),
        ("cidrBlock", |_, subnet| one(&subnet.cidr)),
        ("default-for-az", |_, subnet| one(subnet.default_for_zone)),
        ("defaultForAz", |_, subnet| one(subnet.default_for_zone)),
        ("ipv6-cidr-block-association.association-id", |_, _| Vec::new()),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_, _| Vec::new()),
        ("ipv6-cidr-block-association.state", |_, _| Vec::new()),
        ("ipv6-native", |_, _| one(false)),
        ("map-public-ip-on-launch", |_, subnet| one(subnet.default_for_zone)),
        ("outpost-arn", |_, _| Vec::new()),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("state", |_, _| one("available")),
        ("subnet-arn", |_, subnet| one(arn(subnet))),
        ("subnet-id", |_, subnet| one(&subnet.id)),
        ("vpc-id", |_, subnet| one(&subnet.vpc_id)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// The subnet of that id.
pub(super) fn find<'a>(region: &'a Region, id: &str) -> Result<&'a Subnet, ApiError> {
    kind::SUBNET.check(id)?;
    region.subnets.get(id).ok_or_else(|| kind::SUBNET.not_found(&[id]))
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    let page = select(params, region, region.subnets.values())?;
    Ok(listed("subnetSet", page, |subnet| description(region, subnet)))
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let tags = tags::specified(params, &kind::SUBNET, &[])?;
    let region = &context.here().ec2;
    let vpc = vpc::find(region, params.ec2_required("VpcId")?)?;
    let cidr = cidr_block(params.ec2_required("CidrBlock")?)?;
    if !(16..=28).contains(&cidr.prefix_len()) || !stored_cidr(&vpc.cidr).contains(&cidr) {
        return Err(ApiError::bad_request("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let overlaps = |subnet: &Subnet| {
        let other = stored_cidr(&subnet.cidr);
        subnet.vpc_id == vpc.id && (other.contains(&cidr) || cidr.contains(&other))
    };
    if region.subnets.values().any(overlaps) {
        let message = format!("The CIDR '{cidr}' conflicts with another subnet");
        return Err(ApiError::bad_request("InvalidSubnet.Conflict", message));
    }
    let zone = zone(region, params)?;
    let vpc_id = vpc.id.clone();
    let subnet = Subnet {
        id: context.ids.resource("subnet"),
        vpc_id,
        zone,
        cidr: cidr.to_string(),
        default_for_zone: false,
        tags,
    };
    let region = &mut context.here().ec2;
    let described = description(region, &subnet);
    region.subnets.insert(subnet.id.clone(), subnet);
    Ok(Members::new().structure("subnet", described))
}

fn zone(region: &Region, params: &Params) -> Result<String, ApiError> {
    let wanted = match (params.get("AvailabilityZone"), params.get("AvailabilityZoneId")) {
        (Some(name), _) => region.zones.iter().find(|zone| *zone == name).ok_or(("availabilityZone", name)),
        (None, Some(id)) => {
            region.zones.iter().find(|zone| zone_id(zone) == id).ok_or(("availabilityZoneId", id))
        }
        (None, None) => region.zones.first().ok_or(("availabilityZone", "")),
    };
    wanted.cloned().map_err(|(parameter, value)| {
        let zones = region.zones.join(", ");
        invalid_value(format!(
            "Value ({value}) for parameter {parameter} is invalid. Subnets can currently only be created in the following availability zones: {zones}."
        ))
    })
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let id = find(region, params.ec2_required("SubnetId")?)?.id.clone();
    if region.network_interfaces.values().any(|interface| interface.subnet_id == id) {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::bad_request("DependencyViolation", message));
    }
    region.subnets.remove(&id);
    Ok(done())
}

/// Addresses that are left: the first four and the last one of a subnet are AWS's.
pub(in crate::local::api) fn free_addresses(region: &Region, subnet: &Subnet) -> usize {
    let size = 1_usize << (32 - stored_cidr(&subnet.cidr).prefix_len().clamp(8, 32));
    let taken = region.network_interfaces.values().filter(|interface| interface.subnet_id == subnet.id);
    size.saturating_sub(5 + taken.count())
}

fn arn(subnet: &Subnet) -> String {
    let region = &subnet.zone[..subnet.zone.len() - 1];
    format!("arn:aws:ec2:{region}:{ACCOUNT_ID}:subnet/{}", subnet.id)
}

fn description(region: &Region, subnet: &Subnet) -> Members {
    Members::new()
        .text("subnetId", &subnet.id)
        .text("subnetArn", arn(subnet))
        .text("state", "available")
        .text("ownerId", ACCOUNT_ID)
        .text("vpcId", &subnet.vpc_id)
        .text("cidrBlock", &subnet.cidr)
        .structures("ipv6CidrBlockAssociationSet", "item", [])
        .text("availableIpAddressCount", free_addresses(region, subnet))
        .text("availabilityZone", &subnet.zone)
        .text("availabilityZoneId", zone_id(&subnet.zone))
        .text("defaultForAz", subnet.default_for_zone)
        // Clients tell public subnets by this; instances here have no public address all the same.
        .text("mapPublicIpOnLaunch", subnet.default_for_zone)
        .text("assignIpv6AddressOnCreation", false)
        .text("ipv6Native", false)
        .structures("tagSet", "item", tags::set(&subnet.tags))
}
