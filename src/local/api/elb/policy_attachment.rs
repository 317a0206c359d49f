//! Putting policies on listeners and on instance ports; each call replaces the whole set.

use super::policies::not_found;
use super::policy_types::{self, BACKEND_AUTHENTICATION, Place};
use super::{Context, invalid_configuration, listeners, named, required_bounded};
use crate::local::state::elb::LoadBalancer;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// `SetLoadBalancerPoliciesForBackendServer`.
pub(super) fn for_backend_server(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let port = required_bounded(params, "InstancePort", "instancePort", [1, 65535])?;
    let load_balancer = named(&mut context.here().elb, params)?;
    let names = asked_for(load_balancer, params)?;

    let mut using =
        load_balancer.listeners.values().filter(|listener| listener.instance_port == port).peekable();
    let is_stale = load_balancer.backend_policies.contains_key(&port);
    // Policies outlive the listener, and can still be taken off the port then.
    if using.peek().is_none() && !(names.is_empty() && is_stale) {
        return Err(invalid_configuration("No listener configured on this port"));
    }
    let secure = using.all(|listener| listener.instance_protocol.is_secure());
    for (name, type_name) in types(load_balancer, &names)? {
        let place = policy_types::find(&type_name)?.place;
        if place != Place::BackendServer || (type_name == BACKEND_AUTHENTICATION && !secure) {
            return Err(cannot_be_enabled(&name));
        }
    }
    if names.is_empty() {
        load_balancer.backend_policies.remove(&port);
    } else {
        load_balancer.backend_policies.insert(port, names);
    }
    Ok(Members::new())
}

/// `SetLoadBalancerPoliciesOfListener`.
pub(super) fn of_listener(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let port = required_bounded(params, "LoadBalancerPort", "loadBalancerPort", [1, 65535])?;
    let load_balancer = named(&mut context.here().elb, params)?;
    let protocol = listeners::find(load_balancer, port)?.protocol;
    let names = asked_for(load_balancer, params)?;
    let mut places = Vec::new();
    for (name, type_name) in types(load_balancer, &names)? {
        let place = policy_types::find(&type_name)?.place;
        let fits = match place {
            Place::HttpListener => protocol.is_http(),
            Place::SecureListener => protocol.is_secure(),
            Place::BackendServer | Place::Nowhere => false,
        };
        // One stickiness policy and one negotiation policy are all that a listener can follow.
        if !fits || places.contains(&place) {
            return Err(cannot_be_enabled(&name));
        }
        places.push(place);
    }
    listeners::find(load_balancer, port)?.policies = names;
    Ok(Members::new())
}

fn asked_for(load_balancer: &LoadBalancer, params: &Params) -> Result<Vec<String>, ApiError> {
    if !params.has("PolicyNames") {
        return Err(ApiError::constraint(None, "policyNames", "Member must not be null"));
    }
    let mut names: Vec<String> = Vec::new();
    for name in params.list("PolicyNames") {
        if !load_balancer.policies.contains_key(&name) {
            return Err(not_found(load_balancer, &name));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn types(load_balancer: &LoadBalancer, names: &[String]) -> Result<Vec<(String, String)>, ApiError> {
    let of = |name: &String| {
        let policy = load_balancer.policies.get(name).ok_or_else(|| not_found(load_balancer, name))?;
        Ok((name.clone(), policy.type_name.clone()))
    };
    names.iter().map(of).collect()
}

fn cannot_be_enabled(name: &str) -> ApiError {
    invalid_configuration(format!("{name} cannot be enabled"))
}
