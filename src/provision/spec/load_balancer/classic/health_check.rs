//! `health_check:` of a Classic load balancer.

use std::fmt;

use serde::Serialize;

use super::ClassicProtocol;
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::shape::Text;
use crate::provision::spec::text::shown;

/// How instances are checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthCheck {
    /// What is asked.
    pub target: HealthTarget,
    /// The time between two checks: 5 s–300 s.
    pub interval: Seconds,
    /// How long an answer may take: 2 s–60 s, less than the interval.
    pub timeout: Seconds,
    /// Successes in a row after which an instance is in service: 2–10.
    pub healthy_threshold: u8,
    /// Failures in a row after which it is out of service: 2–10.
    pub unhealthy_threshold: u8,
}

/// What a health check asks: `TCP:80`, `SSL:443`, `HTTP:8081/healthz` or `HTTPS:443/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct HealthTarget {
    /// How it is asked.
    pub protocol: ClassicProtocol,
    /// The instance port.
    pub port: u16,
    /// The path with its leading slash; `Some` exactly for HTTP and HTTPS.
    pub path: Option<String>,
}

/// Writes AWS's spelling.
impl fmt::Display for HealthTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.protocol.as_aws(), self.port, self.path.as_deref().unwrap_or_default())
    }
}

impl From<HealthTarget> for String {
    fn from(target: HealthTarget) -> Self {
        target.to_string()
    }
}

pub(super) static TARGET: Text = Text {
    what: "a health check target",
    pattern: "^((TCP|SSL):[0-9]{1,5}|(HTTP|HTTPS):[0-9]{1,5}/[\\s\\S]{0,1023})$",
    check: |text| parse_target(text).map(|_| ()),
};

/// The longest path that AWS takes.
const MAX_PATH: usize = 1024;

fn parse_target(text: &str) -> Result<HealthTarget, Refusal> {
    let form =
        |reason: String| Refusal::new(reason).hint("TCP:port, SSL:port, HTTP:port/path or HTTPS:port/path");
    let Some((protocol, rest)) = text.split_once(':') else {
        return Err(form(format!("{} is not a health check target", shown(text))));
    };
    let known = match protocol {
        "TCP" => ClassicProtocol::Tcp,
        "SSL" => ClassicProtocol::Ssl,
        "HTTP" => ClassicProtocol::Http,
        "HTTPS" => ClassicProtocol::Https,
        _ if matches!(protocol.to_ascii_uppercase().as_str(), "TCP" | "SSL" | "HTTP" | "HTTPS") => {
            let upper = protocol.to_ascii_uppercase();
            return Err(Refusal::new(format!("the protocol {protocol} is in lower case"))
                .hint(format!("write {upper}:{}", rest.strip_prefix("//").unwrap_or(rest))));
        }
        _ => return Err(form(format!("{} is not a protocol of health checks", shown(protocol)))),
    };
    let (digits, path) = rest.find('/').map_or((rest, None), |at| (&rest[..at], Some(&rest[at..])));
    let port = match digits.parse::<u16>() {
        Ok(port) if port != 0 && port.to_string() == digits => port,
        Ok(_) | Err(_) => return Err(form(format!("{} is not a port", shown(digits)))),
    };
    match path {
        Some(_) if !known.is_http() => Err(Refusal::new(format!("a {protocol} check has no path"))
            .hint(format!("write {protocol}:{port}, or HTTP:{rest}"))),
        None if known.is_http() => Err(Refusal::new(format!("an {protocol} check needs a path"))
            .hint(format!("write {protocol}:{port}/"))),
        Some(path) if path.len() > MAX_PATH => {
            Err(Refusal::new(format!("the path has {} bytes, at most {MAX_PATH} are allowed", path.len())))
        }
        Some(path) if !path.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Err(Refusal::new("the path has characters that a request line cannot carry")
                .hint("percent-encode them"))
        }
        path => Ok(HealthTarget { protocol: known, port, path: path.map(str::to_owned) }),
    }
}

/// Decodes `health_check:`; `default` is the target where none is given.
pub(super) fn decode(
    item: Option<&Item>,
    default: HealthTarget,
    problems: &mut Problems,
) -> Read<HealthCheck> {
    let Some(item) = item else {
        return Ok(HealthCheck {
            target: default,
            interval: INTERVAL,
            timeout: TIMEOUT,
            healthy_threshold: HEALTHY,
            unhealthy_threshold: UNHEALTHY,
        });
    };
    item.as_map()?;
    let (interval, timeout) = (item.seconds("interval", INTERVAL)?, item.seconds("timeout", TIMEOUT)?);
    if timeout >= interval {
        let refusal =
            Refusal::new(format!("the timeout, {timeout}, is not less than the interval, {interval}"))
                .hint("AWS waits for an answer before it asks again");
        item.get("timeout").unwrap_or(item.at("interval")).report(problems, refusal);
    }
    let target = match item.text("target")? {
        Some(text) => parse_target(text).map_err(|_| Invalid)?,
        None => default,
    };
    Ok(HealthCheck {
        target,
        interval,
        timeout,
        healthy_threshold: item.number("healthy_threshold")?.unwrap_or(HEALTHY),
        unhealthy_threshold: item.number("unhealthy_threshold")?.unwrap_or(UNHEALTHY),
    })
}

const INTERVAL: Seconds = Seconds(10);
const TIMEOUT: Seconds = Seconds(5);
const HEALTHY: u8 = 2;
const UNHEALTHY: u8 = 3;
