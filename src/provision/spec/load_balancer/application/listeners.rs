//! `listeners:` and `rules:` of an Application load balancer: reading them and what must hold among them.

use std::collections::BTreeSet;

use serde::Serialize;

use super::action::{Action, Forward, Scene};
use super::{ApplicationTargetGroup, Redirect};
use crate::provision::spec::hsts::{self, Hsts};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::target_group::Groups;
use crate::provision::spec::load_balancer::{
    HasCertificate, Protocol, TargetGroupName, settings, ssl_policy,
};
use crate::provision::spec::problem::{Problems, Refusal};

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApplicationListener {
    /// The port that visitors connect to.
    pub port: u16,
    /// `http` or `https`.
    pub protocol: Protocol,
    /// The predefined security policy; `Some` exactly for https.
    pub ssl_policy: Option<String>,
    /// What is done with a request that no rule fits.
    pub default_action: Action,
    /// The first that fits decides.
    pub rules: Vec<Rule>,
    /// What `Strict-Transport-Security` says; https only.
    pub hsts: Option<Hsts>,
}

impl ApplicationListener {
    /// Yields what it may do.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.rules.iter().map(|rule| &rule.action).chain([&self.default_action])
    }

    /// Yields the target groups that it may forward to.
    pub fn groups(&self) -> impl Iterator<Item = &TargetGroupName> {
        self.actions().flat_map(|action| match action {
            Action::Forward(forward) => forward.groups.keys().collect::<Vec<_>>(),
            Action::Redirect(_) | Action::FixedResponse { .. } => Vec::new(),
        })
    }
}

/// A rule; at least one of its two conditions is not empty, and both must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Patterns of paths, any of which fits; at most five with the hosts.
    pub path: BTreeSet<String>,
    /// Patterns of hosts in lower case, any of which fits.
    pub host: BTreeSet<String>,
    /// What is done.
    pub action: Action,
}

/// AWS: quotas of Application load balancers; rules of all listeners, the default ones not counted.
const MAX_RULES: usize = 100;
const MAX_VALUES: usize = 5;
const MAX_WILDCARDS: usize = 6;

/// Reads `listeners:` of the load balancer.
pub(super) fn decode(
    item: &Item,
    certificate: HasCertificate,
    groups: &Groups<'_, ApplicationTargetGroup>,
    problems: &mut Problems,
) -> Read<Vec<ApplicationListener>> {
    let Some(list) = item.get("listeners") else {
        return defaults(item, certificate, groups, problems);
    };
    let items = list.as_list()?;
    let heads: Vec<Read<Head>> = items.iter().map(|item| head(item, certificate, problems)).collect();
    let sound =
        || heads.iter().zip(items).enumerate().filter_map(|(at, (h, i))| Some((at, i, h.as_ref().ok()?)));
    settings::check_ports(sound().map(|(at, item, head)| (at, item, head.port)), problems);
    let https_port = sound().find(|(_, _, head)| head.protocol.is_secure()).map(|(_, _, head)| head.port);
    if heads.iter().all(Result::is_ok) && certificate == HasCertificate::Yes && https_port.is_none() {
        let refusal = Refusal::new("no listener is https, so nobody is served the certificate")
            .hint("add { port: 443, protocol: https }, or remove the certificate");
        list.report(problems, refusal);
    }
    let listeners: Vec<Read<ApplicationListener>> = heads
        .into_iter()
        .zip(items)
        .map(|(head, item)| {
            let head = head?;
            let scene = Scene { port: head.port, protocol: head.protocol, https_port, groups };
            listener(item, head, &scene, problems)
        })
        .collect();
    let listeners: Vec<ApplicationListener> = listeners.into_iter().collect::<Read<_>>()?;
    let rules: usize = listeners.iter().map(|listener| listener.rules.len()).sum();
    if rules > MAX_RULES {
        let refusal = Refusal::new(format!("the listeners have {rules} rules, AWS takes {MAX_RULES} in all"));
        list.report(problems, refusal.hint("a rule may have up to five paths and hosts"));
    }
    if listeners.is_empty() { Err(Invalid) } else { Ok(listeners) }
}

/// What stands at a listener apart from what it does.
struct Head {
    port: u16,
    protocol: Protocol,
    ssl_policy: Option<String>,
    hsts: Option<Hsts>,
}

fn head(item: &Item, certificate: HasCertificate, problems: &mut Problems) -> Read<Head> {
    let port = item.number("port")?.ok_or(Invalid)?;
    let protocol = Protocol::read(item, "protocol")?.ok_or(Invalid)?;
    let hsts = hsts::decode(item.get("hsts"), problems);
    if let Some(item) = item.get("hsts").filter(|_| !protocol.is_secure()) {
        // RFC 6797 §7.2: a host must not send it over plain http.
        let refusal = Refusal::new("browsers ignore it over plain http");
        item.report(problems, refusal.hint("give it to the https listener"));
    }
    let ssl_policy = ssl_policy::decode(item, protocol, certificate, problems);
    Ok(Head { port, protocol, ssl_policy: ssl_policy?, hsts: hsts? })
}

fn listener(
    item: &Item,
    head: Head,
    scene: &Scene<'_>,
    problems: &mut Problems,
) -> Read<ApplicationListener> {
    let default_action = match item.get("default_action") {
        Some(action) => {
            action.as_map()?;
            scene.action(action, problems)
        }
        None => by_default(item, scene, problems),
    };
    let rules: Vec<Read<Rule>> = match item.get("rules") {
        None => Vec::new(),
        Some(list) => list.as_list()?.iter().map(|item| rule(item, scene, problems)).collect(),
    };
    if let Some(list) = item.get("rules") {
        check_order(list.as_list()?, &rules, problems);
    }
    let Head { port, protocol, ssl_policy, hsts } = head;
    let rules = rules.into_iter().collect::<Read<_>>()?;
    Ok(ApplicationListener { port, protocol, ssl_policy, default_action: default_action?, rules, hsts })
}

/// Http goes to https where there is such a listener, everything else to the group that is meant.
fn by_default(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<Action> {
    if let (Protocol::Http, Some(port)) = (scene.protocol, scene.https_port) {
        return Ok(Action::Redirect(to_https(port)));
    }
    if let Some(group) = scene.groups.implied() {
        return Ok(Action::Forward(Forward::to(group.clone())));
    }
    scene.groups.report_ambiguous(item, "default_action: { forward: NAME }", problems);
    Err(Invalid)
}

fn to_https(port: u16) -> Redirect {
    Redirect {
        protocol: "HTTPS".to_owned(),
        host: "#{host}".to_owned(),
        port: port.to_string(),
        path: "/#{path}".to_owned(),
        query: "#{query}".to_owned(),
        status: 301,
    }
}

/// Visitors come to 443; those that come to 80 are sent there.
fn defaults(
    item: &Item,
    certificate: HasCertificate,
    groups: &Groups<'_, ApplicationTargetGroup>,
    problems: &mut Problems,
) -> Read<Vec<ApplicationListener>> {
    let Some(group) = groups.implied() else {
        let how = "listeners, each with default_action: { forward: NAME }";
        groups.report_ambiguous(item.at("target_groups"), how, problems);
        return Err(Invalid);
    };
    let listener = |port, protocol, ssl_policy, default_action| ApplicationListener {
        port,
        protocol,
        ssl_policy,
        default_action,
        rules: Vec::new(),
        hsts: None,
    };
    let forward = Action::Forward(Forward::to(group.clone()));
    Ok(match certificate {
        HasCertificate::Yes => vec![
            listener(443, Protocol::Https, Some(ssl_policy::DEFAULT.to_owned()), forward),
            listener(80, Protocol::Http, None, Action::Redirect(to_https(443))),
        ],
        HasCertificate::No => vec![listener(80, Protocol::Http, None, forward)],
    })
}

fn rule(item: &Item, scene: &Scene<'_>, problems: &mut Problems) -> Read<Rule> {
    item.as_map()?;
    let path = patterns(item, "path", problems);
    let host = patterns(item, "host", problems);
    let action = scene.action(item, problems);
    let (path, host) = (path?, host?);
    let host: BTreeSet<String> = host.iter().map(|host| host.to_ascii_lowercase()).collect();
    if path.is_empty() && host.is_empty() {
        let refusal = Refusal::new("a rule needs a condition: path, host or both")
            .hint("what fits every request belongs in default_action");
        item.report(problems, refusal);
    }
    let values = path.len() + host.len();
    if values > MAX_VALUES {
        let refusal = Refusal::new(format!("the rule has {values} paths and hosts, AWS takes {MAX_VALUES}"));
        item.report(problems, refusal.hint("make two rules of it"));
    }
    let wildcards: usize = path.iter().chain(&host).map(|text| text.matches(['*', '?']).count()).sum();
    if wildcards > MAX_WILDCARDS {
        let refusal = Refusal::new(format!("the rule has {wildcards} wildcards, AWS takes {MAX_WILDCARDS}"));
        item.report(problems, refusal.hint("make two rules of it"));
    }
    Ok(Rule { path, host, action: action? })
}

fn patterns(item: &Item, name: &str, problems: &mut Problems) -> Read<BTreeSet<String>> {
    match item.get(name).map(|item| &item.value) {
        Some(Value::Text(one)) => Ok(BTreeSet::from([one.clone()])),
        Some(_) => Ok(item.texts(name, problems)?.into_iter().collect()),
        None => Ok(BTreeSet::new()),
    }
}

/// Reports rules that are never asked, since an earlier one fits whatever they fit.
fn check_order(items: &[Item], rules: &[Read<Rule>], problems: &mut Problems) {
    for (at, (rule, item)) in rules.iter().zip(items).enumerate() {
        let Ok(rule) = rule else { continue };
        let earlier =
            rules.iter().take(at).enumerate().filter_map(|(at, rule)| Some((at, rule.as_ref().ok()?)));
        if let Some((first, _)) = earlier.into_iter().find(|(_, earlier)| covers(earlier, rule)) {
            let refusal =
                Refusal::new(format!("this rule is never asked: rules[{first}] fits whatever it fits"));
            item.report(
                problems,
                refusal.hint("the order of the list decides: put this one first, or remove it"),
            );
        }
    }
}

/// Whether `first` plainly fits all that `then` fits; true is certain, false is not.
fn covers(first: &Rule, then: &Rule) -> bool {
    let anything = |patterns: &BTreeSet<String>| patterns.contains("*") || patterns.contains("/*");
    let wider = |first: &BTreeSet<String>, then: &BTreeSet<String>| {
        first.is_empty() || anything(first) || (!then.is_empty() && then.is_subset(first))
    };
    wider(&first.path, &then.path) && wider(&first.host, &then.host)
}
