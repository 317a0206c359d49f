//! Creating and deleting load balancers, and the type of their addresses.

use super::arn::{self, Kind as Arn};
use super::placement::Placement;
use super::{
    Context, check_name, describe, interfaces, one_of, placement, refuse_unserved, security_groups, sorted,
    tagging,
};
use crate::local::ACCOUNT_ID;
use crate::local::state::Tags;
use crate::local::state::elb::Scheme;
use crate::local::state::elbv2::{Attributes, IpAddressType, Kind, LoadBalancer};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of load balancers of each type in a region.
const MOST: usize = 50;

/// `CreateLoadBalancer`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("Name")?;
    check_name(name, "load balancer")?;
    if name.starts_with("internal-") {
        let message = format!("The load balancer name '{name}' cannot begin with 'internal-'");
        return Err(ApiError::validation(message));
    }
    refuse_unserved(params, &["CustomerOwnedIpv4Pool", "EnablePrefixForIpv6SourceNat", "IpamPools"])?;
    let kind = kind(params)?;
    let scheme = match one_of(params, "Scheme", "scheme", &["internet-facing", "internal"])? {
        Some("internal") => Scheme::Internal,
        Some(_) | None => Scheme::InternetFacing,
    };
    let ip_address_type = ip_address_type(params)?.unwrap_or(IpAddressType::Ipv4);
    let tags = tagging::of_new(params)?;
    let here = context.here();
    let placement = Placement::asked_for(here, params, kind, scheme)?;
    let groups = security_groups::of_new(&here.ec2, &placement.vpc_id, kind, params)?;
    let wanted = Wanted { kind, scheme, ip_address_type, placement, groups, tags };

    let mut present = here.elbv2.load_balancers.values();
    if let Some(present) = present.find(|present| present.name == name) {
        wanted.check_same(present)?;
        return Ok(created(context, params.required("Name")?));
    }
    wanted.placement.check_free(here, None).map_err(|error| {
        // The one refusal of addresses that has another code here than in SetSubnets.
        let code = if error.code == "InvalidConfigurationRequest" { "ResourceInUse" } else { &error.code };
        ApiError::bad_request(code, error.message.clone())
    })?;
    let of_kind = here.elbv2.load_balancers.values().filter(|present| present.kind == kind).count();
    if of_kind >= MOST {
        let message =
            format!("The maximum number of load balancers has been reached on account '{ACCOUNT_ID}'");
        return Err(ApiError::bad_request("TooManyLoadBalancers", message));
    }
    let load_balancer = wanted.build(context, name);
    let region = context.state.region_mut(context.region);
    placement::sync_interfaces(&mut region.ec2, context.ids, &load_balancer);
    region.elbv2.load_balancers.insert(load_balancer.arn.clone(), load_balancer);
    Ok(created(context, name))
}

fn created(context: &mut Context<'_>, name: &str) -> Members {
    let (region_name, now, settings) = (context.region, context.now, context.settings);
    let region = context.here();
    let found = region.elbv2.load_balancers.values().find(|balancer| balancer.name == name);
    // The answer to a create always has it on its way; the next describe settles that.
    let described = found.map(|balancer| {
        let active = balancer.created_at < now && balancer.is_active(now, settings.provisioning);
        describe::load_balancer(region, region_name, balancer, active)
    });
    Members::new().structures("LoadBalancers", "member", described)
}

/// `DeleteLoadBalancer`: with its listeners and rules; it succeeds for one that is not there, too.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arn = Arn::LoadBalancer.required(params, "LoadBalancerArn")?;
    let region = context.here();
    let Some(load_balancer) = region.elbv2.load_balancers.get(arn) else { return Ok(Members::new()) };
    if load_balancer.attributes.flag("deletion_protection.enabled") {
        let message =
            format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
        return Err(ApiError::bad_request("OperationNotPermitted", message));
    }
    let mut targets = region.elbv2.target_groups.values().flat_map(|group| &group.targets);
    if targets.any(|target| target.id == arn) {
        let message = format!(
            "Load balancer '{arn}' cannot be deleted because it is currently associated with another service"
        );
        return Err(ApiError::bad_request("ResourceInUse", message));
    }
    let (description, requester) = super::description(load_balancer);
    interfaces::remove(&mut region.ec2, &description, requester);
    region.elbv2.load_balancers.remove(arn);
    super::target_groups::forget_unused(&mut region.elbv2);
    Ok(Members::new())
}

/// `SetIpAddressType`.
pub(super) fn set_ip_address_type(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let load_balancer = arn::load_balancer(&mut context.here().elbv2, params)?;
    params.required("IpAddressType")?;
    let wanted = ip_address_type(params)?.unwrap_or(load_balancer.ip_address_type);
    load_balancer.ip_address_type = wanted;
    Ok(Members::new().text("IpAddressType", wanted.name()))
}

/// A load balancer as it was asked for, checked.
struct Wanted {
    kind: Kind,
    scheme: Scheme,
    ip_address_type: IpAddressType,
    placement: Placement,
    groups: Vec<String>,
    tags: Tags,
}

impl Wanted {
    /// The same create again succeeds; anything else under that name is a duplicate.
    fn check_same(&self, present: &LoadBalancer) -> Result<(), ApiError> {
        let same = present.kind == self.kind
            && present.scheme == self.scheme
            && present.ip_address_type == self.ip_address_type
            && placement::sorted(&present.subnets) == placement::sorted(&self.placement.subnets)
            && sorted(&present.security_groups) == sorted(&self.groups)
            && present.tags == self.tags;
        if same {
            return Ok(());
        }
        let message = format!(
            "A load balancer with the same name '{}' exists, but with different settings",
            present.name
        );
        Err(ApiError::bad_request("DuplicateLoadBalancerName", message))
    }

    fn build(self, context: &mut Context<'_>, name: &str) -> LoadBalancer {
        let prefix = match self.scheme {
            Scheme::InternetFacing => "",
            Scheme::Internal => "internal-",
        };
        let dns_name = format!("{prefix}{name}-{}.{}.elb.localhost", context.ids.digits(), context.region);
        let subnets = self.placement.subnets.iter().map(|subnet| subnet.subnet_id.as_str());
        let address = context.state.free_address(context.region, subnets, &dns_name);
        LoadBalancer {
            arn: format!(
                "arn:aws:elasticloadbalancing:{}:{ACCOUNT_ID}:loadbalancer/{}/{name}/{}",
                context.region,
                self.kind.short_name(),
                context.ids.arn_suffix()
            ),
            name: name.to_owned(),
            kind: self.kind,
            address,
            dns_name,
            scheme: self.scheme,
            ip_address_type: self.ip_address_type,
            created_at: context.now,
            vpc_id: self.placement.vpc_id,
            subnets: self.placement.subnets,
            security_groups: self.groups,
            enforced_on_private_link: None,
            listeners: std::collections::BTreeMap::new(),
            attributes: Attributes::of_load_balancer(self.kind, self.scheme),
            tags: self.tags,
        }
    }
}

fn kind(params: &Params) -> Result<Kind, ApiError> {
    match one_of(params, "Type", "type", &["application", "network", "gateway"])? {
        Some("network") => Ok(Kind::Network),
        Some("gateway") => {
            Err(ApiError::validation("Load balancers of type 'gateway' are not served by the local AWS"))
        }
        Some(_) | None => Ok(Kind::Application),
    }
}

/// `dualstack` needs no block of IPv6 here, since there are none.
pub(super) fn ip_address_type(params: &Params) -> Result<Option<IpAddressType>, ApiError> {
    let words = ["ipv4", "dualstack", "dualstack-without-public-ipv4"];
    match one_of(params, "IpAddressType", "ipAddressType", &words)? {
        None => Ok(None),
        Some("ipv4") => Ok(Some(IpAddressType::Ipv4)),
        Some("dualstack") => Ok(Some(IpAddressType::Dualstack)),
        Some(other) => {
            Err(ApiError::validation(format!("The IP address type '{other}' is not served by the local AWS")))
        }
    }
}
