//! Load balancers, listeners and target groups as they are described.

use time::OffsetDateTime;

use super::arn::Kind as Arn;
use super::{Context, actions, alias_zone, page};
use crate::local::state::elbv2::{HealthCheck, Kind, Listener, LoadBalancer, ProtocolVersion, TargetGroup};
use crate::local::state::{Region, ec2, elbv2};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `DescribeLoadBalancers`: all, or those that are named; one that is not there is refused.
pub(super) fn load_balancers(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let (region_name, now, settings) = (context.region, context.now, context.settings);
    let region = context.here();
    let (arns, names) = (params.list("LoadBalancerArns"), params.list("Names"));
    if !arns.is_empty() && !names.is_empty() {
        return Err(ApiError::validation(
            "Load balancer names and load balancer ARNs cannot be specified at the same time",
        ));
    }
    at_most_20(&arns, "load balancer ARNs")?;
    at_most_20(&names, "load balancer names")?;
    let all = &region.elbv2.load_balancers;
    for arn in &arns {
        Arn::LoadBalancer.check(arn)?;
        if !all.contains_key(arn) {
            return Err(Arn::LoadBalancer.not_found(arn));
        }
    }
    let exists = |name: &&String| all.values().any(|balancer| balancer.name == **name);
    let unknown: Vec<&str> = names.iter().filter(|name| !exists(name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        let message = format!("Load balancers '[{}]' not found", unknown.join(", "));
        return Err(ApiError::bad_request("LoadBalancerNotFound", message));
    }
    let asked_for = all.iter().filter(|(arn, balancer)| {
        (arns.is_empty() || arns.contains(arn)) && (names.is_empty() || names.contains(&balancer.name))
    });
    let page = page(params, asked_for)?;
    let described = page.items.into_iter().map(|balancer| {
        load_balancer(region, region_name, balancer, balancer.is_active(now, settings.provisioning))
    });
    Ok(Members::new().structures("LoadBalancers", "member", described).optional("NextMarker", page.next))
}

/// A load balancer.
pub(super) fn load_balancer(
    region: &Region,
    region_name: &str,
    balancer: &LoadBalancer,
    active: bool,
) -> Members {
    let zone = match balancer.kind {
        Kind::Application => alias_zone::of_application(region_name),
        Kind::Network => alias_zone::of_network(region_name),
    };
    let state = if active { "active" } else { "provisioning" };
    let enforced = balancer.enforced_on_private_link.map(|on| if on { "on" } else { "off" });
    Members::new()
        .text("LoadBalancerArn", &balancer.arn)
        .text("DNSName", &balancer.dns_name)
        .text("CanonicalHostedZoneId", zone)
        .text("CreatedTime", timestamp(balancer.created_at))
        .text("LoadBalancerName", &balancer.name)
        .text("Scheme", balancer.scheme.name())
        .text("VpcId", &balancer.vpc_id)
        .structure("State", Members::new().text("Code", state))
        .text("Type", balancer.kind.name())
        .structures("AvailabilityZones", "member", zones(&region.ec2, balancer))
        .texts("SecurityGroups", "member", &balancer.security_groups)
        .text("IpAddressType", balancer.ip_address_type.name())
        .optional("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic", enforced)
}

/// The zones of a load balancer, with its subnets and static addresses.
pub(super) fn zones(region: &ec2::Region, balancer: &LoadBalancer) -> Vec<Members> {
    let zone = |mapping: &elbv2::SubnetMapping| {
        let subnet = region.subnets.get(&mapping.subnet_id);
        let allocation = mapping.allocation_id.as_ref();
        let public = allocation.and_then(|id| region.addresses.get(id)).map(|address| address.public_ip);
        let mut addresses = Vec::new();
        if mapping.allocation_id.is_some() || mapping.private_address.is_some() {
            addresses.push(
                Members::new()
                    .optional("IpAddress", public)
                    .optional("AllocationId", allocation)
                    .optional("PrivateIPv4Address", mapping.private_address),
            );
        }
        Members::new()
            .optional("ZoneName", subnet.map(|subnet| &subnet.zone))
            .text("SubnetId", &mapping.subnet_id)
            .structures("LoadBalancerAddresses", "member", addresses)
    };
    balancer.subnets.iter().map(zone).collect()
}

/// `DescribeListeners`: those of a load balancer, or those that are named.
pub(super) fn listeners(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().elbv2;
    let arns = params.list("ListenerArns");
    let above = params.get("LoadBalancerArn").filter(|arn| !arn.is_empty());
    let mut found: Vec<(&String, Members)> = Vec::new();
    match above {
        Some(_) if !arns.is_empty() => {
            return Err(ApiError::validation(
                "Listener ARNs and a load balancer ARN cannot be specified at the same time",
            ));
        }
        None if arns.is_empty() => {
            return Err(ApiError::validation("You must specify either listener ARNs or a load balancer ARN"));
        }
        Some(arn) => {
            Arn::LoadBalancer.check(arn)?;
            let balancer = region.load_balancers.get(arn).ok_or_else(|| Arn::LoadBalancer.not_found(arn))?;
            found.extend(balancer.listeners.iter().map(|(arn, one)| (arn, listener(balancer, one))));
        }
        None => {
            at_most_20(&arns, "listener ARNs")?;
            for arn in &arns {
                Arn::Listener.check(arn)?;
                let (balancer, one) = region.listener(arn).ok_or_else(|| Arn::Listener.not_found(arn))?;
                found.push((&one.arn, listener(balancer, one)));
            }
        }
    }
    found.sort_by_key(|(arn, _)| *arn);
    found.dedup_by_key(|(arn, _)| *arn);
    let page = page(params, found.into_iter())?;
    Ok(Members::new().structures("Listeners", "member", page.items).optional("NextMarker", page.next))
}

/// A listener.
pub(super) fn listener(balancer: &LoadBalancer, listener: &Listener) -> Members {
    listener_of(&balancer.arn, listener)
}

/// A listener of the load balancer of that ARN.
pub(super) fn listener_of(balancer: &str, listener: &Listener) -> Members {
    let certificate = listener.certificate.iter().map(|arn| Members::new().text("CertificateArn", arn));
    let members = Members::new()
        .text("ListenerArn", &listener.arn)
        .text("LoadBalancerArn", balancer)
        .text("Port", listener.port)
        .text("Protocol", listener.protocol.name());
    let members = if listener.protocol.is_secure() {
        members
            .structures("Certificates", "member", certificate)
            .optional("SslPolicy", listener.ssl_policy.as_ref())
    } else {
        members
    };
    let members =
        members.structures("DefaultActions", "member", [actions::members(&listener.default_action)]);
    let members = match &listener.alpn_policy {
        Some(policy) => members.texts("AlpnPolicy", "member", [policy]),
        None => members,
    };
    match listener.protocol {
        elbv2::Protocol::Https => {
            members.structure("MutualAuthentication", Members::new().text("Mode", "off"))
        }
        elbv2::Protocol::Http
        | elbv2::Protocol::Tcp
        | elbv2::Protocol::Tls
        | elbv2::Protocol::Udp
        | elbv2::Protocol::TcpUdp => members,
    }
}

/// `DescribeTargetGroups`: all, those of a load balancer, or those that are named.
pub(super) fn target_groups(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &context.here().elbv2;
    let (arns, names) = (params.list("TargetGroupArns"), params.list("Names"));
    let above = params.get("LoadBalancerArn").filter(|arn| !arn.is_empty());
    let ways = [!arns.is_empty(), !names.is_empty(), above.is_some()];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        return Err(ApiError::validation(
            "Target group names, target group ARNs and a load balancer ARN cannot be specified at the same time",
        ));
    }
    at_most_20(&arns, "target group ARNs")?;
    at_most_20(&names, "target group names")?;
    let all = &region.target_groups;
    for arn in &arns {
        Arn::TargetGroup.check(arn)?;
        if !all.contains_key(arn) {
            return Err(Arn::TargetGroup.not_found(arn));
        }
    }
    if names.iter().any(|name| !all.values().any(|group| group.name == *name)) {
        return Err(ApiError::bad_request("TargetGroupNotFound", "One or more target groups not found"));
    }
    let of_balancer: Option<Vec<&str>> = match above {
        None => None,
        Some(arn) => {
            Arn::LoadBalancer.check(arn)?;
            let balancer = region.load_balancers.get(arn).ok_or_else(|| Arn::LoadBalancer.not_found(arn))?;
            Some(balancer.target_groups().collect())
        }
    };
    let asked_for = all.iter().filter(|(arn, group)| {
        (arns.is_empty() || arns.contains(arn))
            && (names.is_empty() || names.contains(&group.name))
            && of_balancer.as_ref().is_none_or(|of_balancer| of_balancer.contains(&arn.as_str()))
    });
    let page = page(params, asked_for)?;
    let described = page.items.into_iter().map(|group| target_group(region, group));
    Ok(Members::new().structures("TargetGroups", "member", described).optional("NextMarker", page.next))
}

/// A target group.
pub(super) fn target_group(region: &elbv2::Region, group: &TargetGroup) -> Members {
    let users = region.users_of(&group.arn).map(|balancer| &balancer.arn);
    let HealthCheck { protocol, port, path, interval, timeout, .. } = &group.health_check;
    let members = Members::new()
        .text("TargetGroupArn", &group.arn)
        .text("TargetGroupName", &group.name)
        .text("Protocol", group.protocol.name())
        .text("Port", group.port)
        .text("VpcId", &group.vpc_id)
        .text("HealthCheckProtocol", protocol.name())
        .text("HealthCheckPort", port.map_or_else(|| "traffic-port".to_owned(), |port| port.to_string()))
        .text("HealthCheckEnabled", true)
        .text("HealthCheckIntervalSeconds", interval)
        .text("HealthCheckTimeoutSeconds", timeout)
        .text("HealthyThresholdCount", group.health_check.healthy_threshold)
        .text("UnhealthyThresholdCount", group.health_check.unhealthy_threshold)
        .optional("HealthCheckPath", path.as_ref());
    let members = match &group.health_check.matcher {
        None => members,
        Some(codes) => {
            let grpc = group.protocol_version == Some(ProtocolVersion::Grpc);
            let name = if grpc { "GrpcCode" } else { "HttpCode" };
            members.structure("Matcher", Members::new().text(name, codes))
        }
    };
    members
        .texts("LoadBalancerArns", "member", users)
        .text("TargetType", group.target_type.name())
        .optional("ProtocolVersion", group.protocol_version.map(ProtocolVersion::name))
        .text("IpAddressType", "ipv4")
}

/// A describe names 20 resources at most.
pub(super) fn at_most_20(list: &[String], noun: &str) -> Result<(), ApiError> {
    if list.len() <= 20 {
        return Ok(());
    }
    Err(ApiError::validation(format!("No more than 20 {noun} can be specified")))
}

/// ISO 8601 with thousandths of a second.
fn timestamp(at: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}
