//! `IpPermissions`: how requests write rules, and how groups show them.

use ipnet::{Ipv4Net, Ipv6Net};

use super::invalid_value;
use super::security_group;
use crate::local::ACCOUNT_ID;
use crate::local::state::ec2::{Direction, Peer, Ports, Region, Rule, SecurityGroup, Traffic};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// What a request asks for in one rule.
#[derive(Clone, Debug)]
pub(super) struct Permission {
    pub(super) traffic: Traffic,
    pub(super) description: Option<String>,
}

/// Reads `IpPermissions.N`, or the one permission that the older parameters describe.
pub(super) fn read(
    params: &Params,
    region: &Region,
    group: &SecurityGroup,
) -> Result<Vec<Permission>, ApiError> {
    let mut permissions = Vec::new();
    for permission in params.ec2_structures("IpPermissions") {
        read_one(&permission, region, group, &mut permissions)?;
    }
    if permissions.is_empty() && params.has("IpProtocol") {
        read_flat(params, region, group, &mut permissions)?;
    }
    if permissions.is_empty() {
        return Err(ApiError::missing_parameter("ipPermissions"));
    }
    for (index, permission) in permissions.iter().enumerate() {
        if permissions[..index].iter().any(|earlier| earlier.traffic == permission.traffic) {
            return Err(invalid_value("The same permission must not appear multiple times"));
        }
    }
    Ok(permissions)
}

fn read_one(
    params: &Params,
    region: &Region,
    group: &SecurityGroup,
    out: &mut Vec<Permission>,
) -> Result<(), ApiError> {
    let (protocol, ports) = protocol_and_ports(params)?;
    let before = out.len();
    let mut add = |peer: Peer, description: Option<&str>| -> Result<(), ApiError> {
        let description = checked_description(description)?;
        out.push(Permission { traffic: Traffic { protocol: protocol.clone(), ports, peer }, description });
        Ok(())
    };
    for range in params.ec2_structures("IpRanges") {
        add(ipv4(range.ec2_required("CidrIp")?)?, range.get("Description"))?;
    }
    for range in params.ec2_structures("Ipv6Ranges") {
        add(ipv6(range.ec2_required("CidrIpv6")?)?, range.get("Description"))?;
    }
    for list in params.ec2_structures("PrefixListIds") {
        add(prefix_list(list.ec2_required("PrefixListId")?)?, list.get("Description"))?;
    }
    for pair in params.ec2_structures("Groups") {
        add(peer_group(&pair, region, group)?, pair.get("Description"))?;
    }
    if out.len() == before { Err(no_source()) } else { Ok(()) }
}

/// `IpProtocol`, `FromPort`, `ToPort` and `CidrIp` beside the group itself; or only a source group's name, which
/// admits all of TCP, UDP and ICMP.
fn read_flat(
    params: &Params,
    region: &Region,
    group: &SecurityGroup,
    out: &mut Vec<Permission>,
) -> Result<(), ApiError> {
    let (protocol, ports) = protocol_and_ports(params)?;
    let peer = match (params.get("CidrIp"), params.get("SourceSecurityGroupName")) {
        (Some(cidr), _) if cidr.contains(':') => ipv6(cidr)?,
        (Some(cidr), _) => ipv4(cidr)?,
        (None, Some(name)) => {
            let source = security_group::find_by_name(region, name)?;
            check_network(source, group)?;
            Peer::Group(source.id.clone())
        }
        (None, None) => return Err(no_source()),
    };
    out.push(Permission { traffic: Traffic { protocol, ports, peer }, description: None });
    Ok(())
}

/// Reads the rule of `ModifySecurityGroupRules`, which has one peer in parameters of its own.
pub(super) fn read_rule(
    params: &Params,
    region: &Region,
    group: &SecurityGroup,
) -> Result<Permission, ApiError> {
    let (protocol, ports) = protocol_and_ports(params)?;
    let mut peers = Vec::new();
    if let Some(cidr) = params.get("CidrIpv4") {
        peers.push(ipv4(cidr)?);
    }
    if let Some(cidr) = params.get("CidrIpv6") {
        peers.push(ipv6(cidr)?);
    }
    if let Some(id) = params.get("PrefixListId") {
        peers.push(prefix_list(id)?);
    }
    if let Some(id) = params.get("ReferencedGroupId") {
        let source = security_group::find(region, id)?;
        check_network(source, group)?;
        peers.push(Peer::Group(source.id.clone()));
    }
    let [peer] = peers.try_into().map_err(|_: Vec<Peer>| no_source())?;
    let description = checked_description(params.get("Description"))?;
    Ok(Permission { traffic: Traffic { protocol, ports, peer }, description })
}

fn no_source() -> ApiError {
    let message = "Missing source specification: include source security group or CIDR information";
    ApiError::bad_request("MissingParameter", message)
}

fn protocol_and_ports(params: &Params) -> Result<(String, Option<Ports>), ApiError> {
    let protocol = protocol(params.ec2_required("IpProtocol")?)?;
    let (from, to) = (port(params, "FromPort")?, port(params, "ToPort")?);
    let ports = match protocol.as_str() {
        "tcp" | "udp" => {
            let (Some(from), Some(to)) = (from, to) else {
                return Err(invalid_value(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
                ));
            };
            for port in [from, to] {
                if !(0..=65535).contains(&port) {
                    return Err(invalid_value(format!("TCP/UDP port ({port}) out of range")));
                }
            }
            if from > to {
                return Err(invalid_value(format!("Invalid TCP/UDP port range ({from}:{to})")));
            }
            Some(Ports { from, to })
        }
        "icmp" | "icmpv6" => {
            let (from, to) = (from.unwrap_or(-1), to.unwrap_or(-1));
            for (name, number) in [("type", from), ("code", to)] {
                if !(-1..=255).contains(&number) {
                    return Err(invalid_value(format!("ICMP {name} ({number}) out of range")));
                }
            }
            Some(Ports { from, to })
        }
        _ => None,
    };
    Ok((protocol, ports))
}

/// Names for the protocols that have them, numbers for the others, `-1` for all.
fn protocol(value: &str) -> Result<String, ApiError> {
    let name = match value.to_ascii_lowercase().as_str() {
        "tcp" | "6" => "tcp",
        "udp" | "17" => "udp",
        "icmp" | "1" => "icmp",
        "icmpv6" | "58" => "icmpv6",
        "all" | "-1" => "-1",
        other => {
            return other.parse::<u8>().map(|number| number.to_string()).map_err(|_| {
                invalid_value(format!("Invalid value '{value}' for IP protocol. Unknown protocol."))
            });
        }
    };
    Ok(name.to_owned())
}

fn port(params: &Params, name: &str) -> Result<Option<i32>, ApiError> {
    let Some(value) = params.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let port = value.parse().map_err(|_| invalid_value(format!("Invalid value '{value}' for portRange.")))?;
    Ok(Some(port))
}

/// AWS sets host bits to zero: 100.68.0.18/18 becomes 100.68.0.0/18.
fn ipv4(cidr: &str) -> Result<Peer, ApiError> {
    let parsed = cidr.parse::<Ipv4Net>().map_err(|_| malformed(cidr))?;
    Ok(Peer::Ipv4(parsed.trunc().to_string()))
}

fn ipv6(cidr: &str) -> Result<Peer, ApiError> {
    let parsed = cidr.parse::<Ipv6Net>().map_err(|_| malformed(cidr))?;
    Ok(Peer::Ipv6(parsed.trunc().to_string()))
}

fn malformed(cidr: &str) -> ApiError {
    invalid_value(format!("CIDR block {cidr} is malformed"))
}

/// There are no prefix lists here.
fn prefix_list(id: &str) -> Result<Peer, ApiError> {
    let message = format!("The prefix list ID '{id}' does not exist");
    Err(ApiError::bad_request("InvalidPrefixListID.NotFound", message))
}

fn peer_group(pair: &Params, region: &Region, group: &SecurityGroup) -> Result<Peer, ApiError> {
    let source = match (pair.get("GroupId"), pair.get("GroupName")) {
        (Some(id), _) => security_group::find(region, id)?,
        (None, Some(name)) => security_group::find_by_name(region, name)?,
        (None, None) => return Err(no_source()),
    };
    if let Some(user) = pair.get("UserId").filter(|user| !user.is_empty() && *user != ACCOUNT_ID) {
        let message = format!("The security group '{}' does not exist in account {user}", source.id);
        return Err(ApiError::bad_request("InvalidGroup.NotFound", message));
    }
    check_network(source, group)?;
    Ok(Peer::Group(source.id.clone()))
}

fn check_network(source: &SecurityGroup, group: &SecurityGroup) -> Result<(), ApiError> {
    if source.vpc_id == group.vpc_id {
        return Ok(());
    }
    let message = "You have specified two resources that belong to different networks.";
    Err(ApiError::bad_request("InvalidGroup.NotFound", message))
}

/// A rule's description; an empty one is none.
pub(super) fn checked_description(description: Option<&str>) -> Result<Option<String>, ApiError> {
    let Some(description) = description.filter(|description| !description.is_empty()) else {
        return Ok(None);
    };
    if is_plain_text(description) {
        return Ok(Some(description.to_owned()));
    }
    Err(invalid_value(
        "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
    ))
}

/// Whether a text is one that names and descriptions may be.
pub(super) fn is_plain_text(text: &str) -> bool {
    let admitted =
        |character: char| character.is_ascii_alphanumeric() || ". _-:/()#,@[]+=&;{}!$*".contains(character);
    text.len() <= 255 && text.chars().all(admitted)
}

/// The rules of one direction as a group shows them: gathered by protocol and ports.
pub(super) fn set(rules: &[Rule], direction: Direction) -> Vec<Members> {
    let mut gathered: Vec<(&Traffic, Vec<&Rule>)> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.direction == direction) {
        let traffic = &rule.traffic;
        let same = |other: &Traffic| other.protocol == traffic.protocol && other.ports == traffic.ports;
        match gathered.iter_mut().find(|(other, _)| same(other)) {
            Some((_, rules)) => rules.push(rule),
            None => gathered.push((traffic, vec![rule])),
        }
    }
    gathered.into_iter().map(|(traffic, rules)| one(traffic, &rules)).collect()
}

fn one(traffic: &Traffic, rules: &[&Rule]) -> Members {
    let (mut groups, mut ipv4, mut ipv6, mut lists) = (vec![], vec![], vec![], vec![]);
    for rule in rules {
        let described = |members: Members| members.optional("description", rule.description.as_ref());
        match &rule.traffic.peer {
            Peer::Group(id) => {
                groups.push(described(Members::new().text("userId", ACCOUNT_ID).text("groupId", id)));
            }
            Peer::Ipv4(cidr) => ipv4.push(described(Members::new().text("cidrIp", cidr))),
            Peer::Ipv6(cidr) => ipv6.push(described(Members::new().text("cidrIpv6", cidr))),
            Peer::PrefixList(id) => lists.push(described(Members::new().text("prefixListId", id))),
        }
    }
    Members::new()
        .text("ipProtocol", &traffic.protocol)
        .optional("fromPort", traffic.ports.map(|ports| ports.from))
        .optional("toPort", traffic.ports.map(|ports| ports.to))
        .structures("groups", "item", groups)
        .structures("ipRanges", "item", ipv4)
        .structures("ipv6Ranges", "item", ipv6)
        .structures("prefixListIds", "item", lists)
}
