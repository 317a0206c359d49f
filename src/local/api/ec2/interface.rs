//! Network interfaces: those of instances, and those that load balancers make for themselves.

use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::{address, options, security_group, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{Instance, NetworkInterface, Region, zone_id};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

impl Resource for NetworkInterface {
    const KIND: &'static Kind = &kind::NETWORK_INTERFACE;
    const FIELDS: &'static [Field<Self>] = &[
        ("addresses.primary", |_, _| one(true)),
        ("addresses.private-ip-address", |_, interface| one(interface.private_ip)),
        ("addresses.association.public-ip", address::public_ip),
        ("association.allocation-id", |_, interface| interface.allocation_id.iter().cloned().collect()),
        ("association.public-ip", address::public_ip),
        ("attachment.attachment-id", |_, interface| one(attachment_id(interface))),
        ("attachment.delete-on-termination", |_, interface| one(interface.instance_id.is_some())),
        ("attachment.device-index", |_, interface| one(device_index(interface))),
        ("attachment.instance-id", |_, interface| interface.instance_id.iter().cloned().collect()),
        ("attachment.instance-owner-id", |_, interface| one(attachment_owner(interface))),
        ("attachment.status", |_, _| one("attached")),
        ("availability-zone", |_, interface| one(&interface.zone)),
        ("availability-zone-id", |_, interface| one(zone_id(&interface.zone))),
        ("description", |_, interface| one(&interface.description)),
        ("group-id", |_, interface| interface.security_groups.clone()),
        ("group-name", |region, interface| {
            let groups = interface.security_groups.iter();
            groups.filter_map(|id| Some(region.security_groups.get(id)?.name.clone())).collect()
        }),
        ("interface-type", |_, interface| one(interface_type(interface))),
        ("ipv6-addresses.ipv6-address", |_, _| Vec::new()),
        ("mac-address", |_, interface| one(mac_address(interface))),
        ("network-interface-id", |_, interface| one(&interface.id)),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("private-dns-name", |_, interface| one(dns_name(interface.private_ip))),
        ("private-ip-address", |_, interface| one(interface.private_ip)),
        ("requester-id", |_, interface| interface.requester_id.iter().cloned().collect()),
        ("requester-managed", |_, interface| one(interface.requester_id.is_some())),
        ("source-dest-check", |region, interface| one(source_dest_check(region, interface))),
        ("status", |_, _| one("in-use")),
        ("subnet-id", |_, interface| one(&interface.subnet_id)),
        ("vpc-id", |_, interface| one(&interface.vpc_id)),
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
    let page = select(params, region, region.network_interfaces.values())?;
    Ok(listed("networkInterfaceSet", page, |interface| description(region, interface)))
}

/// The interface of an instance.
pub(super) fn of_instance<'a>(region: &'a Region, instance: &Instance) -> Option<&'a NetworkInterface> {
    let mut interfaces = region.network_interfaces.values();
    interfaces.find(|interface| interface.instance_id.as_deref() == Some(instance.id.as_str()))
}

/// The private DNS name of an address.
pub(super) fn dns_name(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("ip-{a}-{b}-{c}-{d}.ec2.internal")
}

pub(super) fn attachment_id(interface: &NetworkInterface) -> String {
    interface.id.replacen("eni-", "eni-attach-", 1)
}

/// A locally administered address that follows from the id.
pub(super) fn mac_address(interface: &NetworkInterface) -> String {
    let digest = Sha256::digest(&interface.id);
    let rest: Vec<String> = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("02:{}", rest.join(":"))
}

/// Instances are the account's; a load balancer's own machines are the service's.
fn attachment_owner(interface: &NetworkInterface) -> &str {
    match (&interface.instance_id, &interface.requester_id) {
        (None, Some(requester)) => requester,
        (Some(_) | None, _) => ACCOUNT_ID,
    }
}

fn interface_type(interface: &NetworkInterface) -> &'static str {
    let of_network_load_balancer =
        interface.requester_id.is_some() && interface.description.starts_with("ELB net/");
    if of_network_load_balancer { "network_load_balancer" } else { "interface" }
}

fn device_index(interface: &NetworkInterface) -> u8 {
    u8::from(interface.instance_id.is_none())
}

fn source_dest_check(region: &Region, interface: &NetworkInterface) -> bool {
    let instance = interface.instance_id.as_ref().and_then(|id| region.instances.get(id));
    instance.is_none_or(|instance| instance.source_dest_check)
}

pub(super) fn addresses(interface: &NetworkInterface) -> Members {
    Members::new()
        .text("privateIpAddress", interface.private_ip)
        .text("privateDnsName", dns_name(interface.private_ip))
        .text("primary", true)
}

fn description(region: &Region, interface: &NetworkInterface) -> Members {
    let attachment = Members::new()
        .text("attachmentId", attachment_id(interface))
        .optional("instanceId", interface.instance_id.as_ref())
        .text("instanceOwnerId", attachment_owner(interface))
        .text("deviceIndex", device_index(interface))
        .text("networkCardIndex", 0)
        .text("status", "attached")
        .text("deleteOnTermination", interface.instance_id.is_some());
    let members = Members::new()
        .text("networkInterfaceId", &interface.id)
        .text("subnetId", &interface.subnet_id)
        .text("vpcId", &interface.vpc_id)
        .text("availabilityZone", &interface.zone)
        .text("description", &interface.description)
        .text("ownerId", ACCOUNT_ID)
        .optional("requesterId", interface.requester_id.as_ref())
        .text("requesterManaged", interface.requester_id.is_some())
        .text("status", "in-use")
        .text("interfaceType", interface_type(interface))
        .text("macAddress", mac_address(interface))
        .text("privateIpAddress", interface.private_ip)
        .text("privateDnsName", dns_name(interface.private_ip))
        .text("sourceDestCheck", source_dest_check(region, interface))
        .structures("groupSet", "item", security_group::identifiers(region, &interface.security_groups))
        .structure("attachment", attachment)
        .structures("privateIpAddressesSet", "item", [addresses(interface)])
        .structures("ipv6AddressesSet", "item", [])
        .structures("tagSet", "item", tags::set(&interface.tags));
    let members = options::with_tracking(members, region, &interface.id);
    match address::association(region, interface) {
        Some(association) => members.structure("association", association),
        None => members,
    }
}
