//! Listeners: creating, modifying and deleting them.

use std::collections::BTreeMap;

use time::Duration;

use super::actions::{self, Place};
use super::arn::{self, Kind as Arn};
use super::{Context, bounded, describe, invalid_configuration, ssl_policies, tagging};
use crate::local::state::State;
use crate::local::state::Tags;
use crate::local::state::elbv2::{Action, Attributes, Kind, Listener, LoadBalancer, Protocol, Region};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of listeners a load balancer.
const MOST_LISTENERS: usize = 50;

const ALPN_POLICIES: [&str; 5] = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];

/// `CreateListener`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let balancer = arn::load_balancer(&mut context.here().elbv2, params)?.arn.clone();
    let tags = tagging::of_new(params)?;
    let region = region(context.state, context.region)?;
    let load_balancer = find(region, &balancer)?;
    let Some(protocol) = protocol(load_balancer, params)? else {
        return Err(ApiError::validation("A listener protocol must be specified"));
    };
    let Some(port) = bounded(params, "Port", "port", [1, 65535])? else {
        return Err(ApiError::validation("A listener port must be specified"));
    };
    let terms = Terms::default().changed(context, params, protocol)?;
    let place = Place { load_balancer, protocol, port };
    let action = actions::asked_for(region, place, params, "DefaultActions")?;
    if let Some(present) = load_balancer.listener_on(port) {
        // The same create again succeeds.
        let same = present.protocol == protocol
            && present.default_action == action
            && present.tags == tags
            && Terms::of(present) == terms;
        if !same {
            return Err(duplicate(&balancer));
        }
        let described = describe::listener(load_balancer, present);
        return Ok(Members::new().structures("Listeners", "member", [described]));
    }
    if load_balancer.listeners.len() >= MOST_LISTENERS {
        let message =
            format!("The maximum number of listeners has been reached on load balancer '{balancer}'");
        return Err(ApiError::bad_request("TooManyListeners", message));
    }
    let listener = build(context, &balancer, New { protocol, port, terms, action, tags });
    let region = &mut context.here().elbv2;
    let Some(load_balancer) = region.load_balancers.get_mut(&balancer) else {
        return Err(Arn::LoadBalancer.not_found(&balancer));
    };
    let arn = listener.arn.clone();
    let listener = &*load_balancer.listeners.entry(arn).or_insert(listener);
    let described = describe::listener_of(&balancer, listener);
    Ok(Members::new().structures("Listeners", "member", [described]))
}

/// A listener that is to be, checked.
struct New {
    protocol: Protocol,
    port: u16,
    terms: Terms,
    action: Action,
    tags: Tags,
}

fn build(context: &mut Context<'_>, balancer: &str, new: New) -> Listener {
    let arn = arn::below(balancer, Arn::LoadBalancer, Arn::Listener, &context.ids.arn_suffix());
    Listener {
        default_rule_arn: arn::below(&arn, Arn::Listener, Arn::Rule, &context.ids.arn_suffix()),
        arn,
        port: new.port,
        protocol: new.protocol,
        certificate: new.terms.certificate,
        more_certificates: Vec::new(),
        ssl_policy: new.terms.ssl_policy,
        alpn_policy: new.terms.alpn_policy,
        default_action: new.action,
        rules: BTreeMap::new(),
        attributes: Attributes::of_listener(new.protocol),
        tags: new.tags,
    }
}

/// `ModifyListener`: what is not given stays, certificates aside: those of a protocol that has none go.
pub(super) fn modify(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let arn = arn::listener(&mut context.here().elbv2, params)?.arn.clone();
    let balancer = arn::load_balancer_of(&arn);
    let region = region(context.state, context.region)?;
    let load_balancer = find(region, &balancer)?;
    let Some(present) = load_balancer.listeners.get(&arn) else { return Err(Arn::Listener.not_found(&arn)) };
    let protocol = protocol(load_balancer, params)?.unwrap_or(present.protocol);
    let port = bounded(params, "Port", "port", [1, 65535])?.unwrap_or(present.port);
    if load_balancer.listeners.values().any(|other| other.port == port && other.arn != arn) {
        return Err(duplicate(&balancer));
    }
    let terms = Terms::of(present).changed(context, params, protocol)?;
    let place = Place { load_balancer, protocol, port };
    let action = if params.has("DefaultActions") {
        actions::asked_for(region, place, params, "DefaultActions")?
    } else {
        present.default_action.clone()
    };
    let rules = present.rules.values().map(|rule| &rule.action);
    for action in rules.chain([&action]) {
        actions::check(region, place, action)?;
    }

    let listener = arn::listener(&mut context.here().elbv2, params)?;
    if listener.protocol != protocol {
        let before = std::mem::replace(&mut listener.attributes, Attributes::of_listener(protocol));
        for (key, value) in before.iter() {
            if listener.attributes.has(key) {
                listener.attributes.set(key, value);
            }
        }
    }
    if !protocol.is_secure() {
        listener.more_certificates.clear();
    } else if let Some(former) = listener.certificate.take()
        && terms.certificate.as_ref() != Some(&former)
        && !listener.more_certificates.contains(&former)
    {
        // The former default certificate goes on being served by its names.
        listener.more_certificates.push(former);
    }
    listener.more_certificates.retain(|other| terms.certificate.as_ref() != Some(other));
    listener.protocol = protocol;
    listener.port = port;
    listener.certificate = terms.certificate;
    listener.ssl_policy = terms.ssl_policy;
    listener.alpn_policy = terms.alpn_policy;
    listener.default_action = action;
    let described = describe::listener_of(&balancer, listener);
    super::target_groups::forget_unused(&mut context.here().elbv2);
    Ok(Members::new().structures("Listeners", "member", [described]))
}

/// `DeleteListener`: with its rules.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let arn = arn::listener(region, params)?.arn.clone();
    if let Some(load_balancer) = region.load_balancers.get_mut(&arn::load_balancer_of(&arn)) {
        load_balancer.listeners.remove(&arn);
    }
    super::target_groups::forget_unused(region);
    Ok(Members::new())
}

/// What a secure listener offers in its handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Terms {
    certificate: Option<String>,
    ssl_policy: Option<String>,
    alpn_policy: Option<String>,
}

impl Terms {
    fn of(listener: &Listener) -> Self {
        Self {
            certificate: listener.certificate.clone(),
            ssl_policy: listener.ssl_policy.clone(),
            alpn_policy: listener.alpn_policy.clone(),
        }
    }

    /// These with what a request says, for a listener of that protocol.
    fn changed(
        mut self,
        context: &Context<'_>,
        params: &Params,
        protocol: Protocol,
    ) -> Result<Self, ApiError> {
        let name = protocol.name();
        if mutual_authentication(params) {
            return Err(ApiError::validation("Mutual authentication is not served by the local AWS"));
        }
        let certificates = params.structures("Certificates");
        let policy = params.get("SslPolicy").filter(|policy| !policy.is_empty());
        if !protocol.is_secure() {
            if !certificates.is_empty() {
                let message = format!("Certificates cannot be specified for {name} listeners");
                return Err(ApiError::validation(message));
            }
            if policy.is_some() {
                let message = format!("An SSL policy cannot be specified for {name} listeners");
                return Err(ApiError::validation(message));
            }
        }
        match certificates.as_slice() {
            [] => {}
            [certificate] => {
                let arn = certificate.required("CertificateArn")?;
                check_certificate(context, arn)?;
                self.certificate = Some(arn.to_owned());
            }
            [..] => {
                let message = "Only one certificate can be specified: add the others to the listener";
                return Err(ApiError::bad_request("TooManyCertificates", message));
            }
        }
        if let Some(policy) = policy {
            if !ssl_policies::exists(policy) {
                let message = format!("SSL policy '{policy}' not found");
                return Err(ApiError::bad_request("SSLPolicyNotFound", message));
            }
            self.ssl_policy = Some(policy.to_owned());
        }
        let alpn = params.list("AlpnPolicy");
        if let Some(policy) = alpn.first() {
            if protocol != Protocol::Tls {
                let message = format!("An ALPN policy cannot be specified for {name} listeners");
                return Err(ApiError::validation(message));
            }
            if alpn.len() > 1 {
                return Err(ApiError::validation("Only one ALPN policy can be specified"));
            }
            if !ALPN_POLICIES.contains(&policy.as_str()) {
                let message = format!("ALPN policy '{policy}' not found");
                return Err(ApiError::bad_request("ALPNPolicyNotFound", message));
            }
            self.alpn_policy = Some(policy.clone());
        }
        if !protocol.is_secure() {
            return Ok(Self::default());
        }
        if self.certificate.is_none() {
            let message = format!("A certificate must be specified for {name} listeners");
            return Err(ApiError::validation(message));
        }
        if protocol != Protocol::Tls {
            self.alpn_policy = None;
        }
        self.ssl_policy.get_or_insert_with(|| ssl_policies::DEFAULT.to_owned());
        Ok(self)
    }
}

fn mutual_authentication(params: &Params) -> bool {
    let mode = params.structure("MutualAuthentication");
    mode.get("Mode").is_some_and(|mode| mode != "off")
}

/// The protocol that a request gives, which must be one of the load balancer's type.
fn protocol(load_balancer: &LoadBalancer, params: &Params) -> Result<Option<Protocol>, ApiError> {
    let Some(name) = params.get("Protocol").filter(|name| !name.is_empty()) else { return Ok(None) };
    let words = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"];
    super::one_of(params, "Protocol", "protocol", &words)?;
    let admitted = match load_balancer.kind {
        Kind::Application => "HTTPS, HTTP",
        Kind::Network => "UDP, TCP, TCP_UDP, TLS",
    };
    if !admitted.split(", ").any(|admitted| admitted == name) {
        let message = format!("Listener protocol '{name}' must be one of '{admitted}'");
        return Err(ApiError::validation(message));
    }
    Ok(Protocol::from_name(name))
}

/// The certificate must be in the region's ACM or in IAM, and have been there for as long as it takes to show.
pub(super) fn check_certificate(context: &Context<'_>, arn: &str) -> Result<(), ApiError> {
    let delay = Duration::try_from(context.settings.certificate_visibility_delay).unwrap_or(Duration::MAX);
    let created = context.state.certificate_created(context.region, arn);
    if created.is_some_and(|created| context.now - created >= delay) {
        return Ok(());
    }
    Err(ApiError::bad_request("CertificateNotFound", format!("Certificate '{arn}' not found")))
}

fn duplicate(balancer: &str) -> ApiError {
    let message = format!("A listener already exists on this port for this load balancer '{balancer}'");
    ApiError::bad_request("DuplicateListener", message)
}

fn region<'a>(state: &'a State, name: &str) -> Result<&'a Region, ApiError> {
    let found = state.regions.get(name).map(|region| &region.elbv2);
    found.ok_or_else(|| invalid_configuration(format!("There is no region '{name}'")))
}

fn find<'a>(region: &'a Region, arn: &str) -> Result<&'a LoadBalancer, ApiError> {
    region.load_balancers.get(arn).ok_or_else(|| Arn::LoadBalancer.not_found(arn))
}
