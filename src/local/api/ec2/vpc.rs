//! VPCs.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::{done, invalid_value, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Region, RouteTable, SecurityGroup, Vpc};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for Vpc {
    const KIND: &'static Kind = &kind::VPC;
    const FIELDS: &'static [Field<Self>] = &[
        ("cidr", |_, vpc| one(&vpc.cidr)),
        ("cidr-block-association.association-id", |_, vpc| one(association_id(vpc))),
        ("cidr-block-association.cidr-block", |_, vpc| one(&vpc.cidr)),
        ("cidr-block-association.state", |_, _| one("associated")),
        ("dhcp-options-id", |_, _| one("default")),
        ("ipv6-cidr-block-association.association-id", |_, _| Vec::new()),
        ("ipv6-cidr-block-association.ipv6-cidr-block", |_, _| Vec::new()),
        ("ipv6-cidr-block-association.state", |_, _| Vec::new()),
        ("is-default", |_, vpc| one(vpc.is_default)),
        // The name from before `is-default`, which older clients still send.
        ("isDefault", |_, vpc| one(vpc.is_default)),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("state", |_, _| one("available")),
        ("vpc-id", |_, vpc| one(&vpc.id)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

/// The VPC of that id.
pub(super) fn find<'a>(region: &'a Region, id: &str) -> Result<&'a Vpc, ApiError> {
    kind::VPC.check(id)?;
    region.vpcs.get(id).ok_or_else(|| kind::VPC.not_found(&[id]))
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    Ok(listed("vpcSet", select(params, region, region.vpcs.values())?, description))
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let cidr = cidr_block(params.ec2_required("CidrBlock")?)?;
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(ApiError::bad_request("InvalidVpc.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let tags = tags::specified(params, &kind::VPC, &[])?;
    let vpc = Vpc { id: context.ids.resource("vpc"), cidr: cidr.to_string(), is_default: false, tags };
    let rules = [context.ids.resource("sgr"), context.ids.resource("sgr")];
    let group = SecurityGroup::default_of(&vpc.id, context.ids.resource("sg"), rules);
    let routes = RouteTable {
        id: context.ids.resource("rtb"),
        vpc_id: vpc.id.clone(),
        internet_gateway: None,
        tags: Tags::new(),
    };
    let described = description(&vpc);
    let region = &mut context.here().ec2;
    region.security_groups.insert(group.id.clone(), group);
    region.route_tables.insert(routes.id.clone(), routes);
    region.vpcs.insert(vpc.id.clone(), vpc);
    Ok(Members::new().structure("vpc", described))
}

/// Its default group and its main route table go with it; anything else in it is in the way.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let id = find(region, params.ec2_required("VpcId")?)?.id.clone();
    let occupied = region.subnets.values().any(|subnet| subnet.vpc_id == id)
        || region.has_internet_gateway(&id)
        || region.network_interfaces.values().any(|interface| interface.vpc_id == id)
        || region.security_groups.values().any(|group| group.vpc_id == id && group.name != "default");
    if occupied {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::bad_request("DependencyViolation", message));
    }
    region.security_groups.retain(|_, group| group.vpc_id != id);
    region.route_tables.retain(|_, table| table.vpc_id != id);
    region.network_acls.remove(&id);
    region.vpcs.remove(&id);
    Ok(done())
}

/// Reads an IPv4 block, and sets its host bits to zero as AWS does.
pub(super) fn cidr_block(value: &str) -> Result<Ipv4Net, ApiError> {
    value.parse::<Ipv4Net>().map(|cidr| cidr.trunc()).map_err(|_| {
        invalid_value(format!(
            "Value ({value}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ))
    })
}

/// A block that was checked when it was stored.
pub(super) fn stored_cidr(value: &str) -> Ipv4Net {
    value.parse().unwrap_or_else(|_| Ipv4Net::from(Ipv4Addr::UNSPECIFIED))
}

fn association_id(vpc: &Vpc) -> String {
    vpc.id.replacen("vpc-", "vpc-cidr-assoc-", 1)
}

fn description(vpc: &Vpc) -> Members {
    let association = Members::new()
        .text("associationId", association_id(vpc))
        .text("cidrBlock", &vpc.cidr)
        .structure("cidrBlockState", Members::new().text("state", "associated"));
    Members::new()
        .text("vpcId", &vpc.id)
        .text("ownerId", ACCOUNT_ID)
        .text("state", "available")
        .text("cidrBlock", &vpc.cidr)
        .structures("cidrBlockAssociationSet", "item", [association])
        .text("dhcpOptionsId", "default")
        .text("instanceTenancy", "default")
        .text("isDefault", vpc.is_default)
        .structures("tagSet", "item", tags::set(&vpc.tags))
}
