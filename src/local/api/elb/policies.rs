//! Policies of a load balancer: creating, deleting, describing. What they are put on is in `policy_attachment`.

use super::policy_types::{APP_COOKIE, AttributeType, BACKEND_AUTHENTICATION, Kind, LB_COOKIE, PUBLIC_KEY};
use super::predefined::{self, REFERENCE};
use super::{Context, invalid_configuration, named, policy_types};
use crate::local::state::elb::{LoadBalancer, Policy, PolicyAttribute};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of policies a load balancer.
const MOST_POLICIES: usize = 100;

/// `CreateLoadBalancerPolicy`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let type_name = params.required("PolicyTypeName")?;
    let attributes = params
        .structures("PolicyAttributes")
        .iter()
        .map(|attribute| {
            let value = attribute.get("AttributeValue").unwrap_or_default().to_owned();
            Ok(PolicyAttribute { name: attribute.required("AttributeName")?.to_owned(), value })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    let policy = Policy { type_name: type_name.to_owned(), attributes };
    add(named(&mut context.here().elb, params)?, params, policy)
}

/// `CreateAppCookieStickinessPolicy`.
pub(super) fn create_app_cookie(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let value = params.required("CookieName")?.to_owned();
    let attributes = vec![PolicyAttribute { name: "CookieName".to_owned(), value }];
    let policy = Policy { type_name: APP_COOKIE.to_owned(), attributes };
    add(named(&mut context.here().elb, params)?, params, policy)
}

/// `CreateLBCookieStickinessPolicy`.
pub(super) fn create_lb_cookie(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let period = params.integer("CookieExpirationPeriod")?;
    let name = "CookieExpirationPeriod".to_owned();
    let attributes =
        period.map(|period| PolicyAttribute { name, value: period.to_string() }).into_iter().collect();
    let policy = Policy { type_name: LB_COOKIE.to_owned(), attributes };
    add(named(&mut context.here().elb, params)?, params, policy)
}

/// `DeleteLoadBalancerPolicy`: one that is not there is no error.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("PolicyName")?;
    let load_balancer = named(&mut context.here().elb, params)?;
    if load_balancer.uses_policy(name) {
        let message =
            format!("Policy {name} is in use by load balancer {} and cannot be deleted", load_balancer.name);
        return Err(invalid_configuration(message));
    }
    load_balancer.policies.remove(name);
    Ok(Members::new())
}

/// `DescribeLoadBalancerPolicies`: those of a load balancer, or those that AWS defines.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let names = params.list("PolicyNames");
    let described = if params.has("LoadBalancerName") {
        let load_balancer = named(&mut context.here().elb, params)?;
        if let Some(name) = names.iter().find(|name| !load_balancer.policies.contains_key(*name)) {
            return Err(not_found(load_balancer, name));
        }
        let policies = load_balancer.policies.iter();
        let asked_for = policies.filter(|(name, _)| names.is_empty() || names.contains(name));
        asked_for.map(|(name, policy)| description(name, policy)).collect::<Vec<_>>()
    } else {
        let all = predefined::all();
        if let Some(name) = names.iter().find(|name| all.iter().all(|(known, _)| known != *name)) {
            let message = format!("There is no policy with name {name}");
            return Err(ApiError::bad_request("PolicyNotFound", message));
        }
        let asked_for = all.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
        asked_for.map(|(name, policy)| description(name, policy)).collect()
    };
    Ok(Members::new().structures("PolicyDescriptions", "member", described))
}

/// The refusal of a policy that a load balancer does not have.
pub(super) fn not_found(load_balancer: &LoadBalancer, name: &str) -> ApiError {
    let message = format!("There is no policy with name {name} for load balancer {}", load_balancer.name);
    ApiError::bad_request("PolicyNotFound", message)
}

fn description(name: &str, policy: &Policy) -> Members {
    let attributes = policy.attributes.iter().map(|attribute| {
        Members::new().text("AttributeName", &attribute.name).text("AttributeValue", &attribute.value)
    });
    Members::new().text("PolicyName", name).text("PolicyTypeName", &policy.type_name).structures(
        "PolicyAttributeDescriptions",
        "member",
        attributes,
    )
}

/// Adds a checked policy. The same one again succeeds: the cloud provider of Kubernetes relies on that
/// (`createProxyProtocolPolicy` in cloud-provider-aws), whatever the documentation says.
fn add(load_balancer: &mut LoadBalancer, params: &Params, policy: Policy) -> Result<Members, ApiError> {
    let name = params.required("PolicyName")?;
    check_name(name)?;
    let policy = complete(load_balancer, policy)?;
    match load_balancer.policies.get(name) {
        Some(present) if *present == policy => return Ok(Members::new()),
        Some(_) => {
            let message = format!(
                "A policy with name {name} already exists for load balancer {}, with a different configuration",
                load_balancer.name
            );
            return Err(ApiError::bad_request("DuplicatePolicyName", message));
        }
        None if load_balancer.policies.len() >= MOST_POLICIES => {
            let message = format!("A load balancer can have at most {MOST_POLICIES} policies");
            return Err(ApiError::bad_request("TooManyPolicies", message));
        }
        None => {}
    }
    load_balancer.policies.insert(name.to_owned(), policy);
    Ok(Members::new())
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.chars().all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character)) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "Policy name '{name}' has characters that are not letters, digits or dashes"
    )))
}

/// Checks a policy's attributes against its type, and writes their values as they read back.
fn complete(load_balancer: &LoadBalancer, mut policy: Policy) -> Result<Policy, ApiError> {
    let policy_type = policy_types::find(&policy.type_name)?;
    for attribute in &mut policy.attributes {
        let Some(known) = policy_type.attributes.iter().find(|known| known.name == attribute.name) else {
            let message = format!("{} has no attribute {}", policy_type.name, attribute.name);
            return Err(invalid_configuration(message));
        };
        attribute.value = checked_value(load_balancer, known, &attribute.value)?;
    }
    for known in policy_type.attributes {
        let count = policy.attributes.iter().filter(|attribute| attribute.name == known.name).count();
        if !known.cardinality.admits(count) {
            let message = format!(
                "{} needs its attribute {} {}",
                policy_type.name,
                known.name,
                match count {
                    0 => "to be given",
                    _ => "only once",
                }
            );
            return Err(invalid_configuration(message));
        }
    }
    if let Some(reference) = policy.attributes.iter().find(|attribute| attribute.name == REFERENCE) {
        let Some(attributes) = predefined::negotiation(&reference.value) else {
            let message = format!("There is no predefined policy with name {}", reference.value);
            return Err(invalid_configuration(message));
        };
        if policy.attributes.len() > 1 {
            return Err(invalid_configuration(format!(
                "{REFERENCE} cannot be given beside other attributes"
            )));
        }
        policy.attributes = attributes;
    }
    Ok(policy)
}

fn checked_value(
    load_balancer: &LoadBalancer,
    known: &AttributeType,
    value: &str,
) -> Result<String, ApiError> {
    let refused = || {
        let message = format!("'{value}' is not a valid value for attribute {}", known.name);
        Err(invalid_configuration(message))
    };
    match known.kind {
        Kind::Boolean => match value.to_ascii_lowercase().as_str() {
            lower @ ("true" | "false") => Ok(lower.to_owned()),
            _ => refused(),
        },
        Kind::Long => match value.parse::<i64>() {
            Ok(number) if number > 0 => Ok(number.to_string()),
            Ok(_) | Err(_) => refused(),
        },
        Kind::Text if value.is_empty() => refused(),
        Kind::Text => Ok(value.to_owned()),
        Kind::PolicyName => match load_balancer.policies.get(value) {
            Some(policy) if policy.type_name == PUBLIC_KEY => Ok(value.to_owned()),
            Some(_) | None => refused(),
        },
    }
}

impl LoadBalancer {
    /// Whether a listener, an instance port or another policy uses a policy.
    fn uses_policy(&self, name: &str) -> bool {
        let on_listener =
            self.listeners.values().any(|listener| listener.policies.iter().any(|used| used == name));
        let on_backend = self.backend_policies.values().flatten().any(|used| used == name);
        let in_policy = self.policies.values().any(|policy| {
            policy.type_name == BACKEND_AUTHENTICATION
                && policy.attributes.iter().any(|attribute| attribute.value == name)
        });
        on_listener || on_backend || in_policy
    }
}
