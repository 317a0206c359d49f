//! Rules of listeners: creating, modifying, deleting and reordering them.

use std::collections::BTreeMap;

use super::actions::{self, Place};
use super::arn::{self, Kind as Arn};
use super::describe::at_most_20;
use super::{Context, conditions, page, refuse_unserved, required_bounded, required_structures, tagging};
use crate::local::state::elbv2::{Condition, Kind, Listener, LoadBalancer, Region, Rule};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of rules of a load balancer, default rules aside.
const MOST_RULES: usize = 100;

/// `CreateRule`.
pub(super) fn create(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let listener_arn = arn::listener(region, params)?.arn.clone();
    refuse_unserved(params, &["Transforms"])?;
    let priority = required_bounded(params, "Priority", "priority", [1, 50000])?;
    let conditions = conditions::asked_for(params)?;
    let tags = tagging::of_new(params)?;
    let (load_balancer, listener) = on(region, &listener_arn)?;
    if load_balancer.kind == Kind::Network {
        let message =
            format!("Rules are not supported for listeners with protocol '{}'", listener.protocol.name());
        return Err(ApiError::bad_request("UnsupportedProtocol", message));
    }
    let action = actions::asked_for(region, place(load_balancer, listener), params, "Actions")?;
    if listener.rules.contains_key(&priority) {
        return Err(in_use(priority));
    }
    if load_balancer.listeners.values().map(|listener| listener.rules.len()).sum::<usize>() >= MOST_RULES {
        let message =
            format!("The maximum number of rules has been reached on load balancer '{}'", load_balancer.arn);
        return Err(ApiError::bad_request("TooManyRules", message));
    }
    let suffix = context.ids.arn_suffix();
    let rule =
        Rule { arn: arn::below(&listener_arn, Arn::Listener, Arn::Rule, &suffix), conditions, action, tags };
    let described = described(Some(priority), &rule.arn, &rule.conditions, actions::members(&rule.action));
    let region = &mut context.here().elbv2;
    arn::listener(region, params)?.rules.insert(priority, rule);
    Ok(Members::new().structures("Rules", "member", [described]))
}

/// `ModifyRule`: what is not given stays.
pub(super) fn modify(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let (listener_arn, priority) = named(region, params.required("RuleArn")?, "modified")?;
    refuse_unserved(params, &["Transforms"])?;
    let (new_conditions, new_action) = (params.has("Conditions"), params.has("Actions"));
    // To take transforms off a rule that has none is a change, too.
    if !new_conditions && !new_action && params.boolean("ResetTransforms")? != Some(true) {
        return Err(ApiError::validation("Either conditions or actions must be specified"));
    }
    let (load_balancer, listener) = on(region, &listener_arn)?;
    let conditions = if new_conditions { Some(conditions::asked_for(params)?) } else { None };
    let action = if new_action {
        Some(actions::asked_for(region, place(load_balancer, listener), params, "Actions")?)
    } else {
        None
    };
    let balancer = region.load_balancers.get_mut(&arn::load_balancer_of(&listener_arn));
    let listener = balancer.and_then(|balancer| balancer.listeners.get_mut(&listener_arn));
    let rule = listener.and_then(|listener| listener.rules.get_mut(&priority));
    let rule = rule.ok_or_else(|| Arn::Rule.not_found(&listener_arn))?;
    if let Some(conditions) = conditions {
        rule.conditions = conditions;
    }
    if let Some(action) = action {
        rule.action = action;
    }
    let described = described(Some(priority), &rule.arn, &rule.conditions, actions::members(&rule.action));
    super::target_groups::forget_unused(region);
    Ok(Members::new().structures("Rules", "member", [described]))
}

/// `DeleteRule`.
pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let (listener, priority) = named(region, params.required("RuleArn")?, "deleted")?;
    let balancer = region.load_balancers.get_mut(&arn::load_balancer_of(&listener));
    if let Some(listener) = balancer.and_then(|balancer| balancer.listeners.get_mut(&listener)) {
        listener.rules.remove(&priority);
    }
    super::target_groups::forget_unused(region);
    Ok(Members::new())
}

/// `SetRulePriorities`: of rules of one listener, all at once, so that they can change places.
pub(super) fn set_priorities(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let mut listener_arn: Option<String> = None;
    let mut moves: BTreeMap<u16, u16> = BTreeMap::new();
    let mut targets: BTreeMap<u16, u16> = BTreeMap::new();
    for pair in required_structures(params, "RulePriorities")? {
        let (above, before) = named(region, pair.required("RuleArn")?, "given another priority")?;
        let member = "rulePriorities.1.member.priority";
        let after = required_bounded(&pair, "Priority", member, [1, 50000])?;
        if listener_arn.get_or_insert_with(|| above.clone()) != &above {
            return Err(ApiError::validation("The rules must all be of the same listener"));
        }
        if moves.insert(before, after).is_some() {
            return Err(ApiError::validation("A rule can only be specified once"));
        }
        if targets.insert(after, before).is_some() {
            return Err(in_use(after));
        }
    }
    let above = listener_arn.unwrap_or_default();
    let balancer = region.load_balancers.get_mut(&arn::load_balancer_of(&above));
    let Some(listener) = balancer.and_then(|balancer| balancer.listeners.get_mut(&above)) else {
        return Err(Arn::Rule.not_found(&above));
    };
    let stays = |priority: &&u16| listener.rules.contains_key(priority) && !moves.contains_key(priority);
    if let Some(taken) = targets.keys().find(stays) {
        return Err(in_use(*taken));
    }
    let taken: Vec<(u16, Rule)> =
        moves.iter().filter_map(|(before, after)| Some((*after, listener.rules.remove(before)?))).collect();
    let all = taken.iter().map(|(priority, rule)| {
        described(Some(*priority), &rule.arn, &rule.conditions, actions::members(&rule.action))
    });
    let answer = Members::new().structures("Rules", "member", all);
    listener.rules.extend(taken);
    Ok(answer)
}

/// `DescribeRules`: those of a listener in the order of their priorities, or those that are named.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let region = &mut context.here().elbv2;
    let arns = params.list("RuleArns");
    let above = params.get("ListenerArn").filter(|arn| !arn.is_empty());
    let mut found = Vec::new();
    match above {
        Some(_) if !arns.is_empty() => {
            return Err(ApiError::validation(
                "A listener ARN and rule ARNs cannot be specified at the same time",
            ));
        }
        None if arns.is_empty() => {
            return Err(ApiError::validation("You must specify either listener rule ARNs or a listener ARN"));
        }
        Some(_) => found.extend(all_of(arn::listener(region, params)?)),
        None => {
            at_most_20(&arns, "rule ARNs")?;
            for arn in &arns {
                Arn::Rule.check(arn)?;
                let listener = on(region, &arn::listener_of(arn)).map_err(|_| Arn::Rule.not_found(arn))?.1;
                let rule = all_of(listener).into_iter().find(|one| one.arn == *arn);
                found.push(rule.ok_or_else(|| Arn::Rule.not_found(arn))?);
            }
            // Pages go by the key.
            found.sort_by(|one, other| (&one.key, &one.arn).cmp(&(&other.key, &other.arn)));
        }
    }
    let page = page(params, found.into_iter().map(|one| (format!("{}/{}", one.key, one.arn), one.members)))?;
    Ok(Members::new().structures("Rules", "member", page.items).optional("NextMarker", page.next))
}

/// A rule as a page holds it.
struct Described {
    arn: String,
    /// The priority in five digits; the default rule comes last.
    key: String,
    members: Members,
}

fn all_of(listener: &Listener) -> Vec<Described> {
    let mut all: Vec<Described> = Vec::new();
    for (priority, rule) in &listener.rules {
        let action = actions::members(&rule.action);
        all.push(Described {
            arn: rule.arn.clone(),
            key: format!("{priority:05}"),
            members: described(Some(*priority), &rule.arn, &rule.conditions, action),
        });
    }
    let action = actions::members(&listener.default_action);
    all.push(Described {
        arn: listener.default_rule_arn.clone(),
        key: "default".to_owned(),
        members: described(None, &listener.default_rule_arn, &[], action),
    });
    all
}

/// The listener and the priority of a rule, which must not be a default one; `done` is what was asked.
fn named(region: &Region, rule: &str, done: &str) -> Result<(String, u16), ApiError> {
    Arn::Rule.check(rule)?;
    let above = arn::listener_of(rule);
    let (_, listener) = on(region, &above).map_err(|_| Arn::Rule.not_found(rule))?;
    if listener.default_rule_arn == rule {
        let message = format!("Default rule '{rule}' cannot be {done}");
        return Err(ApiError::bad_request("OperationNotPermitted", message));
    }
    let found = listener.rules.iter().find(|(_, one)| one.arn == rule).map(|(priority, _)| *priority);
    found.map(|priority| (above, priority)).ok_or_else(|| Arn::Rule.not_found(rule))
}

fn on<'a>(region: &'a Region, listener: &str) -> Result<(&'a LoadBalancer, &'a Listener), ApiError> {
    let found = region.listener(listener).ok_or_else(|| Arn::Listener.not_found(listener))?;
    Ok(found)
}

fn place<'a>(load_balancer: &'a LoadBalancer, listener: &Listener) -> Place<'a> {
    Place { load_balancer, protocol: listener.protocol, port: listener.port }
}

fn in_use(priority: u16) -> ApiError {
    ApiError::bad_request("PriorityInUse", format!("Priority '{priority}' is currently in use"))
}

fn described(priority: Option<u16>, arn: &str, conditions: &[Condition], action: Members) -> Members {
    let shown = priority.map_or_else(|| "default".to_owned(), |priority| priority.to_string());
    Members::new()
        .text("RuleArn", arn)
        .text("Priority", shown)
        .structures("Conditions", "member", conditions.iter().map(conditions::members))
        .structures("Actions", "member", [action])
        .text("IsDefault", priority.is_none())
}
