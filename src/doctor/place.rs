//! The load balancer itself and the subnets that it stands in.
//!
//! Sources: "Recommendations for your VPC" and "Internet-facing Classic Load Balancers" of the Classic guide (a /27
//! and eight free addresses a subnet; public subnets have a route to an internet gateway), "Subnets for your load
//! balancer" of the others.

use ipnet::Ipv4Net;

use super::facts::Facts;
use super::live::Live;
use super::sheet::{APPLY, Sheet, finding, list};
use super::{Name, Severity};
use crate::provision::plan::PlanError;
use crate::provision::resource::path::{RouteTable, Switch};
use crate::provision::resource::v2::LoadBalancerState;
use crate::provision::resource::{LoadBalancerType, Scheme, Stack};

/// AWS: what a load balancer needs in each of its subnets to grow.
const FREE_ADDRESSES: u32 = 8;
const SMALLEST: u8 = 27;

/// Says whether there is a load balancer, and whether it is as the spec describes it.
pub(super) fn load_balancer(stack: &Stack, facts: &Facts, sheet: &mut Sheet) {
    let name = stack.load_balancer.name();
    let Some(live) = &facts.live else {
        let problem = format!(
            "there is no {} load balancer {name} in {}",
            stack.load_balancer.kind(),
            facts.observed.region
        );
        let why = "nothing listens; all that lies behind a load balancer was not examined";
        sheet.wrong(Name::LoadBalancer, name, finding(Severity::Error, problem, why, APPLY));
        if let Err(errors) = &facts.drift {
            refused(errors, sheet);
        }
        return;
    };
    match &live.state {
        LoadBalancerState::Active => {
            sheet.right(Name::LoadBalancer, name, format!("{}, active, {}", live.kind, live.dns_name));
        }
        LoadBalancerState::Provisioning => {
            let problem = "AWS is still making it";
            let why = "it takes no connections yet";
            let fix = "wait: that takes minutes, and `elbws apply SPEC` waits for it";
            sheet.wrong(Name::LoadBalancer, name, finding(Severity::Warning, problem, why, fix));
        }
        LoadBalancerState::ActiveImpaired => {
            let problem = "it is active_impaired: it lacks what it needs to grow";
            let why = "under load it turns visitors away";
            let fix = "free addresses in its subnets (below), or other subnets in network.subnets";
            sheet.wrong(Name::LoadBalancer, name, finding(Severity::Warning, problem, why, fix));
        }
        LoadBalancerState::Failed(reason) => {
            let problem = format!("AWS could not make it: {reason}");
            let fix = format!("`elbws destroy SPEC`, what the reason names, then {APPLY}");
            let why = "it takes no connections";
            sheet.wrong(Name::LoadBalancer, name, finding(Severity::Error, problem, why, fix));
        }
    }
    if live.scheme != stack.load_balancer.scheme() {
        let word = |scheme| match scheme {
            Scheme::InternetFacing => "internet-facing",
            Scheme::Internal => "internal",
        };
        let problem =
            format!("it is {}, the spec says {}", word(live.scheme), word(stack.load_balancer.scheme()));
        let why = "an internal one has private addresses alone: visitors from outside do not reach it";
        let fix = format!("{APPLY}, which puts another one in its place");
        sheet.wrong(Name::LoadBalancer, name, finding(Severity::Error, problem, why, fix));
    }
    drift(facts, sheet);
}

/// What differs from the spec is said in full by the checks below where it hurts WebSockets; here is all of it.
fn drift(facts: &Facts, sheet: &mut Sheet) {
    match &facts.drift {
        Ok(changes) if changes.is_empty() => {
            sheet.right(Name::Spec, "stack", "AWS has what the spec describes");
        }
        Ok(changes) => {
            let resources = list(changes.iter().map(|change| &change.resource));
            let problem = format!("AWS differs from the spec in {resources}");
            let why = "it was changed by other means, or not applied since";
            let fix = format!("`elbws plan SPEC` shows it field by field, {APPLY} mends it");
            sheet.wrong(Name::Spec, "stack", finding(Severity::Note, problem, why, fix));
        }
        Err(errors) => refused(errors, sheet),
    }
}

/// Why the spec cannot be applied; what checks of its own are for is said there.
fn refused(errors: &[PlanError], sheet: &mut Sheet) {
    let said_elsewhere = |error: &&PlanError| {
        matches!(
            error,
            PlanError::UnknownInstance { .. }
                | PlanError::InstanceInOtherVpc { .. }
                | PlanError::NoZone { .. }
                | PlanError::RecordTaken { .. }
        )
    };
    let (elsewhere, rest): (Vec<&PlanError>, Vec<&PlanError>) = errors.iter().partition(said_elsewhere);
    if rest.is_empty() {
        let reason = format!(
            "`elbws apply SPEC` is refused until what is found below is mended ({})",
            list(elsewhere)
        );
        return sheet.unchecked(Name::Spec, "stack", reason);
    }
    let problem = rest.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let why = "the spec cannot be applied as it is, so that what drifts cannot be brought back";
    let fix = "what the line names, in the spec; `elbws plan SPEC` says more";
    sheet.wrong(Name::Spec, "stack", finding(Severity::Error, problem, why, fix));
}

/// Says whether the subnets have room, and lead to the internet where they must.
pub(super) fn subnets(live: &Live, facts: &Facts, sheet: &mut Sheet) {
    match &facts.rooms {
        Ok(rooms) => {
            for room in rooms.iter().filter(|room| live.subnets.contains(&room.id)) {
                let subject = format!("{} {}", room.id, room.zone);
                let length = room.block.parse::<Ipv4Net>().map_or(0, |block| block.prefix_len());
                if room.free >= FREE_ADDRESSES && length <= SMALLEST {
                    let found = format!("{} of {} are free", room.free, room.block);
                    sheet.right(Name::FreeAddresses, subject, found);
                    continue;
                }
                let problem = format!(
                    "{} addresses of {} are free; a load balancer needs {FREE_ADDRESSES} free ones and a block of at \
                     least /{SMALLEST}",
                    room.free, room.block
                );
                let why = "when visitors become more, AWS cannot add nodes, and they are turned away";
                let fix = "free addresses, or name a larger subnet of the zone in network.subnets";
                sheet.wrong(Name::FreeAddresses, subject, finding(Severity::Warning, problem, why, fix));
            }
        }
        Err(reason) => sheet.unchecked(Name::FreeAddresses, "subnets", reason),
    }
    if live.scheme == Scheme::InternetFacing {
        routes(live, facts, sheet);
    }
}

fn routes(live: &Live, facts: &Facts, sheet: &mut Sheet) {
    let tables = match &facts.tables {
        Ok(tables) => tables,
        Err(reason) => return sheet.unchecked(Name::InternetRoute, "subnets", reason),
    };
    let mut public = Vec::new();
    for id in &live.subnets {
        let Some(table) = table_of(tables, id) else {
            sheet.unchecked(Name::InternetRoute, id, "no route table of the VPC is for this subnet");
            continue;
        };
        if table.internet_gateway.is_some() {
            public.push(id);
            continue;
        }
        let problem = format!(
            "the load balancer is internet-facing, and {} has no route of 0.0.0.0/0 to an internet gateway",
            table.id
        );
        let why = "visitors whom DNS sends to the node in this subnet get no answer";
        let fix = format!(
            "`aws ec2 create-route --route-table-id {} --destination-cidr-block 0.0.0.0/0 --gateway-id igw-…`, or a \
             public subnet in network.subnets, or load_balancer.scheme: internal",
            table.id
        );
        sheet.wrong(Name::InternetRoute, id, finding(Severity::Error, problem, why, fix));
    }
    if !public.is_empty() {
        let found = "0.0.0.0/0 goes to an internet gateway";
        let subject = match public.as_slice() {
            [one] => (*one).clone(),
            several => format!("{} subnets", several.len()),
        };
        sheet.right(Name::InternetRoute, subject, found);
    }
}

fn table_of<'a>(tables: &'a [RouteTable], subnet: &str) -> Option<&'a RouteTable> {
    let own = tables.iter().find(|table| table.subnets.contains(subnet));
    own.or_else(|| tables.iter().find(|table| table.main == Switch::On))
}

/// Says whether the zones of the load balancer have who serves, where nodes keep to their own.
pub(super) fn zones(live: &Live, facts: &Facts, sheet: &mut Sheet) {
    for pool in live.pools.iter().filter(|pool| pool.of_instances) {
        if pool.cross_zone {
            sheet.right(Name::Zone, &pool.title, "each node sends to the targets of every zone");
            continue;
        }
        let serving = |zone: &str| {
            pool.targets.iter().filter(|target| target.standing == super::live::Standing::Serving).any(
                |target| {
                    facts.observed.instances.iter().any(|found| found.id == target.id && found.zone == zone)
                },
            )
        };
        let rooms = live.subnets.iter().filter_map(|id| facts.room(id));
        let empty: Vec<&str> = rooms.map(|room| room.zone.as_str()).filter(|zone| !serving(zone)).collect();
        if empty.is_empty() {
            sheet.right(Name::Zone, &pool.title, "every zone of the load balancer has a target in service");
            continue;
        }
        let problem = format!(
            "cross-zone load balancing is off, and the load balancer has no target in service in {}",
            list(&empty)
        );
        let why =
            "a node sends only to targets of its own zone: visitors who reach one of these are turned away";
        let fix = match live.kind {
            LoadBalancerType::Classic | LoadBalancerType::Network => {
                format!("load_balancer.cross_zone: true and {APPLY}, or an instance in each zone")
            }
            LoadBalancerType::Application => "an instance in each zone, or fewer network.subnets".to_owned(),
        };
        sheet.wrong(Name::Zone, &pool.title, finding(Severity::Warning, problem, why, fix));
    }
}
