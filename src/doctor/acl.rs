//! Network ACLs of the subnets along the way. They are stateless: answers need entries of their own.
//!
//! Sources: "Configure network ACLs for your Classic Load Balancer", "Network ACL rules" of the VPC guide; visitors'
//! and the load balancer's own ports are the ephemeral ones, 1024–65535.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::live::Live;
use super::rules::covers;
use super::sheet::{Sheet, finding, ports};
use super::{Name, Severity};
use crate::provision::resource::Stack;
use crate::provision::resource::path::{AclEntry, NetworkAcl, SubnetRoom, Verdict, Way};

/// From where to where a connection's answers go.
const EPHEMERAL: (u16, u16) = (1024, 65535);

/// Something that must get through.
struct Passage<'a> {
    way: Way,
    ports: (u16, u16),
    /// The block of the other end.
    block: &'a str,
    what: String,
}

pub(super) fn check(stack: &Stack, live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let (acls, rooms) = match (&facts.acls, &facts.rooms) {
        (Ok(acls), Ok(rooms)) => (acls, rooms),
        (Err(reason), _) | (_, Err(reason)) => {
            return sheet.unchecked(Name::NetworkAcl, "subnets", reason);
        }
    };
    for room in rooms {
        let Some(acl) = acls.iter().find(|acl| acl.subnets.contains(&room.id)) else {
            sheet.unchecked(Name::NetworkAcl, &room.id, "no network ACL of the VPC names this subnet");
            continue;
        };
        let mut passages = Vec::new();
        if live.subnets.contains(&room.id) {
            of_load_balancer(stack, live, room, facts, &mut passages);
        }
        of_instances(live, room, facts, &mut passages);
        let stopped: BTreeSet<String> = passages
            .iter()
            .filter(|passage| !passes(acl, passage))
            .map(|passage| passage.what.clone())
            .collect();
        let subject = format!("{} {}", room.id, acl.id);
        if stopped.is_empty() {
            sheet.right(Name::NetworkAcl, subject, "lets visitors, health checks and their answers through");
            continue;
        }
        let stopped: Vec<String> = stopped.into_iter().collect();
        let problem = format!("the network ACL drops {}", stopped.join("; "));
        let why = "ACLs know no connections: what one direction lacks, even for answers, hangs them all";
        let fix = format!(
            "`aws ec2 create-network-acl-entry --network-acl-id {} --rule-number N --protocol tcp --rule-action allow \
             …` for each of these, with a lower number than the entry that denies it",
            acl.id
        );
        sheet.wrong(Name::NetworkAcl, subject, finding(Severity::Error, problem, why, fix));
    }
}

fn of_load_balancer<'a>(
    stack: &'a Stack,
    live: &Live,
    room: &SubnetRoom,
    facts: &'a Facts,
    passages: &mut Vec<Passage<'a>>,
) {
    for range in stack.load_balancer.ingress() {
        let wanted = stack.load_balancer.listener_ports();
        for door in live.doors.iter().filter(|door| wanted.contains(&door.port)) {
            let what = format!("port {} from visitors in {range}", door.port);
            passages.push(Passage { way: Way::In, ports: (door.port, door.port), block: range, what });
        }
        let what = format!("answers to visitors in {range} (out, ports 1024–65535)");
        passages.push(Passage { way: Way::Out, ports: EPHEMERAL, block: range, what });
    }
    for (there, wanted) in instance_rooms(live, facts) {
        if there.id == room.id {
            // What stays in a subnet meets no ACL.
            continue;
        }
        for port in &wanted {
            let what = format!("{} to the instances in {}", ports([port]), there.id);
            passages.push(Passage { way: Way::Out, ports: (*port, *port), block: &there.block, what });
        }
        let what = format!("answers of the instances in {} (in, ports 1024–65535)", there.id);
        passages.push(Passage { way: Way::In, ports: EPHEMERAL, block: &there.block, what });
    }
}

fn of_instances<'a>(live: &Live, room: &SubnetRoom, facts: &'a Facts, passages: &mut Vec<Passage<'a>>) {
    let Some((_, wanted)) = instance_rooms(live, facts).into_iter().find(|(there, _)| there.id == room.id)
    else {
        return;
    };
    for from in live.subnets.iter().filter(|id| **id != room.id).filter_map(|id| facts.room(id)) {
        for port in &wanted {
            let what = format!("{} from the load balancer in {}", ports([port]), from.id);
            passages.push(Passage { way: Way::In, ports: (*port, *port), block: &from.block, what });
        }
        let what = format!("answers to the load balancer in {} (out, ports 1024–65535)", from.id);
        passages.push(Passage { way: Way::Out, ports: EPHEMERAL, block: &from.block, what });
    }
}

/// The subnets with instances that serve, each with the ports that the load balancer connects to there.
fn instance_rooms<'a>(live: &Live, facts: &'a Facts) -> Vec<(&'a SubnetRoom, BTreeSet<u16>)> {
    let mut rooms: Vec<(&SubnetRoom, BTreeSet<u16>)> = Vec::new();
    for machine in facts.machines.iter().flatten() {
        let wanted = live.ports_of(&machine.id);
        let Some(room) = machine.subnet.as_ref().and_then(|id| facts.room(id)) else { continue };
        if wanted.is_empty() {
            continue;
        }
        match rooms.iter_mut().find(|(known, _)| known.id == room.id) {
            Some((_, known)) => known.extend(wanted),
            None => rooms.push((room, wanted)),
        }
    }
    rooms
}

/// Says whether every port of a passage gets through: each is decided by the first entry that fits it. An entry for
/// a part of the block decides nothing, so that one bad neighbour may be shut out.
fn passes(acl: &NetworkAcl, passage: &Passage<'_>) -> bool {
    let mut open = vec![passage.ports];
    for entry in acl.entries.iter().filter(|entry| fits(entry, passage)) {
        let (from, to) = entry.ports.unwrap_or((0, u16::MAX));
        let touched = open.iter().any(|(first, last)| *first <= to && from <= *last);
        match entry.verdict {
            Verdict::Deny if touched => return false,
            Verdict::Deny => {}
            Verdict::Allow => open = open.into_iter().flat_map(|range| without(range, (from, to))).collect(),
        }
        if open.is_empty() {
            return true;
        }
    }
    false
}

fn fits(entry: &AclEntry, passage: &Passage<'_>) -> bool {
    let tcp = matches!(entry.protocol.as_str(), "-1" | "6" | "tcp" | "all");
    entry.way == passage.way && tcp && covers(&entry.block, passage.block)
}

/// Returns what is left of a range of ports.
fn without((first, last): (u16, u16), (from, to): (u16, u16)) -> Vec<(u16, u16)> {
    if to < first || last < from {
        return vec![(first, last)];
    }
    let below = from.checked_sub(1).filter(|below| first <= *below).map(|below| (first, below));
    let above = to.checked_add(1).filter(|above| *above <= last).map(|above| (above, last));
    below.into_iter().chain(above).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u32, verdict: Verdict, block: &str, ports: Option<(u16, u16)>) -> AclEntry {
        AclEntry { number, way: Way::In, verdict, protocol: "6".to_owned(), block: block.to_owned(), ports }
    }

    fn passes_with(entries: Vec<AclEntry>, ports: (u16, u16)) -> bool {
        let acl = NetworkAcl { id: "acl-1".to_owned(), subnets: BTreeSet::new(), entries };
        passes(&acl, &Passage { way: Way::In, ports, block: "10.0.0.0/16", what: String::new() })
    }

    #[test]
    fn the_first_entry_that_fits_a_port_decides() {
        use Verdict::{Allow, Deny};
        let last = || entry(32767, Deny, "0.0.0.0/0", None);
        assert!(!passes_with(vec![last()], (80, 80)));
        assert!(passes_with(vec![entry(100, Allow, "0.0.0.0/0", None), last()], (80, 80)));
        assert!(passes_with(vec![entry(100, Allow, "10.0.0.0/8", Some((1, 100))), last()], (80, 80)));
        assert!(!passes_with(
            vec![entry(90, Deny, "0.0.0.0/0", Some((80, 80))), entry(100, Allow, "0.0.0.0/0", None)],
            (80, 80)
        ));
        assert!(passes_with(
            vec![entry(90, Deny, "0.0.0.0/0", Some((22, 22))), entry(100, Allow, "0.0.0.0/0", None)],
            (80, 80)
        ));
        // Another protocol, and a part of the block.
        let mut udp = entry(80, Deny, "0.0.0.0/0", None);
        udp.protocol = "17".to_owned();
        let neighbour = entry(85, Deny, "10.0.7.0/24", None);
        assert!(passes_with(vec![udp, neighbour, entry(100, Allow, "0.0.0.0/0", None)], (80, 80)));
    }

    #[test]
    fn all_ephemeral_ports_must_get_through() {
        use Verdict::{Allow, Deny};
        let allow = |from, to| entry(100, Allow, "0.0.0.0/0", Some((from, to)));
        assert!(passes_with(vec![allow(1024, 65535)], EPHEMERAL));
        assert!(passes_with(vec![allow(0, 32767), allow(32768, 65535)], EPHEMERAL));
        assert!(!passes_with(vec![allow(32768, 60999)], EPHEMERAL));
        assert!(!passes_with(vec![allow(1024, 40000), entry(110, Deny, "0.0.0.0/0", None)], EPHEMERAL));
    }
}
