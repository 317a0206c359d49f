//! What security groups admit: clients to load balancers, and load balancers to instances.
//!
//! Pure; EC2's records in, yes or no out. Refusing is the business of who asks.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::state::ec2::{Direction, Instance, Peer, Region, Rule};
use super::state::{elb, elbv2};

/// One end of a connection, as rules name it.
#[derive(Clone, Copy)]
struct Party<'a> {
    groups: &'a [String],
    address: IpAddr,
    /// The block that stands for the address too: an instance's address here is not one of its subnet.
    block: Option<Ipv4Net>,
}

/// A load balancer, as rules see it.
#[derive(Clone, Debug)]
pub(crate) struct Balancer<'a> {
    /// A Network Load Balancer may have none; then nothing is asked of what it does.
    groups: &'a [String],
    /// What its network interfaces are described as.
    interface: String,
    /// Whom targets see in its place.
    client: Option<IpAddr>,
}

impl<'a> From<&'a elb::LoadBalancer> for Balancer<'a> {
    fn from(load_balancer: &'a elb::LoadBalancer) -> Self {
        let interface = format!("ELB {}", load_balancer.name);
        Self { groups: &load_balancer.security_groups, interface, client: None }
    }
}

impl<'a> From<&'a elbv2::LoadBalancer> for Balancer<'a> {
    fn from(load_balancer: &'a elbv2::LoadBalancer) -> Self {
        let interface = format!("ELB {}", load_balancer.path());
        Self { groups: &load_balancer.security_groups, interface, client: None }
    }
}

impl Balancer<'_> {
    /// The same when targets see a client's address in place of its own.
    pub(crate) fn with_client(self, client: IpAddr) -> Self {
        Self { client: Some(at_large(client)), ..self }
    }

    /// Whether its own groups admit a client to one of its ports.
    ///
    /// A client on this machine counts as one from the internet that IPv4's 0.0.0.0/0 covers.
    pub(crate) fn admits(&self, region: &Region, client: IpAddr, port: u16) -> bool {
        let client = Party { groups: &[], address: at_large(client), block: None };
        self.groups.is_empty() || any_rule(region, self.groups, Direction::Ingress, client, port)
    }

    /// The private address of its node in the instance's zone.
    fn node(&self, region: &Region, instance: &Instance) -> IpAddr {
        let mut nodes = region.network_interfaces.values();
        let node = nodes.find(|node| {
            node.instance_id.is_none() && node.description == self.interface && node.zone == instance.zone
        });
        IpAddr::V4(node.map_or(Ipv4Addr::UNSPECIFIED, |node| node.private_ip))
    }
}

/// Whether a load balancer's groups let it reach a port of an instance, and the instance's groups admit it.
pub(crate) fn reaches(region: &Region, balancer: &Balancer<'_>, instance: &Instance, port: u16) -> bool {
    let block = region.subnets.get(&instance.subnet_id).and_then(|subnet| subnet.cidr.parse().ok());
    let there = Party { groups: &instance.security_groups, address: IpAddr::V4(instance.private_ip), block };
    let address = balancer.client.unwrap_or_else(|| balancer.node(region, instance));
    let here = Party { groups: balancer.groups, address, block: None };
    (here.groups.is_empty() || any_rule(region, here.groups, Direction::Egress, there, port))
        && any_rule(region, there.groups, Direction::Ingress, here, port)
}

fn at_large(client: IpAddr) -> IpAddr {
    if client.is_loopback() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { client }
}

fn any_rule(region: &Region, groups: &[String], direction: Direction, other: Party<'_>, port: u16) -> bool {
    let groups = groups.iter().filter_map(|id| region.security_groups.get(id));
    groups.flat_map(|group| &group.rules).any(|rule| rule.direction == direction && covers(rule, other, port))
}

fn covers(rule: &Rule, other: Party<'_>, port: u16) -> bool {
    let traffic = &rule.traffic;
    // 6 is TCP's protocol number.
    let protocol = matches!(traffic.protocol.as_str(), "-1" | "tcp" | "6");
    let in_range = |ports: super::state::ec2::Ports| {
        (ports.from..=ports.to).contains(&i32::from(port)) || ports.from < 0
    };
    let peer = match &traffic.peer {
        Peer::Ipv4(block) => block.parse::<Ipv4Net>().is_ok_and(|block| {
            IpNet::V4(block).contains(&other.address)
                || other.block.is_some_and(|other| block.contains(&other))
        }),
        Peer::Ipv6(block) => block.parse::<IpNet>().is_ok_and(|block| block.contains(&other.address)),
        Peer::Group(id) => other.groups.contains(id),
        // There are none here, so that none has a member.
        Peer::PrefixList(_) => false,
    };
    protocol && traffic.ports.is_none_or(in_range) && peer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::ec2::{Ports, Traffic};

    fn rule(protocol: &str, ports: Option<(i32, i32)>, peer: Peer) -> Rule {
        let ports = ports.map(|(from, to)| Ports { from, to });
        let mut rule = Rule::all_egress("sgr-1".to_owned());
        rule.direction = Direction::Ingress;
        rule.traffic = Traffic { protocol: protocol.to_owned(), ports, peer };
        rule
    }

    fn block(block: &str) -> Peer {
        Peer::Ipv4(block.to_owned())
    }

    #[test]
    fn a_rule_covers_its_protocol_its_ports_and_its_peers() {
        let groups = ["sg-lb".to_owned()];
        let address: IpAddr = "172.31.0.4".parse().unwrap();
        let other = Party { groups: &groups, address, block: Some("172.31.16.0/20".parse().unwrap()) };
        for (rule, expected) in [
            (rule("tcp", Some((80, 80)), block("0.0.0.0/0")), true),
            (rule("6", Some((0, 65535)), block("172.31.0.0/20")), true),
            (rule("-1", None, Peer::Group("sg-lb".to_owned())), true),
            (rule("tcp", Some((80, 80)), block("172.31.16.0/20")), true),
            (rule("udp", Some((80, 80)), block("0.0.0.0/0")), false),
            (rule("tcp", Some((81, 90)), block("0.0.0.0/0")), false),
            (rule("tcp", Some((80, 80)), block("10.0.0.0/8")), false),
            (rule("tcp", Some((80, 80)), Peer::Group("sg-other".to_owned())), false),
            (rule("tcp", Some((80, 80)), Peer::Ipv6("::/0".to_owned())), false),
        ] {
            assert_eq!(covers(&rule, other, 80), expected, "{rule:?}");
        }
    }
}
