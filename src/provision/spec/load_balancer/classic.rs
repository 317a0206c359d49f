//! `load_balancer:` with `type: classic`.

use std::collections::BTreeSet;
use std::fmt;

use ipnet::{IpNet, Ipv4Net};
use serde::Serialize;

use super::listeners::{HasCertificate, Listeners};
use super::{HealthCheck, HealthTarget, Scheme, health_check};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::text::reserved_prefix;
use crate::provision::spec::{LoadBalancerName, Seconds, StackName};

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

/// What the load balancer offers to the proxy, known before the rest of either is read.
#[derive(Debug)]
pub(in crate::provision::spec) struct Front {
    pub(in crate::provision::spec) listeners: Vec<ClassicListener>,
    pub(in crate::provision::spec) proxy_protocol: BTreeSet<u16>,
}

pub(in crate::provision::spec) fn decode_front(
    item: &Item,
    certificate: HasCertificate,
    problems: &mut Problems,
) -> Read<Front> {
    item.as_map()?;
    let listeners = Listeners::decode(item, certificate, problems)?;
    let proxy_protocol = listeners.proxy_protocol(item, problems);
    Ok(Front { listeners: listeners.all()?, proxy_protocol: proxy_protocol? })
}

/// Decodes the whole; `check` is the health check's target where the spec gives none.
pub(in crate::provision::spec) fn decode(
    item: &Item,
    stack: Read<&StackName>,
    front: Read<Front>,
    check: HealthTarget,
    problems: &mut Problems,
) -> Read<ClassicLoadBalancer> {
    item.as_map()?;
    let name = name(item, stack, problems);
    let ingress = ingress(item, problems);
    let access_logs = access_logs(item.get("access_logs"), problems);
    let health_check = health_check::decode(item.get("health_check"), check, problems);
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
    let scheme = match item.text("scheme")? {
        Some("internal") => Scheme::Internal,
        Some(_) | None => Scheme::InternetFacing,
    };
    let front = front?;
    Ok(ClassicLoadBalancer {
        name: name?,
        scheme,
        ingress: ingress?,
        idle_timeout: item.seconds("idle_timeout", IDLE_TIMEOUT)?,
        cross_zone: item.boolean("cross_zone", true)?,
        access_logs: access_logs?,
        listeners: front.listeners,
        proxy_protocol: front.proxy_protocol,
        connection_draining,
        health_check: health_check?,
    })
}

/// WebSockets are silent for minutes; AWS's own default of a minute cuts them.
const IDLE_TIMEOUT: Seconds = Seconds(3600);
const DRAINING: Seconds = Seconds(300);

fn name(item: &Item, stack: Read<&StackName>, problems: &mut Problems) -> Read<LoadBalancerName> {
    if let Some(name) = item.text("name")? {
        return Ok(LoadBalancerName(name.to_owned()));
    }
    let stack = stack?.as_str();
    match reserved_prefix(stack) {
        Ok(()) => Ok(LoadBalancerName(stack.to_owned())),
        Err(refusal) => {
            let hint = "give load_balancer.name, whose default is the stack";
            item.report(problems, Refusal::new(refusal.reason).hint(hint));
            Err(Invalid)
        }
    }
}

fn ingress(item: &Item, problems: &mut Problems) -> Read<Vec<IpNet>> {
    if item.get("ingress").is_none() {
        return Ok(vec![IpNet::V4(Ipv4Net::default())]);
    }
    let texts = item.texts("ingress", problems)?;
    texts.iter().map(|text| text.parse().map_err(|_| Invalid)).collect()
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
