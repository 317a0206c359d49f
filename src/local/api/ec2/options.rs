//! Options of instances and interfaces that most are without: the metadata service and connection tracking.

use std::ops::RangeInclusive;

use super::kind;
use super::{done, invalid_value};
use crate::local::api::Context;
use crate::local::state::ec2::{ConnectionTracking, MetadataOptions, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `ModifyInstanceMetadataOptions`.
pub(super) fn modify_metadata(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.ec2_required("InstanceId")?;
    kind::INSTANCE.check(id)?;
    let region = &mut context.here().ec2;
    if !region.instances.contains_key(id) {
        return Err(kind::INSTANCE.not_found(&[id]));
    }
    let mut options = region.metadata_options.get(id).cloned().unwrap_or_default();
    let word = |name: &str, values: [&str; 2]| -> Result<Option<String>, ApiError> {
        match params.get(name) {
            Some(value) if values.contains(&value) => Ok(Some(value.to_owned())),
            Some(value) => Err(invalid_value(format!("Value ({value}) for parameter {name} is invalid."))),
            None => Ok(None),
        }
    };
    if let Some(tokens) = word("HttpTokens", ["optional", "required"])? {
        options.tokens = tokens;
    }
    if let Some(endpoint) = word("HttpEndpoint", ["enabled", "disabled"])? {
        options.endpoint = endpoint;
    }
    if let Some(hops) = params.integer("HttpPutResponseHopLimit")? {
        let hops = u8::try_from(hops).ok().filter(|hops| (1..=64).contains(hops));
        let message = "The value for HttpPutResponseHopLimit must be from 1 to 64";
        options.hop_limit = hops.ok_or_else(|| invalid_value(message))?;
    }
    let described = metadata_members(&options, "pending");
    region.metadata_options.insert(id.to_owned(), options);
    Ok(Members::new().text("instanceId", id).structure("instanceMetadataOptions", described))
}

/// What an instance's description says of its metadata service.
pub(super) fn metadata(region: &Region, instance: &str) -> Members {
    match region.metadata_options.get(instance) {
        Some(options) => metadata_members(options, "applied"),
        None => metadata_members(&MetadataOptions::default(), "applied"),
    }
}

fn metadata_members(options: &MetadataOptions, state: &str) -> Members {
    Members::new()
        .text("state", state)
        .text("httpTokens", &options.tokens)
        .text("httpPutResponseHopLimit", options.hop_limit)
        .text("httpEndpoint", &options.endpoint)
        .text("httpProtocolIpv6", "disabled")
        .text("instanceMetadataTags", "disabled")
}

/// `ModifyNetworkInterfaceAttribute`, of which only connection tracking is here.
pub(super) fn modify_interface(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let id = params.ec2_required("NetworkInterfaceId")?;
    kind::NETWORK_INTERFACE.check(id)?;
    let region = &mut context.here().ec2;
    if !region.network_interfaces.contains_key(id) {
        return Err(kind::NETWORK_INTERFACE.not_found(&[id]));
    }
    let seconds = |name: &str, range: RangeInclusive<u32>| -> Result<Option<u32>, ApiError> {
        let Some(value) = params.integer(&format!("ConnectionTrackingSpecification.{name}"))? else {
            return Ok(None);
        };
        let within = u32::try_from(value).ok().filter(|value| range.contains(value));
        let message =
            format!("{name} must be between {} and {} seconds, not {value}", range.start(), range.end());
        within.map(Some).ok_or_else(|| invalid_value(message))
    };
    let given = ConnectionTracking {
        tcp_established: seconds("TcpEstablishedTimeout", 60..=432_000)?,
        udp_stream: seconds("UdpStreamTimeout", 60..=180)?,
        udp: seconds("UdpTimeout", 30..=60)?,
    };
    if given == ConnectionTracking::default() {
        return Err(ApiError::bad_request("InvalidParameterCombination", "No attributes specified."));
    }
    let tracking = region.connection_tracking.entry(id.to_owned()).or_default();
    tracking.tcp_established = given.tcp_established.or(tracking.tcp_established);
    tracking.udp_stream = given.udp_stream.or(tracking.udp_stream);
    tracking.udp = given.udp.or(tracking.udp);
    Ok(done())
}

/// Adds to an interface's description how long it remembers connections, where that was set.
pub(super) fn with_tracking(members: Members, region: &Region, interface: &str) -> Members {
    let Some(tracking) = region.connection_tracking.get(interface) else { return members };
    let described = Members::new()
        .optional("tcpEstablishedTimeout", tracking.tcp_established)
        .optional("udpStreamTimeout", tracking.udp_stream)
        .optional("udpTimeout", tracking.udp);
    members.structure("connectionTrackingConfiguration", described)
}
