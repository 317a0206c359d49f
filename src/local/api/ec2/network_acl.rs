//! Network ACLs: the one that each VPC comes with, which guards all of its subnets. Traffic here is not held to it.

use super::filter::{Field, one};
use super::kind::{self, Kind};
use super::select::{Resource, listed, select};
use super::vpc::cidr_block;
use super::{done, invalid_value};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::Tags;
use crate::local::state::ec2::{AclEntry, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// An ACL as it is described.
struct NetworkAcl {
    id: String,
    vpc_id: String,
    /// By number, the outgoing ones first, with the last ones.
    entries: Vec<AclEntry>,
    tags: Tags,
}

impl Resource for NetworkAcl {
    const KIND: &'static Kind = &kind::NETWORK_ACL;
    const FIELDS: &'static [Field<Self>] = &[
        ("association.network-acl-id", |_, acl| one(&acl.id)),
        ("association.subnet-id", |region, acl| subnets(region, acl).map(str::to_owned).collect()),
        ("default", |_, _| one(true)),
        ("entry.cidr", |_, acl| acl.entries.iter().map(|entry| entry.cidr.clone()).collect()),
        ("entry.egress", |_, acl| acl.entries.iter().map(|entry| entry.egress.to_string()).collect()),
        ("entry.protocol", |_, acl| acl.entries.iter().map(|entry| entry.protocol.clone()).collect()),
        ("entry.rule-action", |_, acl| acl.entries.iter().map(|entry| action(entry).to_owned()).collect()),
        ("entry.rule-number", |_, acl| acl.entries.iter().map(|entry| entry.number.to_string()).collect()),
        ("network-acl-id", |_, acl| one(&acl.id)),
        ("owner-id", |_, _| one(ACCOUNT_ID)),
        ("vpc-id", |_, acl| one(&acl.vpc_id)),
    ];

    fn id(&self) -> &str {
        &self.id
    }

    fn tags(&self) -> &Tags {
        &self.tags
    }
}

fn of_vpc(region: &Region, vpc_id: &str) -> NetworkAcl {
    let mut entries = region.network_acls.get(vpc_id).cloned().unwrap_or_else(AclEntry::defaults);
    entries.extend([AclEntry::last(true), AclEntry::last(false)]);
    entries.sort_by_key(|entry| (!entry.egress, entry.number));
    NetworkAcl {
        id: vpc_id.replacen("vpc-", "acl-", 1),
        vpc_id: vpc_id.to_owned(),
        entries,
        tags: Tags::new(),
    }
}

fn subnets<'a>(region: &'a Region, acl: &NetworkAcl) -> impl Iterator<Item = &'a str> {
    let vpc_id = acl.vpc_id.clone();
    region.subnets.values().filter(move |subnet| subnet.vpc_id == vpc_id).map(|subnet| subnet.id.as_str())
}

fn action(entry: &AclEntry) -> &'static str {
    if entry.allow { "allow" } else { "deny" }
}

pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region: &Region = &context.here().ec2;
    let acls: Vec<NetworkAcl> = region.vpcs.keys().map(|id| of_vpc(region, id)).collect();
    let page = select(params, region, &acls)?;
    Ok(listed("networkAclSet", page, |acl| description(region, acl)))
}

/// `CreateNetworkAclEntry`, and `ReplaceNetworkAclEntry` where `replaces`.
pub(super) fn put(context: &mut Context<'_>, params: &Params, replaces: bool) -> Result<Members, ApiError> {
    let (vpc_id, number, egress) = place(context, params)?;
    let entry = AclEntry {
        number,
        egress,
        allow: match params.ec2_required("RuleAction")? {
            "allow" => true,
            "deny" => false,
            other => {
                let message = format!("Invalid value '{other}' for rule action. Must be allow or deny.");
                return Err(invalid_value(message));
            }
        },
        protocol: protocol(params.ec2_required("Protocol")?)?,
        cidr: cidr_block(params.ec2_required("CidrBlock")?)?.to_string(),
        ports: ports(params)?,
    };
    if matches!(entry.protocol.as_str(), "6" | "17") && entry.ports.is_none() {
        return Err(ApiError::missing_parameter("portRange"));
    }
    let entries = context.here().ec2.network_acls.entry(vpc_id).or_insert_with(AclEntry::defaults);
    let found = entries.iter().position(|entry| (entry.number, entry.egress) == (number, egress));
    match (found, replaces) {
        (Some(at), true) => entries[at] = entry,
        (None, false) => entries.push(entry),
        (Some(_), false) => {
            let message = format!("The network acl entry identified by {number} already exists.");
            return Err(ApiError::bad_request("NetworkAclEntryAlreadyExists", message));
        }
        (None, true) => return Err(no_entry(params, number)),
    }
    Ok(done())
}

/// `DeleteNetworkAclEntry`.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let (vpc_id, number, egress) = place(context, params)?;
    let entries = context.here().ec2.network_acls.entry(vpc_id).or_insert_with(AclEntry::defaults);
    let before = entries.len();
    entries.retain(|entry| (entry.number, entry.egress) != (number, egress));
    if entries.len() == before { Err(no_entry(params, number)) } else { Ok(done()) }
}

fn no_entry(params: &Params, number: u16) -> ApiError {
    let id = params.get("NetworkAclId").unwrap_or_default();
    let message = format!("The network acl entry identified by {number} in {id} does not exist");
    ApiError::bad_request("InvalidNetworkAclEntry.NotFound", message)
}

/// The VPC of the ACL that a request names, the number of the entry and whether it is for what goes out.
fn place(context: &mut Context<'_>, params: &Params) -> Result<(String, u16, bool), ApiError> {
    let id = params.ec2_required("NetworkAclId")?;
    kind::NETWORK_ACL.check(id)?;
    let vpc_id = id.replacen("acl-", "vpc-", 1);
    if !context.here().ec2.vpcs.contains_key(&vpc_id) {
        return Err(kind::NETWORK_ACL.not_found(&[id]));
    }
    let number = params.ec2_required("RuleNumber")?;
    let number = number.parse().ok().filter(|number| (1..=32766).contains(number)).ok_or_else(|| {
        invalid_value(format!(
            "Value ({number}) for parameter ruleNumber is invalid. Must be between 1 and 32766."
        ))
    })?;
    let egress = params.boolean("Egress")?.ok_or_else(|| ApiError::missing_parameter("egress"))?;
    Ok((vpc_id, number, egress))
}

fn protocol(value: &str) -> Result<String, ApiError> {
    let number = match value {
        "-1" | "all" => return Ok("-1".to_owned()),
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        other => other.parse::<u8>().map_err(|_| {
            invalid_value(format!("Invalid value '{other}' for IP protocol. Unknown protocol."))
        })?,
    };
    Ok(number.to_string())
}

fn ports(params: &Params) -> Result<Option<(u16, u16)>, ApiError> {
    let port = |name: &str| -> Result<Option<u16>, ApiError> {
        let Some(value) = params.get(&format!("PortRange.{name}")) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| invalid_value(format!("Invalid value '{value}' for port range.")))
    };
    match (port("From")?, port("To")?) {
        (Some(from), Some(to)) if from <= to => Ok(Some((from, to))),
        (None, None) => Ok(None),
        (_, _) => {
            Err(invalid_value("The port range is invalid: it takes From and To, and From is not the larger"))
        }
    }
}

fn description(region: &Region, acl: &NetworkAcl) -> Members {
    let entries = acl.entries.iter().map(|entry| {
        let members = Members::new()
            .text("ruleNumber", entry.number)
            .text("protocol", &entry.protocol)
            .text("ruleAction", action(entry))
            .text("egress", entry.egress)
            .text("cidrBlock", &entry.cidr);
        match entry.ports {
            Some((from, to)) => {
                members.structure("portRange", Members::new().text("from", from).text("to", to))
            }
            None => members,
        }
    });
    let associations = subnets(region, acl).map(|subnet| {
        Members::new()
            .text("networkAclAssociationId", subnet.replacen("subnet-", "aclassoc-", 1))
            .text("networkAclId", &acl.id)
            .text("subnetId", subnet)
    });
    Members::new()
        .text("networkAclId", &acl.id)
        .text("vpcId", &acl.vpc_id)
        .text("default", true)
        .text("ownerId", ACCOUNT_ID)
        .structures("entrySet", "item", entries)
        .structures("associationSet", "item", associations)
        .structures("tagSet", "item", [])
}
