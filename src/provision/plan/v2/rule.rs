//! Rules of a listener, matched by their conditions, and the priorities that keep them in the spec's order.
//!
//! No request meets a gap: rules that stay change in place and get their new priorities in one call, new ones are
//! created, and only then old ones go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::V2Operation;
use super::action;
use super::listener::{groups_stand, reference, set_tags_to};
use super::scene::{Scene, listener_key, switch_key};
use crate::provision::plan::fields::{changed, field};
use crate::provision::plan::order::{After, Draft, DraftStep, created, made};
use crate::provision::plan::{Action, Disruption, Operation};
use crate::provision::resource::v2::{Condition, DesiredListener, DesiredRule, Listener, LoadBalancer, Rule};
use crate::provision::resource::{Kind, ResourceKey, Tags};

/// The distance between the priorities of new rules, so that others fit between them.
const DISTANCE: u16 = 100;
/// The highest priority that AWS takes.
const HIGHEST: u16 = 50_000;

/// A desired rule and the one that becomes it.
struct Matched<'a> {
    key: ResourceKey,
    desired: &'a DesiredRule,
    current: Option<&'a Rule>,
}

/// Plans the rules of one listener.
pub(super) fn plan(
    scene: &Scene<'_>,
    port: u16,
    desired: &DesiredListener,
    current: Option<&Listener>,
    draft: &mut Draft,
) {
    let rules: &[Rule] = current.map(|listener| listener.rules.as_slice()).unwrap_or_default();
    let (ours, others): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| scene.is_ours(&rule.tags));
    let (matched, old) = match_up(port, &desired.rules, &ours);
    let taken: BTreeSet<u16> = others.iter().chain(&old).map(|rule| rule.priority).collect();
    let priorities = priorities(&matched, &taken);
    if !others.is_empty() {
        draft.warn(format!(
            "{} rule{} of listener {port} of {} do not carry the stack's tags and are left alone",
            others.len(),
            if others.len() == 1 { "" } else { "s" },
            scene.name()
        ));
    }

    let mut moved = BTreeMap::new();
    let ordered_key = ResourceKey::new(Kind::Rule, format!("{port} in order"));
    for (rule, priority) in matched.iter().zip(&priorities) {
        match rule.current {
            Some(found) => {
                update(scene, port, rule, found, draft);
                if found.priority != *priority {
                    let fields = vec![field("priority", found.priority, priority)];
                    draft.change(Action::Update, &rule.key, fields, Disruption::NewConnections);
                    moved.insert(found.arn.clone(), *priority);
                }
            }
            None => create(scene, port, rule, *priority, current, &ordered_key, draft),
        }
    }
    let keys: Vec<ResourceKey> = matched
        .iter()
        .filter(|rule| rule.current.is_some_and(|found| moved.contains_key(&found.arn)))
        .map(|rule| rule.key.clone())
        .collect();
    if let Some((first, rest)) = keys.split_first() {
        let operation = V2Operation::SetRulePriorities { port, priorities: moved };
        draft.step(
            DraftStep::new(Operation::V2(operation), first)
                .also_for(rest.iter().cloned())
                .completes(&ordered_key),
        );
    }
    for rule in old {
        let key = ResourceKey::new(Kind::Rule, format!("{port}:{}", condition_text(&rule.conditions)));
        let fields = changed(Some(&observed_form(scene, rule)), None::<&()>);
        draft.change(Action::Delete, &key, fields, Disruption::NewConnections);
        let operation = V2Operation::DeleteRule { arn: rule.arn.clone(), port };
        draft.step(
            DraftStep::new(Operation::V2(operation), &key)
                .removes()
                .after([After::EveryMade(Kind::Rule), After::EveryMade(Kind::Listener)]),
        );
    }
}

/// Matches rules by equal conditions, then what is left in the order of both, since conditions change in place.
fn match_up<'a>(
    port: u16,
    desired: &'a [DesiredRule],
    ours: &[&'a Rule],
) -> (Vec<Matched<'a>>, Vec<&'a Rule>) {
    let mut left: Vec<&Rule> = ours.to_vec();
    let mut keys = BTreeSet::new();
    let mut matched: Vec<Matched<'_>> = desired
        .iter()
        .map(|rule| {
            let text = condition_text(&rule.conditions);
            let mut key = ResourceKey::new(Kind::Rule, format!("{port}:{text}"));
            let mut number = 2;
            while !keys.insert(key.clone()) {
                key.name = format!("{port}:{text} {number}");
                number += 1;
            }
            let same = left.iter().position(|found| found.conditions == rule.conditions);
            Matched { key, desired: rule, current: same.map(|index| left.remove(index)) }
        })
        .collect();
    for rule in matched.iter_mut().filter(|rule| rule.current.is_none()) {
        if left.is_empty() {
            break;
        }
        rule.current = Some(left.remove(0));
    }
    (matched, left)
}

/// Chooses every rule's priority: those that there are keep theirs where they are in order and the new ones fit in
/// between, otherwise all are numbered afresh. None is one that is `taken`.
fn priorities(matched: &[Matched<'_>], taken: &BTreeSet<u16>) -> Vec<u16> {
    in_between(matched, taken).unwrap_or_else(|| {
        let mut last = 0;
        let mut afresh = Vec::with_capacity(matched.len());
        for _ in matched {
            last = free(last + DISTANCE, taken);
            afresh.push(last);
        }
        afresh
    })
}

fn free(from: u16, taken: &BTreeSet<u16>) -> u16 {
    (from..=HIGHEST).find(|priority| !taken.contains(priority)).unwrap_or(HIGHEST)
}

fn in_between(matched: &[Matched<'_>], taken: &BTreeSet<u16>) -> Option<Vec<u16>> {
    let mut chosen = Vec::with_capacity(matched.len());
    let mut last = 0_u16;
    let mut rest = matched;
    while let Some((first, others)) = rest.split_first() {
        if let Some(found) = first.current {
            if found.priority <= last {
                return None;
            }
            last = found.priority;
            chosen.push(last);
            rest = others;
            continue;
        }
        let new = rest.iter().take_while(|rule| rule.current.is_none()).count();
        let next = rest.get(new).and_then(|rule| rule.current).map(|found| found.priority);
        let count = u16::try_from(new).ok()?;
        let step = match next {
            Some(next) => next.checked_sub(last)? / (count + 1),
            None => DISTANCE,
        };
        for _ in 0..new {
            let wanted = last.checked_add(step.max(1))?;
            let priority = (wanted..=HIGHEST).find(|priority| !taken.contains(priority))?;
            if next.is_some_and(|next| priority >= next) {
                return None;
            }
            chosen.push(priority);
            last = priority;
        }
        rest = rest.get(new..)?;
    }
    Some(chosen)
}

/// The tags of a rule lead to its listener: a condition may hold what a tag may not.
fn tags(scene: &Scene<'_>, port: u16) -> Tags {
    scene.tags(&ResourceKey::new(Kind::Rule, port))
}

fn create(
    scene: &Scene<'_>,
    port: u16,
    rule: &Matched<'_>,
    priority: u16,
    listener: Option<&Listener>,
    ordered: &ResourceKey,
    draft: &mut Draft,
) {
    let form = form(&rule.desired.conditions, action::desired_form(&rule.desired.action));
    let mut fields = changed(None::<&()>, Some(&form));
    fields.push(field("priority", (), priority));
    let had = |old: &LoadBalancer| {
        let listener = old.listeners.get(&port);
        listener.is_some_and(|found| found.rules.iter().any(|old| old.conditions == rule.desired.conditions))
    };
    let disruption = if listener.is_some() { Disruption::NewConnections } else { Disruption::None };
    draft.change(scene.making(had), &rule.key, fields, disruption);
    let operation = V2Operation::CreateRule {
        listener: reference(port, listener),
        port,
        priority,
        conditions: rule.desired.conditions.clone(),
        action: action::desired(scene, &rule.desired.action),
        tags: tags(scene, port),
    };
    draft.step(
        DraftStep::new(Operation::V2(operation), &rule.key)
            .makes()
            .after([created(&listener_key(port)), made(ordered)])
            .after(groups_stand(&rule.desired.action)),
    );
}

fn update(scene: &Scene<'_>, port: u16, rule: &Matched<'_>, found: &Rule, draft: &mut Draft) {
    set_tags_to(&rule.key, &found.arn, &found.tags, &tags(scene, port), draft);
    let same_action = action::is_same(scene, &found.action, &rule.desired.action);
    if same_action && found.conditions == rule.desired.conditions {
        return;
    }
    let before = observed_form(scene, found);
    let after = form(&rule.desired.conditions, action::desired_form(&rule.desired.action));
    let mut fields = changed(Some(&before), Some(&after));
    if fields.is_empty() {
        // The groups have the words of those that they replace.
        fields.push(field("action", &before["action"], &after["action"]));
    }
    draft.change(Action::Update, &rule.key, fields, Disruption::NewConnections);
    let mut after = groups_stand(&rule.desired.action);
    if let Some(switch) = action::switch(scene, &found.action, &rule.desired.action) {
        draft.awaited(switch.groups);
        if let Some(prepared) = switch.prepared {
            let operation = Operation::V2(V2Operation::ModifyRule {
                arn: found.arn.clone(),
                port,
                conditions: found.conditions.clone(),
                action: prepared,
            });
            draft.step(
                DraftStep::new(operation, &rule.key).completes(&super::prepared_key()).after(after.clone()),
            );
        }
        after.push(made(&switch_key()));
    }
    let operation = V2Operation::ModifyRule {
        arn: found.arn.clone(),
        port,
        conditions: rule.desired.conditions.clone(),
        action: action::desired(scene, &rule.desired.action),
    };
    draft.step(DraftStep::new(Operation::V2(operation), &rule.key).makes().after(after));
}

fn observed_form(scene: &Scene<'_>, rule: &Rule) -> Value {
    form(&rule.conditions, action::observed_form(scene, &rule.action))
}

fn form(conditions: &[Condition], action: Value) -> Value {
    let mut form = action;
    for condition in conditions {
        let (name, values) = match condition {
            Condition::Path(values) => ("path", json!(values)),
            Condition::Host(values) => ("host", json!(values)),
            Condition::Other(text) => ("other", json!(text)),
        };
        form[name] = values;
    }
    form
}

/// Returns what a rule asks of a request, as its name: `/ws/*`, `a.example.com`, `a.example.com /ws/*`.
fn condition_text(conditions: &[Condition]) -> String {
    let mut texts: Vec<String> = conditions
        .iter()
        .rev()
        .map(|condition| match condition {
            Condition::Path(values) | Condition::Host(values) => {
                values.iter().map(String::as_str).collect::<Vec<_>>().join(",")
            }
            Condition::Other(text) => text.clone(),
        })
        .collect();
    texts.retain(|text| !text.is_empty());
    texts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::resource::v2::Action as RuleAction;

    fn rule(priority: u16) -> Rule {
        Rule {
            arn: format!("arn:{priority}"),
            priority,
            conditions: Vec::new(),
            action: RuleAction::Other(String::new()),
            tags: Tags::default(),
        }
    }

    /// `Some` is a rule that there is, by its priority.
    fn chosen(rules: &[Option<u16>], taken: &[u16]) -> Vec<u16> {
        let desired = DesiredRule { conditions: Vec::new(), action: RuleAction::Other(String::new()) };
        let found: Vec<Option<Rule>> = rules.iter().map(|priority| priority.map(rule)).collect();
        let matched: Vec<Matched<'_>> = found
            .iter()
            .map(|found| Matched {
                key: ResourceKey::new(Kind::Rule, "443"),
                desired: &desired,
                current: found.as_ref(),
            })
            .collect();
        priorities(&matched, &taken.iter().copied().collect())
    }

    #[test]
    fn priorities_stay_where_they_are_in_order_and_new_ones_fit_in_between() {
        assert_eq!(chosen(&[None, None, None], &[]), [100, 200, 300]);
        assert_eq!(chosen(&[Some(100), Some(200)], &[]), [100, 200]);
        assert_eq!(chosen(&[Some(100), None, Some(200)], &[]), [100, 150, 200]);
        assert_eq!(chosen(&[None, Some(100)], &[]), [50, 100]);
        assert_eq!(chosen(&[Some(7), None], &[107]), [7, 108]);
        assert_eq!(chosen(&[Some(1), None, None, Some(4)], &[]), [1, 2, 3, 4]);
    }

    #[test]
    fn rules_out_of_order_or_without_room_are_numbered_afresh_beside_what_is_taken() {
        assert_eq!(chosen(&[Some(200), Some(100)], &[]), [100, 200]);
        assert_eq!(chosen(&[Some(1), None, Some(2)], &[200]), [100, 201, 301]);
        assert_eq!(chosen(&[None, Some(1)], &[]), [100, 200]);
        assert_eq!(chosen(&[Some(49_990), None], &[]), [100, 200]);
    }
}
