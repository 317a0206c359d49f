//! Listeners: reading them from requests, creating, deleting, and replacing their certificate.

use std::collections::BTreeMap;

use time::Duration;

use super::{Context, invalid_configuration, named, predefined, required_bounded, required_structures};
use crate::local::state::elb::{Listener, LoadBalancer, Protocol};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of listeners a load balancer.
const MOST_LISTENERS: usize = 100;

/// `CreateLoadBalancerListeners`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    named(&mut context.here().elb, params)?;
    let asked = required_structures(params, "Listeners")?;
    let mut new = BTreeMap::new();
    for (index, params) in asked.iter().enumerate() {
        let (port, listener) = parse(context, params, index)?;
        if let Some(other) = new.get(&port)
            && !listener.same_settings(other)
        {
            return Err(invalid_configuration(format!("Two of the listeners have LoadBalancerPort {port}")));
        }
        new.insert(port, listener);
    }
    let load_balancer = named(&mut context.here().elb, params)?;
    for (port, listener) in &new {
        if let Some(present) = load_balancer.listeners.get(port)
            && !present.same_settings(listener)
        {
            return Err(duplicate(&load_balancer.name, *port));
        }
    }
    new.retain(|port, _| !load_balancer.listeners.contains_key(port));
    check_together(load_balancer.listeners.iter().chain(&new))?;
    add(load_balancer, new);
    Ok(Members::new())
}

/// The listeners of a load balancer that is to be created.
pub(super) fn of_new(context: &Context<'_>, asked: &[Params]) -> Result<BTreeMap<u16, Listener>, ApiError> {
    let mut listeners = BTreeMap::new();
    for (index, params) in asked.iter().enumerate() {
        let (port, listener) = parse(context, params, index)?;
        if listeners.insert(port, listener).is_some() {
            return Err(invalid_configuration(format!("Two of the listeners have LoadBalancerPort {port}")));
        }
    }
    check_together(&listeners)?;
    Ok(listeners)
}

/// Adds listeners; a secure one comes with the default negotiation policy, which the load balancer then has.
pub(super) fn add(load_balancer: &mut LoadBalancer, listeners: BTreeMap<u16, Listener>) {
    for (port, mut listener) in listeners {
        if listener.protocol.is_secure() {
            listener.policies = vec![predefined::DEFAULT.to_owned()];
            let policy = || predefined::default_policy();
            load_balancer.policies.entry(predefined::DEFAULT.to_owned()).or_insert_with(policy);
        }
        load_balancer.listeners.insert(port, listener);
    }
}

/// `DeleteLoadBalancerListeners`: a port without a listener is no error. Policies stay.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let load_balancer = named(&mut context.here().elb, params)?;
    for port in super::required_list(params, "LoadBalancerPorts")? {
        let port = port.parse().map_err(|_| ApiError::validation(format!("'{port}' is not a port")))?;
        load_balancer.listeners.remove(&port);
    }
    Ok(Members::new())
}

/// `SetLoadBalancerListenerSSLCertificate`.
pub(super) fn set_certificate(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let port = required_bounded(params, "LoadBalancerPort", "loadBalancerPort", [1, 65535])?;
    let arn = params.required("SSLCertificateId")?;
    let load_balancer = named(&mut context.here().elb, params)?;
    let listener = find(load_balancer, port)?;
    if !listener.protocol.is_secure() {
        let message = format!("The listener on port {port} is not secure: it has no SSL certificate");
        return Err(invalid_configuration(message));
    }
    check_certificate(context, arn)?;
    find(named(&mut context.here().elb, params)?, port)?.certificate = Some(arn.to_owned());
    Ok(Members::new())
}

/// The listener on a load balancer port.
pub(super) fn find(load_balancer: &mut LoadBalancer, port: u16) -> Result<&mut Listener, ApiError> {
    let name = &load_balancer.name;
    load_balancer.listeners.get_mut(&port).ok_or_else(|| {
        let message = format!("There is no listener with LoadBalancerPort {port} for load balancer {name}");
        ApiError::bad_request("ListenerNotFound", message)
    })
}

fn duplicate(name: &str, port: u16) -> ApiError {
    let message = format!(
        "A listener already exists for {name} with LoadBalancerPort {port}, but with a different InstancePort, Protocol, or SSLCertificateId"
    );
    ApiError::bad_request("DuplicateListener", message)
}

fn parse(context: &Context<'_>, params: &Params, index: usize) -> Result<(u16, Listener), ApiError> {
    let member = |name: &str| format!("listeners.{}.member.{name}", index + 1);
    let Some(protocol) = params.get("Protocol").filter(|protocol| !protocol.is_empty()) else {
        return Err(ApiError::constraint(None, &member("protocol"), "Member must not be null"));
    };
    let protocol = parse_protocol(protocol)?;
    let instance_protocol = match params.get("InstanceProtocol").filter(|protocol| !protocol.is_empty()) {
        Some(protocol) => parse_protocol(protocol)?,
        None => protocol.plain(),
    };
    if protocol.is_http() != instance_protocol.is_http() {
        let message = format!(
            "Protocol {} cannot be used with InstanceProtocol {}: HTTP and HTTPS go together, and TCP and SSL",
            protocol.name(),
            instance_protocol.name()
        );
        return Err(ApiError::validation(message));
    }
    let port = required_bounded(params, "LoadBalancerPort", &member("loadBalancerPort"), [1, 65535])?;
    let instance_port = required_bounded(params, "InstancePort", &member("instancePort"), [1, 65535])?;
    let certificate = params.get("SSLCertificateId").filter(|arn| !arn.is_empty()).map(str::to_owned);
    match &certificate {
        None if protocol.is_secure() => {
            return Err(ApiError::validation("Secure Listeners need to specify a SSLCertificateId"));
        }
        Some(_) if !protocol.is_secure() => {
            return Err(ApiError::validation("Only secure Listeners can specify a SSLCertificateId"));
        }
        Some(arn) => check_certificate(context, arn)?,
        None => {}
    }
    Ok((port, Listener { protocol, instance_protocol, instance_port, certificate, policies: Vec::new() }))
}

fn parse_protocol(name: &str) -> Result<Protocol, ApiError> {
    Protocol::from_name(name).ok_or_else(|| {
        ApiError::bad_request("UnsupportedProtocol", format!("The protocol '{name}' is not supported"))
    })
}

/// Listeners that share an instance port must agree on whether it is secure.
fn check_together<'a>(listeners: impl IntoIterator<Item = (&'a u16, &'a Listener)>) -> Result<(), ApiError> {
    let mut secure: BTreeMap<u16, bool> = BTreeMap::new();
    let mut count = 0;
    for (_, listener) in listeners {
        count += 1;
        let this = listener.instance_protocol.is_secure();
        if *secure.entry(listener.instance_port).or_insert(this) != this {
            let message = format!(
                "Listeners with InstancePort {} must all have a secure InstanceProtocol, or none of them",
                listener.instance_port
            );
            return Err(invalid_configuration(message));
        }
    }
    if count > MOST_LISTENERS {
        let message = format!("A load balancer can have at most {MOST_LISTENERS} listeners");
        return Err(invalid_configuration(message));
    }
    Ok(())
}

/// The certificate must be in the region's ACM or in IAM, and have been there for as long as it takes to show.
fn check_certificate(context: &Context<'_>, arn: &str) -> Result<(), ApiError> {
    let delay = Duration::try_from(context.settings.certificate_visibility_delay).unwrap_or(Duration::MAX);
    let created = context.state.certificate_created(context.region, arn);
    if created.is_some_and(|created| context.now - created >= delay) {
        return Ok(());
    }
    let message = format!("Server Certificate not found for the key: {arn}");
    Err(ApiError::bad_request("CertificateNotFound", message))
}
