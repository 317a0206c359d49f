//! `load_balancer:` with `type: classic`.

mod fields;
mod health_check;
mod listeners;

use std::collections::BTreeSet;
use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

pub use health_check::{HealthCheck, HealthTarget};

pub(super) use fields::CLASSIC;

use super::{
    AddressType, Behind, Decoded, Front, FrontListener, LoadBalancer, Scheme, Sends, Surroundings, settings,
};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::proxy::HEALTHZ;
use crate::provision::spec::{LoadBalancerName, Seconds};
use listeners::Listeners;

/// A Classic load balancer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassicLoadBalancer {
    /// Its name; the stack's unless the spec gives another.
    pub name: LoadBalancerName,
    /// Who can reach it.
    pub scheme: Scheme,
    /// What its own security group admits; not empty, no host bits, no duplicates.
    pub ingress: Vec<IpNet>,
    /// How long a connection may be silent: 1 s–4000 s.
    pub idle_timeout: Seconds,
    /// Whether every node spreads over the targets of all zones.
    pub cross_zone: bool,
    /// Where access logs go, if anywhere.
    pub access_logs: Option<AccessLogs>,
    /// Its listeners, in the spec's order; not empty, each on a port of its own.
    pub listeners: Vec<ClassicListener>,
    /// The instance ports on which PROXY protocol v1 is spoken.
    pub proxy_protocol: BTreeSet<u16>,
    /// How long a deregistered instance keeps its connections: 1 s–3600 s; `None` when draining is off.
    pub connection_draining: Option<Seconds>,
    /// How instances are checked.
    pub health_check: HealthCheck,
}

impl ClassicLoadBalancer {
    /// Returns the instance ports of its listeners, each once, in ascending order.
    #[must_use]
    pub fn instance_ports(&self) -> BTreeSet<u16> {
        self.listeners.iter().map(|listener| listener.instance_port).collect()
    }
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassicListener {
    /// The port that visitors connect to.
    pub port: u16,
    /// What visitors speak.
    pub protocol: ClassicProtocol,
    /// The port on the instances.
    pub instance_port: u16,
    /// What the instances speak; of the same layer as `protocol`.
    pub instance_protocol: ClassicProtocol,
    /// The predefined SSL negotiation policy; `Some` exactly for ssl and https.
    pub ssl_policy: Option<String>,
}

/// The protocols of a Classic listener and of its health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassicProtocol {
    /// TCP.
    Tcp,
    /// TLS over TCP, passed on as bytes.
    Ssl,
    /// HTTP; cannot carry WebSockets.
    Http,
    /// HTTP over TLS; cannot carry WebSockets.
    Https,
}

impl ClassicProtocol {
    /// Returns whether it needs a certificate on the visitors' side.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Ssl | Self::Https)
    }

    /// Returns whether it is of the HTTP layer; a listener's two sides must agree on it.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Returns the name that AWS uses: `TCP`, `SSL`, `HTTP` or `HTTPS`.
    #[must_use]
    pub fn as_aws(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Ssl => "SSL",
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
        }
    }
}

/// Writes the spec's spelling: `tcp`, `ssl`, `http` or `https`.
impl fmt::Display for ClassicProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Ssl => "ssl",
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Access logs in S3.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccessLogs {
    /// The bucket.
    pub bucket: String,
    /// The prefix of the objects' keys, without slashes at its ends.
    pub prefix: Option<String>,
    /// How often they are written, in minutes: 5 or 60.
    pub interval_minutes: u8,
}

/// WebSockets are silent for minutes; AWS's own default of a minute cuts them.
const IDLE_TIMEOUT: Seconds = Seconds(3600);
const DRAINING: Seconds = Seconds(300);

pub(super) fn decode(item: &Item, around: &Surroundings<'_>, problems: &mut Problems) -> Decoded {
    if item.as_map().is_err() {
        return Decoded::INVALID;
    }
    let idle_timeout = item.seconds("idle_timeout", IDLE_TIMEOUT);
    let (mut listeners, mut proxy_protocol) = (Err(Invalid), Err(Invalid));
    if let Ok(found) = Listeners::decode(item, around.certificate, problems) {
        proxy_protocol = found.proxy_protocol(item, problems);
        listeners = found.all();
    }
    let front = match (&listeners, &proxy_protocol) {
        (Ok(listeners), Ok(ports)) => front(listeners, ports, idle_timeout),
        (Err(Invalid), _) | (_, Err(Invalid)) => Err(Invalid),
    };
    let check = match (&around.behind, &listeners) {
        (Ok(behind), Ok(listeners)) => default_check(behind, listeners),
        (Err(Invalid), _) | (_, Err(Invalid)) => Err(Invalid),
    };
    let own = Own { idle_timeout, listeners, proxy_protocol, check };
    Decoded { front, load_balancer: rest(item, around, own, problems).map(LoadBalancer::Classic) }
}

fn front(listeners: &[ClassicListener], header: &BTreeSet<u16>, idle: Read<Seconds>) -> Read<Front> {
    let idle = idle?;
    let listeners = listeners.iter().map(|listener| FrontListener {
        port: listener.port,
        secure: listener.protocol.is_secure(),
        http: listener.protocol.is_http(),
        instance_ports: BTreeSet::from([listener.instance_port]),
        idle,
    });
    Ok(Front { listeners: listeners.collect(), header: header.clone(), sends: Sends::V1 })
}

/// The health check's target where the spec gives none: the proxy's health port, or without the proxy the
/// first instance port by a mere connection, which an application with or without PROXY protocol accepts.
fn default_check(behind: &Behind, listeners: &[ClassicListener]) -> Read<HealthTarget> {
    match behind {
        Behind::Proxy { health, .. } => Ok(HealthTarget {
            protocol: ClassicProtocol::Http,
            port: health.port,
            path: Some(HEALTHZ.to_owned()),
        }),
        Behind::Unknown => {
            let port = listeners.first().ok_or(Invalid)?.instance_port;
            Ok(HealthTarget { protocol: ClassicProtocol::Tcp, port, path: None })
        }
    }
}

/// What was read before the rest.
struct Own {
    idle_timeout: Read<Seconds>,
    listeners: Read<Vec<ClassicListener>>,
    proxy_protocol: Read<BTreeSet<u16>>,
    check: Read<HealthTarget>,
}

fn rest(
    item: &Item,
    around: &Surroundings<'_>,
    own: Own,
    problems: &mut Problems,
) -> Read<ClassicLoadBalancer> {
    let name = settings::name(item, around.stack, problems);
    let ingress = settings::ingress(item, AddressType::Ipv4, problems);
    let access_logs = access_logs(item.get("access_logs"), problems);
    let health_check =
        own.check.and_then(|check| health_check::decode(item.get("health_check"), check, problems));
    if item.boolean("deletion_protection", false).is_ok_and(|on| on) {
        let refusal =
            Refusal::new("a Classic load balancer has no deletion protection").hint("remove the field");
        item.at("deletion_protection").report(problems, refusal);
    }
    let connection_draining = match item.get("connection_draining").map(|item| (item, &item.value)) {
        None | Some((_, Value::Boolean(true))) => Some(DRAINING),
        Some((_, Value::Boolean(false))) => None,
        Some((item, _)) => Some(item.as_seconds()?),
    };
    Ok(ClassicLoadBalancer {
        name: name?,
        scheme: settings::scheme(item)?,
        ingress: ingress?,
        idle_timeout: own.idle_timeout?,
        cross_zone: item.boolean("cross_zone", true)?,
        access_logs: access_logs?,
        listeners: own.listeners?,
        proxy_protocol: own.proxy_protocol?,
        connection_draining,
        health_check: health_check?,
    })
}

fn access_logs(item: Option<&Item>, problems: &mut Problems) -> Read<Option<AccessLogs>> {
    let Some(item) = item else { return Ok(None) };
    item.as_map()?;
    let interval_minutes = item.number("interval")?.unwrap_or(60);
    if !matches!(interval_minutes, 5 | 60) {
        let refusal =
            Refusal::new(format!("access logs are written every 5 or 60 minutes, not {interval_minutes}"));
        item.at("interval").report(problems, refusal.hint("write 5 or 60"));
    }
    let bucket = item.text("bucket")?.ok_or(Invalid)?.to_owned();
    Ok(Some(AccessLogs { bucket, prefix: item.text("prefix")?.map(str::to_owned), interval_minutes }))
}
