//! `DescribeLoadBalancers`.

use super::policy_types::{APP_COOKIE, LB_COOKIE};
use super::{Context, instances, not_found, page, placement};
use crate::local::ACCOUNT_ID;
use crate::local::api::alias_zone;
use crate::local::state::Region;
use crate::local::state::elb::{Listener, LoadBalancer, Scheme};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `DescribeLoadBalancers`.
pub(super) fn load_balancers(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = context.region;
    let region = context.here();
    let names = params.list("LoadBalancerNames");
    if let Some(unknown) = names.iter().find(|name| !region.elb.load_balancers.contains_key(*name)) {
        return Err(not_found(unknown));
    }
    let all = region.elb.load_balancers.iter();
    let asked_for = all.filter(|(name, _)| names.is_empty() || names.contains(name));
    let page = page(params, asked_for)?;
    let described = page.items.into_iter().map(|load_balancer| description(region, name, load_balancer));
    Ok(Members::new()
        .structures("LoadBalancerDescriptions", "member", described)
        .optional("NextMarker", page.next))
}

fn description(region: &Region, region_name: &str, load_balancer: &LoadBalancer) -> Members {
    let instances = load_balancer.instances.iter().filter(|id| instances::find(&region.ec2, id).is_ok());
    let hosted_zone_name = match load_balancer.scheme {
        Scheme::InternetFacing => Some(&load_balancer.dns_name),
        Scheme::Internal => None,
    };
    let check = &load_balancer.health_check;
    let backend = load_balancer
        .backend_policies
        .iter()
        .map(|(port, names)| Members::new().text("InstancePort", port).texts("PolicyNames", "member", names));
    let group = load_balancer.security_groups.first();
    let group = group.and_then(|id| region.ec2.security_groups.get(id));
    let source =
        Members::new().text("OwnerAlias", ACCOUNT_ID).optional("GroupName", group.map(|group| &group.name));
    Members::new()
        .text("LoadBalancerName", &load_balancer.name)
        .text("DNSName", &load_balancer.dns_name)
        .optional("CanonicalHostedZoneName", hosted_zone_name)
        .text("CanonicalHostedZoneNameID", alias_zone::of_application(region_name))
        .structures("ListenerDescriptions", "member", load_balancer.listeners.iter().map(listener))
        .structure("Policies", policies(load_balancer))
        .structures("BackendServerDescriptions", "member", backend)
        .texts("AvailabilityZones", "member", placement::zones(&region.ec2, load_balancer))
        .texts("Subnets", "member", &load_balancer.subnets)
        .text("VPCId", &load_balancer.vpc_id)
        .structures("Instances", "member", instances.map(|id| Members::new().text("InstanceId", id)))
        .structure(
            "HealthCheck",
            Members::new()
                .text("Target", &check.target)
                .text("Interval", check.interval)
                .text("Timeout", check.timeout)
                .text("UnhealthyThreshold", check.unhealthy_threshold)
                .text("HealthyThreshold", check.healthy_threshold),
        )
        .structure("SourceSecurityGroup", source)
        .texts("SecurityGroups", "member", &load_balancer.security_groups)
        .text("CreatedTime", timestamp(load_balancer))
        .text("Scheme", load_balancer.scheme.name())
}

fn listener((port, listener): (&u16, &Listener)) -> Members {
    let settings = Members::new()
        .text("Protocol", listener.protocol.name())
        .text("LoadBalancerPort", port)
        .text("InstanceProtocol", listener.instance_protocol.name())
        .text("InstancePort", listener.instance_port)
        .optional("SSLCertificateId", listener.certificate.as_ref());
    Members::new().structure("Listener", settings).texts("PolicyNames", "member", &listener.policies)
}

/// Stickiness policies have lists of their own; all others are only named.
fn policies(load_balancer: &LoadBalancer) -> Members {
    let of_type = |wanted: &'static str, member: &'static str| {
        let policies = load_balancer.policies.iter().filter(move |(_, policy)| policy.type_name == wanted);
        policies.map(move |(name, policy)| {
            let value = policy.attributes.iter().find(|attribute| attribute.name == member);
            Members::new().text("PolicyName", name).optional(member, value.map(|attribute| &attribute.value))
        })
    };
    let others = load_balancer
        .policies
        .iter()
        .filter(|(_, policy)| policy.type_name != APP_COOKIE && policy.type_name != LB_COOKIE);
    Members::new()
        .structures("AppCookieStickinessPolicies", "member", of_type(APP_COOKIE, "CookieName"))
        .structures("LBCookieStickinessPolicies", "member", of_type(LB_COOKIE, "CookieExpirationPeriod"))
        .texts("OtherPolicies", "member", others.map(|(name, _)| name))
}

/// ISO 8601 with hundredths of a second, as Classic ELB writes it.
fn timestamp(load_balancer: &LoadBalancer) -> String {
    let at = load_balancer.created_at;
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:02}0Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond() / 10
    )
}
