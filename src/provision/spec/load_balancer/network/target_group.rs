//! A target group of a Network load balancer.

use serde::Serialize;

use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Item, Read};
use crate::provision::spec::load_balancer::target_group::common;
use crate::provision::spec::load_balancer::{Behind, Protocol, TargetHealthCheck, Targets};
use crate::provision::spec::problem::{Problems, Refusal};

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of AWS's own, not a state")]
pub struct NetworkTargetGroup {
    /// `tcp` or `tls`.
    pub protocol: Protocol,
    /// The port of a target.
    pub port: u16,
    /// Who serves.
    pub targets: Targets,
    /// How they are checked.
    pub health_check: TargetHealthCheck,
    /// Whether targets get a PROXY header of version 2.
    pub proxy_protocol: bool,
    /// Whether packets keep the visitor's address.
    pub preserve_client_ip: bool,
    /// Whether a visitor's address stays with the same target; `tcp` only.
    pub stickiness: bool,
    /// How long a deregistered target keeps its connections: 0 s–1 h.
    pub deregistration_delay: Seconds,
    /// Whether what it still has then is closed.
    pub connection_termination: bool,
    /// Whether a target that turns unhealthy loses its connections at once.
    pub unhealthy_connection_termination: bool,
}

/// The load balancer's own settings, which its groups may change.
#[derive(Clone, Copy)]
pub(super) struct Inherited {
    pub(super) proxy_protocol: bool,
    pub(super) preserve_client_ip: bool,
}

pub(super) fn decode(
    item: &Item,
    behind: Read<&Behind>,
    inherited: Inherited,
    problems: &mut Problems,
) -> Read<NetworkTargetGroup> {
    item.as_map()?;
    let common = common(item, Protocol::Tcp, behind, problems);
    let stickiness = item.boolean("stickiness", false)?;
    let common = common?;
    if stickiness && common.protocol == Protocol::Tls {
        let refusal = Refusal::new("AWS keeps visitors with a target in tcp groups only");
        item.at("stickiness").report(problems, refusal.hint("remove it, or write protocol: tcp"));
    }
    Ok(NetworkTargetGroup {
        protocol: common.protocol,
        port: common.port,
        targets: common.targets,
        health_check: common.health_check,
        proxy_protocol: item.boolean("proxy_protocol", inherited.proxy_protocol)?,
        preserve_client_ip: item.boolean("preserve_client_ip", inherited.preserve_client_ip)?,
        stickiness,
        deregistration_delay: common.deregistration_delay,
        connection_termination: item.boolean("connection_termination", true)?,
        unhealthy_connection_termination: item.boolean("unhealthy_connection_termination", true)?,
    })
}
