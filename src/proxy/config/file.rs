//! The file's own shape and defaults, and the checks that need more than one field.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::optional_header;
use super::scalar::{Endpoint, Moment, OneOrMore, Seconds};
use super::{
    Accept, AccessLog, AccessLogFormat, Balance, Config, ConfigError, DrainingHealth, Limits, Route, Scheme,
    UpstreamAddress, UpstreamHeader,
};
use crate::proxy::proxy_protocol::Versions;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "the proxy's configuration")]
struct File {
    listen: OneOrMore<Endpoint>,
    health: Option<Endpoint>,
    metrics: Option<Endpoint>,
    #[serde(default)]
    accept: AcceptField,
    #[serde(default)]
    trusted: Vec<IpNet>,
    header_optional_until: Option<Moment>,
    scheme_by_port: Option<BTreeMap<u16, SchemeField>>,
    https_port: Option<NonZeroU16>,
    #[serde(default)]
    redirect_http: bool,
    hsts: Option<Hsts>,
    routes: Vec<RouteFields>,
    header_timeout: Option<Seconds>,
    request_timeout: Option<Seconds>,
    connect_timeout: Option<Seconds>,
    keep_alive: Option<Seconds>,
    tunnel_idle: Option<Seconds>,
    drain: Option<Seconds>,
    ping_interval: Option<Seconds>,
    #[serde(default)]
    ping_backend: bool,
    max_head: Option<usize>,
    workers: Option<NonZeroUsize>,
    max_connections: Option<usize>,
    max_connections_per_client: Option<u32>,
    max_tunnels: Option<usize>,
    access_log: Option<String>,
    #[serde(default)]
    access_log_format: FormatField,
    #[serde(default)]
    health_while_draining: DrainingField,
    #[serde(default)]
    reason_header: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a route with path and upstream")]
struct RouteFields {
    path: String,
    host: Option<String>,
    upstream: OneOrMore<UpstreamAddress>,
    #[serde(default)]
    balance: BalanceField,
    proxy_protocol: Option<HeaderField>,
    redirect_http: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "hsts with max_age")]
struct Hsts {
    max_age: Seconds,
    #[serde(default)]
    include_subdomains: bool,
    #[serde(default)]
    preload: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum AcceptField {
    V1,
    V2,
    #[default]
    Any,
    Off,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum SchemeField {
    Http,
    Https,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum BalanceField {
    #[default]
    RoundRobin,
    LeastConnections,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum HeaderField {
    V1,
    V2,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum FormatField {
    #[default]
    Json,
    Combined,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum DrainingField {
    #[default]
    Pass,
    Fail,
}

/// Checks the text at a moment, since it may name a time that must be near.
pub(super) fn parse(yaml: &str, now: SystemTime) -> Result<Config, ConfigError> {
    let file: File = serde_yaml::from_str(yaml).map_err(|error| ConfigError::yaml(&error))?;
    let limits = limits(&file)?;
    let listen: Vec<SocketAddr> = file.listen.0.iter().map(|endpoint| endpoint.0).collect();
    if listen.is_empty() {
        return Err(ConfigError::field("listen", "at least one address is needed"));
    }
    let (health, metrics) = (file.health.map(|at| at.0), file.metrics.map(|at| at.0));
    check_ports(&listen, health, metrics)?;
    let routes = routes(file.routes, file.redirect_http)?;
    let schemes = file
        .scheme_by_port
        .unwrap_or_else(|| BTreeMap::from([(80, SchemeField::Http), (443, SchemeField::Https)]));
    let accept = match file.accept {
        AcceptField::V1 => Accept::Header(Versions::V1),
        AcceptField::V2 => Accept::Header(Versions::V2),
        AcceptField::Any => Accept::Header(Versions::Any),
        AcceptField::Off => Accept::Off,
    };
    let header_optional_until = file.header_optional_until.map(|moment| moment.0);
    if let Some(until) = header_optional_until {
        optional_header::check(until, now, accept, &file.trusted)?;
    }
    Ok(Config {
        listen,
        health,
        metrics,
        accept,
        trusted: file.trusted,
        header_optional_until,
        scheme_by_port: schemes.into_iter().map(|(port, scheme)| (port, scheme.into())).collect(),
        https_port: file.https_port.map(NonZeroU16::get),
        hsts: file.hsts.map(|hsts| hsts.value()),
        routes,
        limits,
        workers: file.workers,
        access_log: access_log(file.access_log.as_deref())?,
        access_log_format: match file.access_log_format {
            FormatField::Json => AccessLogFormat::Json,
            FormatField::Combined => AccessLogFormat::Combined,
        },
        health_while_draining: match file.health_while_draining {
            DrainingField::Pass => DrainingHealth::Pass,
            DrainingField::Fail => DrainingHealth::Fail,
        },
        reason_header: file.reason_header,
        sha256: sha256(yaml),
    })
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn limits(file: &File) -> Result<Limits, ConfigError> {
    let seconds = |name: &str, field: Option<Seconds>, default: u64| {
        let value = field.map_or(Duration::from_secs(default), |seconds| seconds.0);
        if value.is_zero() { Err(ConfigError::field(name, "must be more than zero")) } else { Ok(value) }
    };
    let max_head = file.max_head.unwrap_or(32 * 1024);
    if !(1024..=1024 * 1024).contains(&max_head) {
        return Err(ConfigError::field("max_head", "must be between 1024 and 1048576 bytes"));
    }
    let max_connections = file.max_connections.unwrap_or(100_000);
    let zero = [
        ("max_connections", max_connections == 0),
        ("max_connections_per_client", file.max_connections_per_client == Some(0)),
        ("max_tunnels", file.max_tunnels == Some(0)),
    ];
    if let Some((name, _)) = zero.iter().find(|(_, zero)| *zero) {
        return Err(ConfigError::field(*name, "must be at least 1"));
    }
    Ok(Limits {
        header_timeout: seconds("header_timeout", file.header_timeout, 10)?,
        request_timeout: seconds("request_timeout", file.request_timeout, 60)?,
        connect_timeout: seconds("connect_timeout", file.connect_timeout, 5)?,
        // Longer than the longest idle timeout that elbws configures by default (1 h).
        keep_alive: seconds("keep_alive", file.keep_alive, 65 * 60)?,
        tunnel_idle: seconds("tunnel_idle", file.tunnel_idle, 60 * 60)?,
        drain: file.drain.map_or(Duration::from_mins(5), |seconds| seconds.0),
        ping_interval: file
            .ping_interval
            .map(|_| seconds("ping_interval", file.ping_interval, 0))
            .transpose()?,
        ping_backend: file.ping_backend,
        max_head,
        max_connections,
        max_connections_per_client: file.max_connections_per_client,
        max_tunnels: file.max_tunnels,
    })
}

fn check_ports(
    listen: &[SocketAddr],
    health: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
) -> Result<(), ConfigError> {
    let named = listen.iter().enumerate().map(|(at, address)| (format!("listen[{at}]"), *address));
    let health = health.map(|address| ("health".to_owned(), address));
    let metrics = metrics.map(|address| ("metrics".to_owned(), address));
    let mut seen: Vec<(String, SocketAddr)> = Vec::new();
    for (name, address) in named.chain(health).chain(metrics) {
        let clash = |other: &SocketAddr| {
            let any = other.ip().is_unspecified() || address.ip().is_unspecified();
            other.port() != 0 && other.port() == address.port() && (any || other.ip() == address.ip())
        };
        if let Some((other, _)) = seen.iter().find(|(_, other)| clash(other)) {
            return Err(ConfigError::field(
                name,
                format!("port {} is already used by {other}", address.port()),
            ));
        }
        seen.push((name, address));
    }
    Ok(())
}

fn routes(fields: Vec<RouteFields>, redirect_http: bool) -> Result<Vec<Route>, ConfigError> {
    if fields.is_empty() {
        return Err(ConfigError::field("routes", "at least one route is needed"));
    }
    let mut routes: Vec<Route> = Vec::with_capacity(fields.len());
    for (at, field) in fields.into_iter().enumerate() {
        let clean = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'*');
        if !field.path.starts_with('/') || !field.path.bytes().all(clean) {
            let message = "must begin with / and hold no spaces, ?, # or *";
            return Err(ConfigError::field(format!("routes[{at}].path"), message));
        }
        if field.upstream.0.is_empty() {
            return Err(ConfigError::field(format!("routes[{at}].upstream"), "at least one is needed"));
        }
        let host = field.host.map(|host| host.to_ascii_lowercase());
        let label =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']');
        let ported = |host: &str| !host.bytes().all(label) || host.is_empty();
        if host.as_deref().is_some_and(ported) {
            return Err(ConfigError::field(format!("routes[{at}].host"), "must be a host name without port"));
        }
        if let Some(other) = routes.iter().position(|route| route.path == field.path && route.host == host) {
            let message = format!("routes[{other}] has the same path and host");
            return Err(ConfigError::field(format!("routes[{at}].path"), message));
        }
        routes.push(Route {
            path: field.path,
            host,
            upstreams: field.upstream.0,
            balance: match field.balance {
                BalanceField::RoundRobin => Balance::RoundRobin,
                BalanceField::LeastConnections => Balance::LeastConnections,
            },
            proxy_protocol: field.proxy_protocol.map(|version| match version {
                HeaderField::V1 => UpstreamHeader::V1,
                HeaderField::V2 => UpstreamHeader::V2,
            }),
            redirect_http: field.redirect_http.unwrap_or(redirect_http),
        });
    }
    Ok(routes)
}

fn access_log(field: Option<&str>) -> Result<AccessLog, ConfigError> {
    match field {
        None | Some("off" | "false") => Ok(AccessLog::Off),
        Some("stdout") => Ok(AccessLog::Stdout),
        Some(path) if path.contains('/') => Ok(AccessLog::File(PathBuf::from(path))),
        Some(_) => Err(ConfigError::field("access_log", "must be off, stdout or a path with a slash in it")),
    }
}

impl From<SchemeField> for Scheme {
    fn from(field: SchemeField) -> Self {
        match field {
            SchemeField::Http => Self::Http,
            SchemeField::Https => Self::Https,
        }
    }
}

impl Hsts {
    fn value(&self) -> String {
        let subdomains = if self.include_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.preload { "; preload" } else { "" };
        format!("max-age={}{subdomains}{preload}", self.max_age.0.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(yaml: &str) -> Result<Config, ConfigError> {
        super::parse(yaml, SystemTime::now())
    }

    const SMALLEST: &str = "listen: 80\nroutes: [{ path: /, upstream: \"127.0.0.1:8000\" }]\n";

    #[track_caller]
    fn refused(extra: &str, expected: &str) {
        let error = parse(&format!("{SMALLEST}{extra}\n")).unwrap_err();
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let place = error.place().map(|(line, column)| format!(" at {line}:{column}")).unwrap_or_default();
        assert_eq!(format!("{error}{place}{hint}"), expected);
    }

    #[test]
    fn the_smallest_configuration_has_defaults_for_the_rest() {
        let config = parse(SMALLEST).unwrap();
        assert_eq!(config.listen, ["[::]:80".parse().unwrap()]);
        assert_eq!(config.accept, Accept::Header(Versions::Any));
        assert_eq!(config.scheme_by_port[&443], Scheme::Https);
        assert_eq!(config.limits.drain, Duration::from_mins(5));
        assert_eq!(config.access_log, AccessLog::Off);
        assert_eq!(config.https_port(), None);
    }

    #[test]
    fn a_typo_gets_a_suggestion_and_a_place() {
        refused(
            "tunel_idle: 5m",
            "unknown field `tunel_idle`, expected one of `listen`, `health`, `metrics`, `accept`, `trusted`, \
             `header_optional_until`, `scheme_by_port`, `https_port`, `redirect_http`, `hsts`, `routes`, `header_timeout`, `request_timeout`, \
             `connect_timeout`, `keep_alive`, `tunnel_idle`, `drain`, `ping_interval`, `ping_backend`, `max_head`, `workers`, \
             `max_connections`, `max_connections_per_client`, `max_tunnels`, `access_log`, `access_log_format`, \
             `health_while_draining`, `reason_header` at 3:1 (did you mean `tunnel_idle`?)",
        );
        refused(
            "accept: of",
            "accept: unknown variant `of`, expected one of `v1`, `v2`, `any`, `off` at 3:9 (did you mean `off`?)",
        );
    }

    #[test]
    fn a_wrong_value_is_named_by_field_and_place() {
        refused(
            "drain: soon",
            "drain: invalid value: string \"soon\", expected a duration such as 30s, 5m, 1h or plain seconds at 3:8",
        );
        refused("workers: 0", "workers: invalid value: integer `0`, expected a nonzero usize at 3:10");
        refused("header_timeout: 0", "header_timeout: must be more than zero");
        refused("health: 80", "health: port 80 is already used by listen[0]");
        refused("access_log: stdotu", "access_log: must be off, stdout or a path with a slash in it");
        refused("trusted: [10.0.0.0/33]", "trusted[0]: invalid IP address syntax at 3:11");
    }

    #[test]
    fn routes_are_checked_against_each_other() {
        let two =
            "listen: 80\nroutes:\n  - { path: /a, upstream: \"a:1\" }\n  - { path: /a, upstream: \"b:1\" }\n";
        assert_eq!(
            parse(two).unwrap_err().to_string(),
            "routes[1].path: routes[0] has the same path and host"
        );
        let bad = "listen: 80\nroutes: [{ path: a, upstream: \"a:1\" }]\n";
        let message = "routes[0].path: must begin with / and hold no spaces, ?, # or *";
        assert_eq!(parse(bad).unwrap_err().to_string(), message);
    }

    #[test]
    fn lists_and_single_values_are_both_taken() {
        let yaml =
            "listen: [80, \"127.0.0.1:8080\"]\nroutes:\n  - { path: /, upstream: [\"a:1\", \"unix:/b\"] }\n";
        let config = parse(yaml).unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.routes[0].upstreams.len(), 2);
    }

    #[test]
    fn redirects_name_the_https_port_where_it_is_not_443() {
        let config = parse(&format!("{SMALLEST}scheme_by_port: {{ 8443: https, 8080: http }}\n")).unwrap();
        assert_eq!(config.https_port(), Some(8443));
        // Ports that are mapped on the way are not those that the load balancer knows.
        let config = parse(&format!("{SMALLEST}https_port: 8443\n")).unwrap();
        assert_eq!(config.https_port(), Some(8443));
        let config =
            parse(&format!("{SMALLEST}https_port: 443\nscheme_by_port: {{ 8443: https }}\n")).unwrap();
        assert_eq!(config.https_port(), None);
    }

    #[test]
    fn the_identity_is_that_of_the_text() {
        // printf 'listen: 80\nroutes: [{ path: /, upstream: "127.0.0.1:8000" }]\n' | sha256sum
        assert_eq!(
            parse(SMALLEST).unwrap().sha256,
            "8ee6cef220a3ed74cec221c46b7525ef9dcaea302dec6730867d8ed610ef5810"
        );
    }
}
