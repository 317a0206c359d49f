//! Creating and deleting load balancers.

use std::collections::BTreeMap;

use super::placement::{Placement, remove_interfaces, sync_interfaces};
use super::{Context, listeners, required_structures, security_groups, tagging};
use crate::local::state::Tags;
use crate::local::state::elb::{Attributes, HealthCheck, Listener, LoadBalancer, Scheme};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const LONGEST_NAME: usize = 32;

/// `CreateLoadBalancer`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("LoadBalancerName")?;
    check_name(name)?;
    let scheme = scheme(params)?;
    let listeners = listeners::of_new(context, &required_structures(params, "Listeners")?)?;
    let tags = tagging::of_new(params)?;
    let placement = Placement::asked_for(&context.here().ec2, params, scheme)?;
    let groups = security_groups::asked_for(&context.here().ec2, &placement.vpc_id, params)?;

    let wanted = Wanted { scheme, listeners, placement, groups, tags };
    if let Some(present) = context.here().elb.load_balancers.get(name) {
        return wanted.matches(present).map(|()| answer(present));
    }
    let quota = context.settings.load_balancer_quota;
    if context.here().elb.load_balancers.len() >= usize::from(quota) {
        let message = format!("Exceeded quota of account {}", crate::local::ACCOUNT_ID);
        return Err(ApiError::bad_request("TooManyLoadBalancers", message));
    }

    let load_balancer = wanted.build(context, name);
    let answer = answer(&load_balancer);
    let region = context.state.region_mut(context.region);
    sync_interfaces(&mut region.ec2, context.ids, &load_balancer);
    region.elb.load_balancers.insert(name.to_owned(), load_balancer);
    Ok(answer)
}

/// `DeleteLoadBalancer`: it succeeds for one that is not there, too.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("LoadBalancerName")?;
    let region = context.here();
    if region.elb.load_balancers.remove(name).is_some() {
        remove_interfaces(&mut region.ec2, name);
    }
    Ok(Members::new())
}

/// A load balancer as it was asked for, checked.
struct Wanted {
    scheme: Scheme,
    listeners: BTreeMap<u16, Listener>,
    placement: Placement,
    groups: Vec<String>,
    tags: Tags,
}

impl Wanted {
    /// The same create again succeeds; anything else under that name is a duplicate.
    fn matches(&self, present: &LoadBalancer) -> Result<(), ApiError> {
        let same = present.scheme == self.scheme
            && sorted(&present.subnets) == sorted(&self.placement.subnets)
            && sorted(&present.security_groups) == sorted(&self.groups)
            && present.tags == self.tags
            && present.listeners.len() == self.listeners.len()
            && self.listeners.iter().all(|(port, listener)| {
                present.listeners.get(port).is_some_and(|present| present.same_settings(listener))
            });
        if same {
            return Ok(());
        }
        let message = format!(
            "Load Balancer named {} already exists and it is configured with different parameters.",
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
        let subnets = self.placement.subnets.iter().map(String::as_str);
        let address = context.state.free_address(context.region, subnets, &dns_name);
        let first_port = self.listeners.values().next().map_or(80, |listener| listener.instance_port);
        let mut load_balancer = LoadBalancer {
            name: name.to_owned(),
            dns_name,
            address,
            scheme: self.scheme,
            created_at: context.now,
            vpc_id: self.placement.vpc_id,
            subnets: self.placement.subnets,
            security_groups: self.groups,
            listeners: BTreeMap::new(),
            policies: BTreeMap::new(),
            backend_policies: BTreeMap::new(),
            instances: Vec::new(),
            health_check: HealthCheck {
                target: format!("TCP:{first_port}"),
                interval: 30,
                timeout: 5,
                unhealthy_threshold: 2,
                healthy_threshold: 10,
            },
            attributes: Attributes::default(),
            tags: self.tags,
        };
        listeners::add(&mut load_balancer, self.listeners);
        load_balancer
    }
}

fn sorted(ids: &[String]) -> Vec<&String> {
    let mut ids: Vec<&String> = ids.iter().collect();
    ids.sort();
    ids
}

fn answer(load_balancer: &LoadBalancer) -> Members {
    Members::new().text("DNSName", &load_balancer.dns_name)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.chars().count() > LONGEST_NAME {
        let message = format!("LoadBalancer name cannot be longer than {LONGEST_NAME} characters");
        return Err(ApiError::validation(message));
    }
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
        let message =
            "LoadBalancer name cannot contain characters that are not letters, or digits or the dash.";
        return Err(ApiError::validation(message));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(ApiError::validation("LoadBalancer name cannot begin or end with a dash."));
    }
    if name.starts_with("internal-") {
        return Err(ApiError::validation("LoadBalancer name cannot begin with 'internal-'."));
    }
    Ok(())
}

fn scheme(params: &Params) -> Result<Scheme, ApiError> {
    match params.get("Scheme").filter(|scheme| !scheme.is_empty()) {
        None | Some("internet-facing") => Ok(Scheme::InternetFacing),
        Some("internal") => Ok(Scheme::Internal),
        Some(other) => {
            let message = format!("The scheme '{other}' is not valid: it is internet-facing or internal");
            Err(ApiError::bad_request("InvalidScheme", message))
        }
    }
}
