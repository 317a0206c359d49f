//! Security groups along the way: visitor → load balancer → instance.
//!
//! Sources: "Configure security groups" of the three load balancers' guides. Groups are stateful: answers need no
//! rule of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::facts::Facts;
use super::live::Live;
use super::sheet::{APPLY, Sheet, finding, list, ports};
use super::{Finding, Name, Severity};
use crate::provision::resource::{Admission, GroupRule, Instance, RuleSource, Stack};

pub(super) fn check(stack: &Stack, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let rules = match &facts.rules {
        Ok(rules) => rules,
        Err(reason) => return sheet.unchecked(Name::Ingress, "security groups", reason),
    };
    if live.groups.is_empty() {
        let found =
            "the load balancer has no security group: everybody is let in, and it may reach everything";
        sheet.right(Name::Ingress, "load balancer", found);
    } else {
        ingress(stack, live, &rules.ingress, sheet);
    }
    let serving: Vec<(&Instance, BTreeSet<u16>)> = facts
        .observed
        .instances
        .iter()
        .map(|instance| (instance, live.ports_of(&instance.id)))
        .filter(|(_, wanted)| !wanted.is_empty())
        .collect();
    if !live.groups.is_empty() {
        egress(live, &serving, &rules.egress, facts, sheet);
    }
    for (instance, wanted) in &serving {
        admission(stack, live, instance, wanted, &rules.ingress, facts, sheet);
    }
}

fn ingress(stack: &Stack, live: &Live, rules: &[GroupRule], sheet: &mut Sheet) {
    let groups = list(&live.groups);
    let mut shut: Vec<String> = Vec::new();
    // A listener that the spec does not have is somebody else's, and so is who may reach it.
    let wanted = stack.load_balancer.listener_ports();
    let doors: Vec<u16> =
        live.doors.iter().map(|door| door.port).filter(|port| wanted.contains(port)).collect();
    for port in &doors {
        let missing: Vec<&String> = stack
            .load_balancer
            .ingress()
            .iter()
            .filter(|range| !rules.iter().any(|rule| of(rule, &live.groups, *port) && holds(rule, range)))
            .collect();
        if !missing.is_empty() {
            shut.push(format!("port {port} from {}", list(missing)));
        }
    }
    let doors = ports(&doors);
    if shut.is_empty() {
        let ranges = list(stack.load_balancer.ingress());
        sheet.right(Name::Ingress, &groups, format!("admits {ranges} to {doors}"));
    } else {
        let problem = format!("the load balancer's security group does not admit {}", shut.join(", or "));
        let why = "visitors' connections time out, before there is anything to upgrade";
        sheet.wrong(Name::Ingress, &groups, finding(Severity::Error, problem, why, APPLY));
    }
}

/// The default rule of a group lets everything out; who removed it must let the instances' ports out. Instances that
/// lack the same are named together.
fn egress(
    live: &Live,
    serving: &[(&Instance, BTreeSet<u16>)],
    rules: &[GroupRule],
    facts: &Facts,
    sheet: &mut Sheet,
) {
    let groups = list(&live.groups);
    let mut by_missing: BTreeMap<Vec<u16>, Vec<&(&Instance, BTreeSet<u16>)>> = BTreeMap::new();
    for found in serving {
        let (instance, wanted) = found;
        let missing = wanted.iter().copied().filter(|port| {
            !rules.iter().any(|rule| of(rule, &live.groups, *port) && reaches(rule, instance, facts))
        });
        by_missing.entry(missing.collect()).or_default().push(found);
    }
    for (missing, instances) in by_missing {
        let names = list(instances.iter().map(|(instance, _)| &instance.id));
        if missing.is_empty() {
            let wanted: BTreeSet<&u16> = instances.iter().flat_map(|(_, wanted)| wanted).collect();
            let found = format!("lets the load balancer out to {} of {names}", ports(wanted));
            sheet.right(Name::Egress, &groups, found);
        } else if rules.iter().any(|rule| matches!(rule.source, RuleSource::Other(_))) {
            let reason =
                format!("whether a prefix list covers {} of {names} is not known here", ports(&missing));
            sheet.unchecked(Name::Egress, &groups, reason);
        } else {
            let blocks: BTreeSet<&str> =
                instances.iter().map(|(instance, _)| block(instance, facts).unwrap_or("0.0.0.0/0")).collect();
            let finding = no_way_out(live, &missing, &names, &blocks);
            sheet.wrong(Name::Egress, &groups, finding);
        }
    }
}

fn no_way_out(live: &Live, missing: &[u16], names: &str, blocks: &BTreeSet<&str>) -> Finding {
    let problem = format!(
        "no outbound rule of the load balancer's security group lets it reach {} of {names}",
        ports(missing)
    );
    let why =
        "health checks and connections never leave the load balancer, so the instance is out of service";
    let permissions = missing.iter().flat_map(|port| {
        blocks.iter().map(move |block| {
            format!("'IpProtocol=tcp,FromPort={port},ToPort={port},IpRanges=[{{CidrIp={block}}}]'")
        })
    });
    let permissions: Vec<String> = permissions.collect();
    let group = live.groups.first().map_or("", String::as_str);
    let fix = format!(
        "`aws ec2 authorize-security-group-egress --group-id {group} --ip-permissions {}`",
        permissions.join(" ")
    );
    finding(Severity::Error, problem, why, fix)
}

/// Says whether a rule is for an instance.
fn reaches(rule: &GroupRule, instance: &Instance, facts: &Facts) -> bool {
    match &rule.source {
        RuleSource::Group(group) => instance.security_groups.contains(group),
        RuleSource::Cidr(_) => {
            let address = facts.machine(&instance.id).and_then(|machine| machine.address);
            address.is_some_and(|address| contains(rule, address))
                || block(instance, facts).is_some_and(|block| holds(rule, block))
        }
        RuleSource::Other(_) => false,
    }
}

/// The block of an instance's subnet.
fn block<'a>(instance: &Instance, facts: &'a Facts) -> Option<&'a str> {
    let room = facts.room(facts.machine(&instance.id)?.subnet.as_ref()?)?;
    Some(room.block.as_str())
}

fn admission(
    stack: &Stack,
    live: &Live,
    instance: &Instance,
    wanted: &BTreeSet<u16>,
    rules: &[GroupRule],
    facts: &Facts,
    sheet: &mut Sheet,
) {
    let preserved = live
        .pools
        .iter()
        .any(|pool| pool.keeps_address && pool.targets.iter().any(|target| target.id == instance.id));
    let blocks: Vec<&str> =
        live.subnets.iter().filter_map(|id| facts.room(id)).map(|room| room.block.as_str()).collect();
    // Blocks add up: a load balancer stands in several subnets, and each may have a rule of its own.
    let by_blocks = |port: u16| {
        !blocks.is_empty()
            && blocks.iter().all(|block| {
                rules.iter().any(|rule| of(rule, &instance.security_groups, port) && holds(rule, block))
            })
    };
    let by_group = |port: u16| {
        rules.iter().any(|rule| {
            of(rule, &instance.security_groups, port)
                && matches!(&rule.source, RuleSource::Group(group) if live.groups.contains(group))
        })
    };
    let by_visitors = |port: u16| {
        stack.load_balancer.ingress().iter().all(|range| {
            rules.iter().any(|rule| of(rule, &instance.security_groups, port) && holds(rule, range))
        })
    };
    let admitted = |port: u16| by_group(port) || by_blocks(port) && (!preserved || by_visitors(port));
    let missing: Vec<&u16> = wanted.iter().filter(|port| !admitted(**port)).collect();
    let groups = list(&instance.security_groups);
    if missing.is_empty() {
        let from = if wanted.iter().all(|port| by_group(*port)) { list(&live.groups) } else { list(&blocks) };
        sheet.right(Name::Admission, &instance.id, format!("{groups} admits {from} to {}", ports(wanted)));
        return;
    }
    let problem = format!("{groups} does not admit the load balancer to {}", ports(missing.iter().copied()));
    let why = "health checks time out and the instance gets no connections; upgrades wait and fail";
    let by_hand = || {
        let Some((group, from)) = instance.security_groups.first().zip(live.groups.first()) else {
            return format!("a rule for {} from {}", ports(missing.iter().copied()), list(&blocks));
        };
        let permissions: Vec<String> = missing
            .iter()
            .map(|port| {
                format!(
                    "'IpProtocol=tcp,FromPort={port},ToPort={port},UserIdGroupPairs=[{{GroupId={from}}}]'"
                )
            })
            .collect();
        format!(
            "`aws ec2 authorize-security-group-ingress --group-id {group} --ip-permissions {}`, or \
             instances.manage_security_group: true",
            permissions.join(" ")
        )
    };
    let fix = match stack.admission {
        Admission::Managed => APPLY.to_owned(),
        Admission::Unmanaged => by_hand(),
    };
    sheet.wrong(Name::Admission, &instance.id, finding(Severity::Error, problem, why, fix));
}

fn of(rule: &GroupRule, groups: &BTreeSet<String>, port: u16) -> bool {
    groups.contains(&rule.group) && rule.admits_port(port)
}

/// Says whether a rule is for all of a block.
fn holds(rule: &GroupRule, block: &str) -> bool {
    let RuleSource::Cidr(range) = &rule.source else { return false };
    covers(range, block)
}

/// Says whether a block is part of another.
pub(super) fn covers(range: &str, block: &str) -> bool {
    match (range.parse::<IpNet>(), block.parse::<IpNet>()) {
        (Ok(range), Ok(block)) => range.contains(&block),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn contains(rule: &GroupRule, address: IpAddr) -> bool {
    let RuleSource::Cidr(range) = &rule.source else { return false };
    range.parse::<IpNet>().is_ok_and(|range| range.contains(&address))
}
