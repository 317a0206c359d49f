//! Attributes of a load balancer.

use std::collections::BTreeMap;

use super::{Context, bounded, named};
use crate::local::state::elb::{AccessLog, Attributes, Draining};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const DESYNC_MODE: &str = "elb.http.desyncmitigationmode";

/// `DescribeLoadBalancerAttributes`.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let attributes = &named(&mut context.here().elb, params)?.attributes;
    let all = Members::new()
        .structure("CrossZoneLoadBalancing", cross_zone(attributes))
        .structure("AccessLog", access_log(&attributes.access_log))
        .structure("ConnectionDraining", draining(attributes.draining))
        .structure("ConnectionSettings", connection_settings(attributes))
        .structures("AdditionalAttributes", "member", additional(&attributes.additional));
    Ok(Members::new().structure("LoadBalancerAttributes", all))
}

/// `ModifyLoadBalancerAttributes`: changes, and answers with, the attributes that are given.
pub(super) fn modify(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let given = params.structure("LoadBalancerAttributes");
    if given.is_empty() {
        return Err(ApiError::constraint(None, "loadBalancerAttributes", "Member must not be null"));
    }
    let load_balancer = named(&mut context.here().elb, params)?;
    let mut new = load_balancer.attributes.clone();
    let mut answer = Members::new();

    let structure = given.structure("CrossZoneLoadBalancing");
    if !structure.is_empty() {
        new.cross_zone = enabled(&structure, "crossZoneLoadBalancing")?;
        answer = answer.structure("CrossZoneLoadBalancing", cross_zone(&new));
    }
    let structure = given.structure("AccessLog");
    if !structure.is_empty() {
        new.access_log = parse_access_log(&structure)?;
        answer = answer.structure("AccessLog", access_log(&new.access_log));
    }
    let structure = given.structure("ConnectionDraining");
    if !structure.is_empty() {
        new.draining = parse_draining(&structure, new.draining)?;
        answer = answer.structure("ConnectionDraining", draining(new.draining));
    }
    let structure = given.structure("ConnectionSettings");
    if !structure.is_empty() {
        let member = "loadBalancerAttributes.connectionSettings.idleTimeout";
        new.idle_timeout = super::required_bounded(&structure, "IdleTimeout", member, [1, 4000])?;
        answer = answer.structure("ConnectionSettings", connection_settings(&new));
    }
    let changed = parse_additional(&given.structures("AdditionalAttributes"))?;
    if !changed.is_empty() {
        answer = answer.structures("AdditionalAttributes", "member", additional(&changed));
        new.additional.extend(changed);
    }

    load_balancer.attributes = new;
    Ok(Members::new()
        .text("LoadBalancerName", &load_balancer.name)
        .structure("LoadBalancerAttributes", answer))
}

fn enabled(structure: &Params, name: &str) -> Result<bool, ApiError> {
    let member = format!("loadBalancerAttributes.{name}.enabled");
    let missing = || ApiError::constraint(None, &member, "Member must not be null");
    structure.boolean("Enabled")?.ok_or_else(missing)
}

fn parse_access_log(structure: &Params) -> Result<AccessLog, ApiError> {
    if !enabled(structure, "accessLog")? {
        return Ok(AccessLog::default());
    }
    let Some(bucket) = structure.get("S3BucketName").filter(|bucket| !bucket.is_empty()) else {
        return Err(ApiError::validation("S3BucketName must be specified when access logs are enabled"));
    };
    let interval = structure.integer("EmitInterval")?.unwrap_or(60);
    let interval = match interval {
        5 => 5,
        60 => 60,
        _ => return Err(ApiError::validation("EmitInterval of access logs must be 5 or 60 minutes")),
    };
    Ok(AccessLog {
        enabled: true,
        bucket: Some(bucket.to_owned()),
        prefix: Some(structure.get("S3BucketPrefix").unwrap_or_default().to_owned()),
        interval: Some(interval),
    })
}

/// The timeout can only be changed while draining is on; it is kept while draining is off.
fn parse_draining(structure: &Params, present: Draining) -> Result<Draining, ApiError> {
    let member = "loadBalancerAttributes.connectionDraining.timeout";
    let timeout = bounded(structure, "Timeout", member, [1, 3600])?;
    if enabled(structure, "connectionDraining")? {
        Ok(Draining { enabled: true, timeout: timeout.unwrap_or(300) })
    } else {
        Ok(Draining { enabled: false, ..present })
    }
}

fn parse_additional(given: &[Params]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut attributes = BTreeMap::new();
    for attribute in given {
        let key = attribute.required("Key")?;
        let value = attribute.get("Value").unwrap_or_default();
        if key != DESYNC_MODE {
            let message = format!("Load balancer attribute key '{key}' is not recognized");
            return Err(ApiError::bad_request("LoadBalancerAttributeNotFound", message));
        }
        if !["monitor", "defensive", "strictest"].contains(&value) {
            let message = format!("'{value}' is not a valid value for load balancer attribute '{key}'");
            return Err(ApiError::validation(message));
        }
        attributes.insert(key.to_owned(), value.to_owned());
    }
    Ok(attributes)
}

fn cross_zone(attributes: &Attributes) -> Members {
    Members::new().text("Enabled", attributes.cross_zone)
}

fn access_log(access_log: &AccessLog) -> Members {
    Members::new()
        .text("Enabled", access_log.enabled)
        .optional("S3BucketName", access_log.bucket.as_ref())
        .optional("EmitInterval", access_log.interval)
        .optional("S3BucketPrefix", access_log.prefix.as_ref())
}

fn draining(draining: Draining) -> Members {
    Members::new().text("Enabled", draining.enabled).text("Timeout", draining.timeout)
}

fn connection_settings(attributes: &Attributes) -> Members {
    Members::new().text("IdleTimeout", attributes.idle_timeout)
}

fn additional(attributes: &BTreeMap<String, String>) -> impl Iterator<Item = Members> {
    attributes.iter().map(|(key, value)| Members::new().text("Key", key).text("Value", value))
}
