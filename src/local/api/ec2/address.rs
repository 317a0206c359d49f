//! Elastic addresses: allocating, describing and releasing them. Network Load Balancers alone use them.

use std::net::Ipv4Addr;

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, named_and_filtered};
use super::{done, invalid_value, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Address, NetworkInterface, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of addresses in a region.
const MOST: usize = 5;

impl Resource for Address {
    const KIND: &'static Kind = &kind::ADDRESS;
    const FIELDS: &'static [Field<Self>] = &[
        ("allocation-id", |_, address| one(&address.allocation_id)),
        ("association-id", |region, address| {
            user(region, address).map(|_| association_id(address)).into_iter().collect()
        }),
        ("domain", |_, _| one("vpc")),
        ("instance-id", |_, _| Vec::new()),
        ("network-interface-id", |region, address| {
            user(region, address).map(|interface| interface.id.clone()).into_iter().collect()
        }),
        ("network-interface-owner-id", |region, address| {
            user(region, address).map(|_| ACCOUNT_ID.to_owned()).into_iter().collect()
        }),
        ("private-ip-address", |region, address| {
            user(region, address).map(|interface| interface.private_ip.to_string()).into_iter().collect()
        }),
        ("public-ip", |_, address| one(address.public_ip)),
    ];

    fn id(&self) -> &str {
        &self.allocation_id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

pub(super) fn allocate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    if params.get("Domain").is_some_and(|domain| domain != "vpc") {
        return Err(invalid_value("Domain must be 'vpc'"));
    }
    for name in ["Address", "PublicIpv4Pool", "CustomerOwnedIpv4Pool", "IpamPoolId"] {
        if params.has(name) {
            return Err(invalid_value(format!("{name} is not served by the local AWS")));
        }
    }
    let tags = tags::specified(params, &kind::ADDRESS, &[])?;
    let region = &mut context.here().ec2;
    if region.addresses.len() >= MOST {
        let message = "The maximum number of addresses has been reached.";
        return Err(ApiError::bad_request("AddressLimitExceeded", message));
    }
    let taken = |address: &Ipv4Addr| region.addresses.values().any(|other| other.public_ip == *address);
    let free = (1..=254).map(|last| Ipv4Addr::new(198, 51, 100, last)).find(|address| !taken(address));
    let address = Address {
        allocation_id: context.ids.resource(kind::ADDRESS.prefix),
        public_ip: free.unwrap_or(Ipv4Addr::UNSPECIFIED),
        tags,
    };
    let described = Members::new()
        .text("publicIp", address.public_ip)
        .text("allocationId", &address.allocation_id)
        .text("publicIpv4Pool", "amazon")
        .text("networkBorderGroup", context.region)
        .text("domain", "vpc");
    context.here().ec2.addresses.insert(address.allocation_id.clone(), address);
    Ok(described)
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region_name = context.region;
    let region = &context.here().ec2;
    let public = params.ec2_list("PublicIp");
    let known =
        |address: &&String| region.addresses.values().any(|one| one.public_ip.to_string() == **address);
    if let Some(unknown) = public.iter().find(|address| !known(address)) {
        let message = format!("Address '{unknown}' not found.");
        return Err(ApiError::bad_request("InvalidAddress.NotFound", message));
    }
    let mut found = named_and_filtered(params, region, Address::FIELDS, region.addresses.values())?;
    found.retain(|address| public.is_empty() || public.contains(&address.public_ip.to_string()));
    let described = found.into_iter().map(|address| {
        let members = Members::new()
            .text("publicIp", address.public_ip)
            .text("allocationId", &address.allocation_id)
            .text("domain", "vpc")
            .text("publicIpv4Pool", "amazon")
            .text("networkBorderGroup", region_name);
        let members = match user(region, address) {
            None => members,
            Some(interface) => members
                .text("associationId", association_id(address))
                .text("networkInterfaceId", &interface.id)
                .text("networkInterfaceOwnerId", ACCOUNT_ID)
                .text("privateIpAddress", interface.private_ip),
        };
        members.structures("tagSet", "item", tags::set(&address.tags))
    });
    Ok(Members::new().structures("addressesSet", "item", described))
}

pub(super) fn release(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.ec2_required("AllocationId")?;
    kind::ADDRESS.check(id)?;
    let here = context.here();
    let Some(address) = here.ec2.addresses.get(id) else { return Err(kind::ADDRESS.not_found(&[id])) };
    if here.address_user(id).is_some() {
        let message = format!("Address {} is in use.", address.public_ip);
        return Err(ApiError::bad_request("InvalidIPAddress.InUse", message));
    }
    here.ec2.addresses.remove(id);
    Ok(done())
}

/// The network interface that has an address.
fn user<'a>(region: &'a Region, address: &Address) -> Option<&'a NetworkInterface> {
    let mut interfaces = region.network_interfaces.values();
    interfaces.find(|interface| interface.allocation_id.as_ref() == Some(&address.allocation_id))
}

fn association_id(address: &Address) -> String {
    address.allocation_id.replacen("eipalloc-", "eipassoc-", 1)
}

/// What an interface tells of its elastic address.
pub(super) fn association(region: &Region, interface: &NetworkInterface) -> Option<Members> {
    let address = region.addresses.get(interface.allocation_id.as_ref()?)?;
    Some(
        Members::new()
            .text("publicIp", address.public_ip)
            .text("allocationId", &address.allocation_id)
            .text("associationId", association_id(address))
            .text("ipOwnerId", ACCOUNT_ID),
    )
}

/// The public address of an interface.
pub(super) fn public_ip(region: &Region, interface: &NetworkInterface) -> Vec<String> {
    let address = interface.allocation_id.as_ref().and_then(|id| region.addresses.get(id));
    address.map(|address| address.public_ip.to_string()).into_iter().collect()
}
