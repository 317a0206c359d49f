//! `RunInstances`.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::instance::reservation;
use super::kind;
use super::lifecycle::{check_groups, check_type};
use super::{instance_profile, invalid_value, security_group, subnet, tags};
use crate::local::api::Context;
use crate::local::state::State;
use crate::local::state::Tags;
use crate::local::state::ec2::{Instance, InstanceState, Launch, NetworkInterface, Region, Subnet};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Types of resources beside the instance that a launch may tag; volumes do not exist here.
const FURTHER_TYPES: [&str; 4] = ["volume", "network-interface", "spot-instances-request", "elastic-gpu"];

/// Where and what to launch, checked.
struct Plan {
    vpc_id: String,
    subnet_id: String,
    zone: String,
    groups: Vec<String>,
    image_id: String,
    size: String,
    key_name: Option<String>,
    profile: Option<String>,
    disable_api_termination: bool,
    addresses: Vec<Ipv4Addr>,
    tags: Tags,
    interface_tags: Tags,
}

pub(super) fn run(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let token = params.get("ClientToken").filter(|token| !token.is_empty()).map(str::to_owned);
    let request = fingerprint(params);
    if let Some(answer) = again(&context.here().ec2, token.as_deref(), &request)? {
        return Ok(answer);
    }
    let plan = plan(context.state, context.region, params)?;
    let reservation_id = carry_out(context, &plan, token.as_deref());
    let region = &mut context.here().ec2;
    if let Some(token) = token {
        region.launches.insert(token, Launch { reservation_id: reservation_id.clone(), request });
    }
    // They are up by the next request; this answer is the one that still shows them coming.
    Ok(launched(region, &reservation_id, |_| InstanceState::Pending))
}

/// Launches one instance as a group does: without an answer of its own. Its id.
pub(in crate::local::api) fn launch_one(
    context: &mut Context<'_>,
    params: &Params,
    tags: &Tags,
) -> Result<String, ApiError> {
    let mut plan = plan(context.state, context.region, params)?;
    plan.tags.extend(tags.clone());
    let reservation_id = carry_out(context, &plan, None);
    let instances = context.here().ec2.instances.values();
    let launched = instances.filter(|instance| instance.reservation_id == reservation_id);
    let id = launched.map(|instance| instance.id.clone()).next();
    id.ok_or_else(|| ApiError::internal("a launch made no instance"))
}

/// Refuses the parameters of a launch that no launch could have, wherever it is.
pub(in crate::local::api) fn check_launch(region: &Region, params: &Params) -> Result<(), ApiError> {
    kind::IMAGE.check(params.ec2_required("ImageId")?)?;
    check_type(params.ec2_required("InstanceType")?)?;
    instance_profile::named(params)?;
    for id in params.ec2_list("SecurityGroupId") {
        security_group::find(region, &id)?;
    }
    Ok(())
}

/// Makes the instances of a plan; the id of their reservation.
fn carry_out(context: &mut Context<'_>, plan: &Plan, token: Option<&str>) -> String {
    let reservation_id = context.ids.resource("r");
    for (index, address) in (0_u32..).zip(&plan.addresses) {
        let profile = plan.profile.clone().map(|arn| instance_profile::association(context, arn));
        let instance = Instance {
            id: context.ids.resource("i"),
            state: InstanceState::Running,
            vpc_id: plan.vpc_id.clone(),
            subnet_id: plan.subnet_id.clone(),
            zone: plan.zone.clone(),
            private_ip: *address,
            security_groups: plan.groups.clone(),
            image_id: plan.image_id.clone(),
            size: plan.size.clone(),
            key_name: plan.key_name.clone(),
            source_dest_check: true,
            disable_api_termination: plan.disable_api_termination,
            launched_at: context.now,
            reservation_id: reservation_id.clone(),
            launch_index: index,
            client_token: token.map(str::to_owned),
            terminated_at: None,
            transition_reason: None,
            profile,
            tags: plan.tags.clone(),
        };
        let interface = NetworkInterface {
            id: context.ids.resource("eni"),
            vpc_id: plan.vpc_id.clone(),
            subnet_id: plan.subnet_id.clone(),
            zone: plan.zone.clone(),
            private_ip: *address,
            allocation_id: None,
            security_groups: plan.groups.clone(),
            description: String::new(),
            requester_id: None,
            instance_id: Some(instance.id.clone()),
            tags: plan.interface_tags.clone(),
        };
        let region = &mut context.here().ec2;
        region.network_interfaces.insert(interface.id.clone(), interface);
        region.instances.insert(instance.id.clone(), instance);
    }
    reservation_id
}

/// The answer to a launch that was made before: its reservation as it stands now.
fn again(region: &Region, token: Option<&str>, request: &str) -> Result<Option<Members>, ApiError> {
    let Some(launch) = token.and_then(|token| region.launches.get(token)) else { return Ok(None) };
    if launch.request != request {
        let message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
        return Err(ApiError::bad_request("IdempotentParameterMismatch", message));
    }
    Ok(Some(launched(region, &launch.reservation_id, |instance| instance.state)))
}

fn launched(region: &Region, reservation_id: &str, state: impl Fn(&Instance) -> InstanceState) -> Members {
    let mut instances: Vec<&Instance> =
        region.instances.values().filter(|instance| instance.reservation_id == reservation_id).collect();
    instances.sort_by_key(|instance| instance.launch_index);
    reservation(region, &instances, state)
}

fn fingerprint(params: &Params) -> String {
    Sha256::digest(format!("{params:?}")).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn plan(state: &State, region_name: &str, params: &Params) -> Result<Plan, ApiError> {
    let Some(here) = state.regions.get(region_name) else {
        return Err(ApiError::internal(format!("region {region_name} has no state")));
    };
    let region = &here.ec2;
    let image_id = params.ec2_required("ImageId")?;
    kind::IMAGE.check(image_id)?;
    let count = count(params)?;
    let instance_type = params.get("InstanceType").unwrap_or("m1.small");
    check_type(instance_type)?;
    let tags = tags::specified(params, &kind::INSTANCE, &FURTHER_TYPES)?;
    let further: Vec<&str> = FURTHER_TYPES.into_iter().chain([kind::INSTANCE.resource_type]).collect();
    let interface_tags = tags::specified(params, &kind::NETWORK_INTERFACE, &further)?;

    let network = Network::read(params)?;
    let subnet = place(region, &network, params)?;
    let groups = groups(region, &network, subnet)?;
    if subnet::free_addresses(region, subnet) < count {
        let message = format!(
            "There are not enough free addresses in subnet '{}' to satisfy the requested number of instances.",
            subnet.id
        );
        return Err(ApiError::bad_request("InsufficientFreeAddressesInSubnet", message));
    }
    Ok(Plan {
        vpc_id: subnet.vpc_id.clone(),
        subnet_id: subnet.id.clone(),
        zone: subnet.zone.clone(),
        groups,
        image_id: image_id.to_owned(),
        size: instance_type.to_owned(),
        key_name: params.get("KeyName").map(str::to_owned),
        profile: instance_profile::named(params)?,
        disable_api_termination: params.boolean("DisableApiTermination")?.unwrap_or_default(),
        addresses: addresses(state, network.private_ip.as_deref(), count)?,
        tags,
        interface_tags,
    })
}

fn count(params: &Params) -> Result<usize, ApiError> {
    let number = |name: &str| -> Result<usize, ApiError> {
        let value = params.ec2_required(name)?;
        let number = value.parse().ok().filter(|number| *number >= 1);
        number.ok_or_else(|| {
            invalid_value(format!("Value ({value}) for parameter {name} is invalid. Minimum value is 1."))
        })
    };
    let (least, most) = (number("MinCount")?, number("MaxCount")?);
    if least > most {
        let message = format!(
            "Value ({least}) for parameter minCount is invalid. It must not be larger than maxCount."
        );
        return Err(invalid_value(message));
    }
    Ok(most)
}

/// What a launch says of the network: on its own, or in its one network interface.
struct Network {
    subnet_id: Option<String>,
    group_ids: Vec<String>,
    group_names: Vec<String>,
    private_ip: Option<String>,
}

impl Network {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let own = Self {
            subnet_id: params.get("SubnetId").map(str::to_owned),
            group_ids: params.ec2_list("SecurityGroupId"),
            group_names: params.ec2_list("SecurityGroup"),
            private_ip: params.get("PrivateIpAddress").map(str::to_owned),
        };
        let interfaces = params.ec2_structures("NetworkInterface");
        let interface = match interfaces.as_slice() {
            [] => return Ok(own),
            [interface] => interface,
            [_, _, ..] => {
                let message = "an instance of the local AWS has one network interface";
                return Err(ApiError::bad_request("Unsupported", message));
            }
        };
        let named_twice = own.subnet_id.is_some()
            || own.private_ip.is_some()
            || !own.group_ids.is_empty()
            || !own.group_names.is_empty();
        if named_twice {
            let message = "Network interfaces and an instance-level subnet ID or security groups may not be specified on the same request";
            return Err(ApiError::bad_request("InvalidParameterCombination", message));
        }
        Ok(Self {
            subnet_id: interface.get("SubnetId").map(str::to_owned),
            group_ids: interface.ec2_list("SecurityGroupId"),
            group_names: Vec::new(),
            private_ip: interface.get("PrivateIpAddress").map(str::to_owned),
        })
    }
}

fn place<'a>(region: &'a Region, network: &Network, params: &Params) -> Result<&'a Subnet, ApiError> {
    let zone = params.get("Placement.AvailabilityZone").filter(|zone| !zone.is_empty());
    if let Some(zone) = zone.filter(|zone| !region.zones.iter().any(|known| known == zone)) {
        return Err(invalid_value(format!("Invalid availability zone: [{zone}]")));
    }
    if let Some(id) = &network.subnet_id {
        let subnet = subnet::find(region, id)?;
        return match zone.filter(|zone| *zone != subnet.zone) {
            None => Ok(subnet),
            Some(zone) => Err(ApiError::bad_request(
                "InvalidParameterValue",
                format!("The subnet '{id}' is not in the availability zone {zone}"),
            )),
        };
    }
    let found = match zone {
        Some(zone) => region.default_subnet(zone),
        None => region.zones.iter().find_map(|zone| region.default_subnet(zone)),
    };
    found.ok_or_else(|| {
        if region.default_vpc().is_none() {
            return ApiError::bad_request("VPCIdNotSpecified", "No default VPC for this user");
        }
        let message = "No subnets found for the default VPC. Please specify a subnet.";
        ApiError::bad_request("MissingInput", message)
    })
}

fn groups(region: &Region, network: &Network, subnet: &Subnet) -> Result<Vec<String>, ApiError> {
    let mut ids = network.group_ids.clone();
    if !network.group_names.is_empty() && network.subnet_id.is_some() {
        let message = "The parameter groupName cannot be used with the parameter subnet";
        return Err(ApiError::bad_request("InvalidParameterCombination", message));
    }
    for name in &network.group_names {
        ids.push(security_group::find_by_name(region, name)?.id.clone());
    }
    if ids.is_empty() {
        ids.extend(region.default_security_group(&subnet.vpc_id).map(|group| group.id.clone()));
    }
    check_groups(region, &ids, &subnet.vpc_id)?;
    Ok(ids)
}

/// Addresses in 127.64.0.0/16, which is the whole account's: processes on one machine listen on them, so no two
/// instances of any region have the same one.
fn addresses(state: &State, wanted: Option<&str>, count: usize) -> Result<Vec<Ipv4Addr>, ApiError> {
    let instances = state.regions.values().flat_map(|region| region.ec2.instances.values());
    let mut taken: Vec<Ipv4Addr> = instances.map(|instance| instance.private_ip).collect();
    taken.sort_unstable();
    if let Some(wanted) = wanted {
        let address = wanted.parse::<Ipv4Addr>().ok().filter(|address| address.octets()[..2] == [127, 64]);
        let Some(address) = address else {
            return Err(invalid_value(format!(
                "Address {wanted} does not fall within the subnet's address range, 127.64.0.0/16 for every subnet of the local AWS"
            )));
        };
        if count != 1 {
            let message =
                "The parameter PrivateIpAddress cannot be used when launching more than one instance";
            return Err(ApiError::bad_request("InvalidParameterCombination", message));
        }
        if taken.binary_search(&address).is_ok() {
            let message = format!("Address {wanted} is in use.");
            return Err(ApiError::bad_request("InvalidIPAddress.InUse", message));
        }
        return Ok(vec![address]);
    }
    let all =
        (0_u8..=255).flat_map(|third| (0_u8..=255).map(move |fourth| Ipv4Addr::new(127, 64, third, fourth)));
    let usable = all.filter(|address| !matches!(address.octets(), [_, _, 0, 0] | [_, _, 255, 255]));
    let free: Vec<Ipv4Addr> =
        usable.filter(|address| taken.binary_search(address).is_err()).take(count).collect();
    if free.len() == count {
        return Ok(free);
    }
    let message = "The local AWS has no more addresses for instances in 127.64.0.0/16";
    Err(ApiError::bad_request("InsufficientFreeAddressesInSubnet", message))
}
