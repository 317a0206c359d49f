//! The load balancer's own security group, and the rules that admit it on the instances' groups.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{changed, field};
use super::order::{After, Draft, DraftStep, created};
use super::placement::Placement;
use super::{Action, Disruption, FieldChange, NewRule, NewRuleSource, Operation, Reference, TagChange};
use crate::provision::resource::{
    Admission, GroupRule, Kind, Observed, ResourceKey, RuleSource, SecurityGroup, Stack, Tags,
};

/// Plans the load balancer's own group: nothing but the listeners' ports, from the spec's ranges.
pub(super) fn plan(stack: &Stack, observed: &Observed, vpc: &str, draft: &mut Draft) -> Reference {
    let balancer = &stack.load_balancer;
    let name = Stack::security_group_name(balancer.kind(), balancer.name());
    let key = Stack::security_group_key(balancer.kind(), balancer.name());
    let tags = stack.tags.owned_by(&stack.name, &key);
    let current = observed.security_groups.iter().find(|group| group.name == name && group.vpc == vpc);
    let wanted: BTreeSet<NewRule> = balancer
        .listener_ports()
        .into_iter()
        .flat_map(|port| {
            balancer
                .ingress()
                .iter()
                .map(move |range| NewRule { port, source: NewRuleSource::Cidr(range.clone()) })
        })
        .collect();
    let Some(group) = current else {
        create(stack, &key, name, vpc, &tags, wanted, draft);
        return Reference::Planned(key);
    };
    if let Some(change) = TagChange::between(&group.tags, &tags) {
        let fields = changed(Some(&group.tags.without_reserved()), Some(&tags));
        draft.change(Action::Update, &key, prefixed("tags", fields), Disruption::None);
        let operation = Operation::TagSecurityGroup { id: group.id.clone(), tags: change };
        draft.step(DraftStep::new(operation, &key));
    }
    update_rules(group, &key, &tags, &wanted, observed, draft);
    Reference::Existing(group.id.clone())
}

fn create(
    stack: &Stack,
    key: &ResourceKey,
    name: String,
    vpc: &str,
    tags: &Tags,
    wanted: BTreeSet<NewRule>,
    draft: &mut Draft,
) {
    let fields = vec![
        field("name", (), &name),
        field("vpc", (), vpc),
        field("ingress", (), described(wanted.iter().map(describe_new))),
    ];
    draft.change(Action::Create, key, fields, Disruption::None);
    let operation = Operation::CreateSecurityGroup {
        key: key.clone(),
        name,
        description: format!(
            "{} load balancer of the stack {}, managed by elbws",
            stack.load_balancer.name(),
            stack.name
        ),
        vpc: vpc.to_owned(),
        tags: tags.clone(),
    };
    draft.step(DraftStep::new(operation, key).makes());
    let operation = Operation::AuthorizeIngress {
        group: Reference::Planned(key.clone()),
        rules: wanted.into_iter().collect(),
        tags: tags.clone(),
    };
    draft.step(DraftStep::new(operation, key).completes(key).after([created(key)]));
}

fn update_rules(
    group: &SecurityGroup,
    key: &ResourceKey,
    tags: &Tags,
    wanted: &BTreeSet<NewRule>,
    observed: &Observed,
    draft: &mut Draft,
) {
    let rules: Vec<&GroupRule> = observed.rules.iter().filter(|rule| rule.group == group.id).collect();
    let is = |rule: &GroupRule, new: &NewRule| rule.is_exactly(new.port) && new.source.is(&rule.source);
    let missing: Vec<NewRule> =
        wanted.iter().filter(|new| !rules.iter().any(|rule| is(rule, new))).cloned().collect();
    let extra: BTreeSet<String> = rules
        .iter()
        .filter(|rule| !wanted.iter().any(|new| is(rule, new)))
        .map(|rule| rule.id.clone())
        .collect();
    if missing.is_empty() && extra.is_empty() {
        return;
    }
    let fields = vec![field(
        "ingress",
        described(rules.iter().map(|rule| describe(rule))),
        described(wanted.iter().map(describe_new)),
    )];
    let disruption = if extra.is_empty() { Disruption::None } else { Disruption::NewConnections };
    draft.change(Action::Update, key, fields, disruption);
    if !missing.is_empty() {
        let group = Reference::Existing(group.id.clone());
        let operation = Operation::AuthorizeIngress { group, rules: missing, tags: tags.clone() };
        draft.step(DraftStep::new(operation, key).completes(key));
    }
    if !extra.is_empty() {
        let operation = Operation::RevokeIngress { group: group.id.clone(), rules: extra };
        draft.step(DraftStep::new(operation, key).after([
            After::EveryGone(Kind::Listener),
            After::EveryMade(Kind::Listener),
            After::EveryGone(Kind::LoadBalancer),
        ]));
    }
}

/// Plans the rules that admit `source`, the load balancer's group, on the instances' groups: for every
/// instance and port one group of the instance has such a rule. Those for the groups in `kept` stay.
pub(super) fn plan_admissions(
    stack: &Stack,
    observed: &Observed,
    placement: &Placement<'_>,
    source: &Reference,
    kept: &BTreeSet<&String>,
    draft: &mut Draft,
) {
    let source = NewRuleSource::Group(source.clone());
    let mut wanted: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    if stack.admission == Admission::Managed {
        for port in stack.load_balancer.instance_ports() {
            for group in admitting_groups(observed, placement, &source, port) {
                wanted.entry(group).or_default().insert(port);
            }
        }
    }
    if stack.admission == Admission::Managed && has_empty_group(stack, observed) {
        // Whoever is launched next will have the security groups that its predecessors had.
        let present = observed.rules.iter();
        for rule in present.filter(|rule| is_admission(rule, stack, observed) && !is_from(rule, kept)) {
            wanted.entry(rule.group.clone()).or_default().extend(stack.load_balancer.instance_ports());
        }
    }
    let touched: BTreeSet<&String> = wanted
        .keys()
        .chain(
            observed
                .rules
                .iter()
                .filter(|rule| is_admission(rule, stack, observed) && !is_from(rule, kept))
                .map(|rule| &rule.group),
        )
        .collect();
    for group in touched {
        let ports = wanted.get(group).cloned().unwrap_or_default();
        plan_admission(stack, observed, group, &ports, &source, kept, draft);
    }
}

/// Whether the stack's Auto Scaling group has no instance at the moment.
fn has_empty_group(stack: &Stack, observed: &Observed) -> bool {
    let name = stack.instances.auto_scaling_group.as_ref();
    let mut groups = observed.auto_scaling_groups.iter().filter(|group| Some(&group.name) == name);
    groups.any(|group| group.instances.is_empty())
}

/// Plans the removal of every rule by which the stack is admitted on another group.
pub(super) fn plan_admission_deletions(stack: &str, observed: &Observed, draft: &mut Draft) {
    let own: BTreeSet<&String> = observed.security_groups.iter().map(|group| &group.id).collect();
    let mut groups: BTreeMap<&String, Vec<&GroupRule>> = BTreeMap::new();
    for rule in observed
        .rules
        .iter()
        .filter(|rule| rule.stack.as_deref() == Some(stack) && !own.contains(&rule.group))
    {
        groups.entry(&rule.group).or_default().push(rule);
    }
    for (group, rules) in groups {
        let key = ResourceKey::new(Kind::Admission, group);
        let fields = vec![field("rules", described(rules.iter().map(|rule| describe(rule))), ())];
        draft.change(Action::Delete, &key, fields, Disruption::None);
        let rules = rules.iter().map(|rule| rule.id.clone()).collect();
        let operation = Operation::RevokeIngress { group: group.clone(), rules };
        draft.step(DraftStep::new(operation, &key).removes().after([After::EveryGone(Kind::LoadBalancer)]));
    }
}

/// Plans the deletion of the stack's groups but the load balancer's `own` and those that are `kept`.
pub(super) fn plan_deletions(
    stack: &str,
    observed: &Observed,
    own: Option<&Reference>,
    kept: &BTreeSet<&String>,
    draft: &mut Draft,
) {
    for group in observed.security_groups.iter().filter(|group| group.tags.are_of(stack)) {
        if own == Some(&Reference::Existing(group.id.clone())) || kept.contains(&group.id) {
            continue;
        }
        let key = ResourceKey::new(Kind::SecurityGroup, &group.id);
        draft.change(Action::Delete, &key, vec![field("name", &group.name, ())], Disruption::None);
        draft.step(
            DraftStep::new(Operation::DeleteSecurityGroup { id: group.id.clone() }, &key).removes().after([
                After::EveryGone(Kind::TargetGroup),
                After::EveryGone(Kind::LoadBalancer),
                After::EveryMade(Kind::LoadBalancer),
                After::EveryGone(Kind::Admission),
                After::EveryMade(Kind::Admission),
            ]),
        );
    }
}

/// A rule that the stack made on a group that is not its own.
fn is_admission(rule: &GroupRule, stack: &Stack, observed: &Observed) -> bool {
    rule.stack.as_deref() == Some(&stack.name)
        && !observed.security_groups.iter().any(|group| group.id == rule.group)
}

fn is_from(rule: &GroupRule, groups: &BTreeSet<&String>) -> bool {
    matches!(&rule.source, RuleSource::Group(group) if groups.contains(group))
}

fn plan_admission(
    stack: &Stack,
    observed: &Observed,
    group: &str,
    ports: &BTreeSet<u16>,
    source: &NewRuleSource,
    kept: &BTreeSet<&String>,
    draft: &mut Draft,
) {
    let key = ResourceKey::new(Kind::Admission, group);
    let here: Vec<&GroupRule> = observed.rules.iter().filter(|rule| rule.group == group).collect();
    let serves =
        |rule: &GroupRule| source.is(&rule.source) && ports.iter().any(|port| rule.is_exactly(*port));
    let ours: Vec<&&GroupRule> =
        here.iter().filter(|rule| is_admission(rule, stack, observed) && !is_from(rule, kept)).collect();
    let missing: Vec<u16> = ports
        .iter()
        .copied()
        .filter(|port| !here.iter().any(|rule| source.is(&rule.source) && rule.admits_port(*port)))
        .collect();
    let stale: BTreeSet<String> =
        ours.iter().filter(|rule| !serves(rule)).map(|rule| rule.id.clone()).collect();
    if missing.is_empty() && stale.is_empty() {
        return;
    }
    let fields = admission_fields(&ours, ports, source);
    let action = match (ours.is_empty(), ports.is_empty()) {
        (true, _) => Action::Create,
        (false, true) => Action::Delete,
        (false, false) => Action::Update,
    };
    let disruption = if stale.is_empty() { Disruption::None } else { Disruption::NewConnections };
    draft.change(action, &key, fields, disruption);
    if !missing.is_empty() {
        let rules = missing.into_iter().map(|port| NewRule { port, source: source.clone() }).collect();
        let operation = Operation::AuthorizeIngress {
            group: Reference::Existing(group.to_owned()),
            rules,
            tags: stack.tags.owned_by(&stack.name, &key),
        };
        let after = match source {
            NewRuleSource::Group(Reference::Planned(own)) => vec![created(own)],
            NewRuleSource::Group(Reference::Existing(_)) | NewRuleSource::Cidr(_) => Vec::new(),
        };
        draft.step(DraftStep::new(operation, &key).makes().after(after));
    }
    if !stale.is_empty() {
        let operation = Operation::RevokeIngress { group: group.to_owned(), rules: stale };
        draft.step(DraftStep::new(operation, &key).removes().after([
            After::EveryGone(Kind::Listener),
            After::EveryMade(Kind::HealthCheck),
            After::EveryGone(Kind::Target),
            After::EveryMade(Kind::TargetGroup),
            After::EveryGone(Kind::TargetGroup),
            After::EveryGone(Kind::LoadBalancer),
            After::EveryMade(Kind::LoadBalancer),
        ]));
    }
}

/// Says what differs between `ours`, the rules that there are, and those for `ports` from `source`.
fn admission_fields(ours: &[&&GroupRule], ports: &BTreeSet<u16>, source: &NewRuleSource) -> Vec<FieldChange> {
    let mut fields = Vec::new();
    let before: BTreeSet<i32> = ours.iter().map(|rule| rule.from_port).collect();
    let after: BTreeSet<i32> = ports.iter().copied().map(i32::from).collect();
    if before != after {
        fields.push(field("ports", before, after));
    }
    let others: BTreeSet<&RuleSource> =
        ours.iter().map(|rule| &rule.source).filter(|found| !source.is(found)).collect();
    if !others.is_empty() && !ports.is_empty() {
        let others: Vec<String> = others.into_iter().map(ToString::to_string).collect();
        fields.push(field("source", others, [describe_source(source)]));
    }
    if fields.is_empty() {
        let wanted = ports.iter().map(|port| NewRule { port: *port, source: source.clone() });
        let wanted = described(wanted.map(|rule| describe_new(&rule)));
        fields.push(field("rules", described(ours.iter().map(|rule| describe(rule))), wanted));
    }
    fields
}

/// Chooses groups so that every instance has one: first those that have the rule already, then, one at a
/// time, the group that most of the instances left share.
fn admitting_groups(
    observed: &Observed,
    placement: &Placement<'_>,
    source: &NewRuleSource,
    port: u16,
) -> BTreeSet<String> {
    let has_rule = |group: &String| {
        observed
            .rules
            .iter()
            .any(|rule| rule.group == *group && source.is(&rule.source) && rule.admits_port(port))
    };
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    let mut left: Vec<&BTreeSet<String>> = Vec::new();
    for instance in placement.instances.values() {
        let admitted: Vec<&String> =
            instance.security_groups.iter().filter(|group| has_rule(group)).collect();
        if admitted.is_empty() {
            left.push(&instance.security_groups);
        }
        chosen.extend(admitted.into_iter().cloned());
    }
    loop {
        let mut shared: BTreeMap<&String, usize> = BTreeMap::new();
        for group in left.iter().flat_map(|groups| groups.iter()) {
            *shared.entry(group).or_default() += 1;
        }
        let Some((group, _)) =
            shared.into_iter().max_by_key(|(group, count)| (*count, std::cmp::Reverse(*group)))
        else {
            return chosen;
        };
        chosen.insert(group.clone());
        left.retain(|groups| !groups.contains(group));
    }
}

fn describe(rule: &GroupRule) -> String {
    let ports = if rule.from_port == rule.to_port {
        rule.from_port.to_string()
    } else {
        format!("{}-{}", rule.from_port, rule.to_port)
    };
    let source = match &rule.source {
        RuleSource::Cidr(text) | RuleSource::Group(text) | RuleSource::Other(text) => text,
    };
    format!("{} {ports} from {source}", rule.protocol)
}

fn describe_new(rule: &NewRule) -> String {
    format!("tcp {} from {}", rule.port, describe_source(&rule.source))
}

fn describe_source(source: &NewRuleSource) -> &str {
    match source {
        NewRuleSource::Cidr(range) => range,
        NewRuleSource::Group(group) => super::fields::shown(group),
    }
}

fn described(rules: impl Iterator<Item = String>) -> Vec<String> {
    let mut rules: Vec<String> = rules.collect();
    rules.sort();
    rules
}

/// Puts `prefix.` in front of every path.
pub(super) fn prefixed(prefix: &str, fields: Vec<FieldChange>) -> Vec<FieldChange> {
    fields
        .into_iter()
        .map(|field| FieldChange { path: format!("{prefix}.{}", field.path), ..field })
        .collect()
}
