//! Internet gateways.

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::{done, invalid_value, tags, vpc};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{InternetGateway, Region};
use crate::local::state::elb::Scheme;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for InternetGateway {
    const KIND: &'static Kind = &kind::INTERNET_GATEWAY;
    const FIELDS: &'static [Field<Self>] = &[
        ("attachment.state", |_, gateway| gateway.vpc_id.iter().map(|_| "available".to_owned()).collect()),
        ("attachment.vpc-id", |_, gateway| gateway.vpc_id.iter().cloned().collect()),
        ("internet-gateway-id", |_, gateway| one(&gateway.id)),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().ec2;
    let page = select(params, region, region.internet_gateways.values())?;
    Ok(listed("internetGatewaySet", page, description))
}

pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let tags = tags::specified(params, &kind::INTERNET_GATEWAY, &[])?;
    let gateway = InternetGateway { id: context.ids.resource("igw"), vpc_id: None, tags };
    let described = description(&gateway);
    context.here().ec2.internet_gateways.insert(gateway.id.clone(), gateway);
    Ok(Members::new().structure("internetGateway", described))
}

pub(super) fn attach(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let id = find(region, params)?.to_owned();
    let vpc_id = vpc::find(region, params.ec2_required("VpcId")?)?.id.clone();
    let attached = region.internet_gateways.get(&id).and_then(|gateway| gateway.vpc_id.as_deref());
    if let Some(network) = attached {
        let message = format!("resource {id} is already attached to network {network}");
        return Err(ApiError::bad_request("Resource.AlreadyAssociated", message));
    }
    if region.has_internet_gateway(&vpc_id) {
        return Err(invalid_value(format!("Network {vpc_id} already has an internet gateway attached")));
    }
    if let Some(gateway) = region.internet_gateways.get_mut(&id) {
        gateway.vpc_id = Some(vpc_id);
    }
    Ok(done())
}

/// Not while a load balancer of that VPC faces the internet: its addresses are mapped through the gateway.
pub(super) fn detach(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let here = context.here();
    let id = find(&here.ec2, params)?.to_owned();
    let vpc_id = vpc::find(&here.ec2, params.ec2_required("VpcId")?)?.id.clone();
    let attached =
        here.ec2.internet_gateways.get(&id).is_some_and(|gateway| gateway.vpc_id.as_ref() == Some(&vpc_id));
    if !attached {
        let message = format!("resource {id} is not attached to network {vpc_id}");
        return Err(ApiError::bad_request("Gateway.NotAttached", message));
    }
    let classic = here.elb.load_balancers.values().map(|balancer| (&balancer.vpc_id, balancer.scheme));
    let newer = here.elbv2.load_balancers.values().map(|balancer| (&balancer.vpc_id, balancer.scheme));
    if classic.chain(newer).any(|placed| placed == (&vpc_id, Scheme::InternetFacing)) {
        let message = format!(
            "Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        );
        return Err(ApiError::bad_request("DependencyViolation", message));
    }
    if let Some(gateway) = here.ec2.internet_gateways.get_mut(&id) {
        gateway.vpc_id = None;
    }
    Ok(done())
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().ec2;
    let id = find(region, params)?.to_owned();
    if region.internet_gateways.get(&id).is_some_and(|gateway| gateway.vpc_id.is_some()) {
        let message = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::bad_request("DependencyViolation", message));
    }
    region.internet_gateways.remove(&id);
    Ok(done())
}

/// `InternetGatewayId`, which exists.
fn find<'a>(region: &Region, params: &'a Params) -> Result<&'a str, ApiError> {
    let id = params.ec2_required("InternetGatewayId")?;
    kind::INTERNET_GATEWAY.check(id)?;
    if region.internet_gateways.contains_key(id) {
        Ok(id)
    } else {
        Err(kind::INTERNET_GATEWAY.not_found(&[id]))
    }
}

fn description(gateway: &InternetGateway) -> Members {
    let attachments =
        gateway.vpc_id.iter().map(|vpc_id| Members::new().text("vpcId", vpc_id).text("state", "available"));
    Members::new()
        .text("internetGatewayId", &gateway.id)
        .text("ownerId", ACCOUNT_ID)
        .structures("attachmentSet", "item", attachments)
        .structures("tagSet", "item", tags::set(&gateway.tags))
}
