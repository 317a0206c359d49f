//! Reading `proxy:`, and what must hold between it and the load balancer in front of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::{AccessLog, AccessLogFormat, Bind, Deploy, DrainingHealth, Proxy, UrlScheme, routes};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::{Behind, Front};
use crate::provision::spec::problem::{Problems, Refusal};
use crate::provision::spec::{Seconds, hsts};

const HEALTH: Bind = Bind { address: None, port: 8081 };
const METRICS: Bind = Bind { address: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)), port: 9145 };
const DRAIN: Seconds = Seconds(300);

/// Decodes `proxy:`; `false` turns the proxy off.
pub(in crate::provision::spec) fn decode(
    item: &Item,
    front: Read<&Front>,
    problems: &mut Problems,
) -> Read<Option<Proxy>> {
    if matches!(item.value, Value::Boolean(false)) {
        return Ok(None);
    }
    if matches!(item.value, Value::Invalid) {
        return Err(Invalid);
    }
    let health = health(item);
    let metrics = metrics(item);
    let routes = routes::decode(item, problems);
    let hsts = hsts::decode(item.get("hsts"), problems);
    let deploy = deploy(item, problems);
    let given_listen = item.get("listen").map(|listen| listen_list(listen, problems)).transpose();
    let front = front?;
    let listen = given_listen?.unwrap_or_else(|| {
        front.instance_ports().into_iter().map(|port| Bind { address: None, port }).collect()
    });
    let fronted = super::fronted::Fronted { item, front, listen: &listen };
    let accept = fronted.accept(problems);
    let redirect_http = fronted.redirect_http(problems);
    let scheme_by_port = scheme_by_port(item, front);
    let ping_interval = fronted.ping_interval(problems);
    let trusted = fronted.trusted(problems);
    let optional = |name: &str| item.get(name).map(Item::as_seconds).transpose();
    let proxy = Proxy {
        health: health?,
        metrics: metrics?,
        redirect_http: redirect_http?,
        routes: routes?,
        accept: accept?,
        trusted: trusted?,
        scheme_by_port: scheme_by_port?,
        tunnel_idle: item.seconds("tunnel_idle", fronted.tunnel_idle())?,
        ping_interval: ping_interval?,
        keep_alive: item.seconds("keep_alive", fronted.keep_alive())?,
        header_timeout: optional("header_timeout")?,
        request_timeout: optional("request_timeout")?,
        connect_timeout: optional("connect_timeout")?,
        https_port: item.number("https_port")?,
        hsts: hsts?,
        ping_backend: item.boolean("ping_backend", false)?,
        max_head: item.number("max_head")?,
        max_connections_per_client: item.number("max_connections_per_client")?,
        max_tunnels: item.number("max_tunnels")?,
        access_log_format: match item.text("access_log_format")? {
            Some("combined") => AccessLogFormat::Combined,
            Some(_) | None => AccessLogFormat::Json,
        },
        health_while_draining: match item.text("health_while_draining")? {
            Some("fail") => DrainingHealth::Fail,
            Some(_) | None => DrainingHealth::Pass,
        },
        reason_header: item.boolean("reason_header", false)?,
        drain: item.seconds("drain", DRAIN)?,
        workers: item.number("workers")?,
        max_connections: item.number("max_connections")?,
        access_log: match item.text("access_log")? {
            None | Some("off") => AccessLog::Off,
            Some("stdout") => AccessLog::Stdout,
            Some(path) => AccessLog::Path(path.to_owned()),
        },
        deploy: deploy?,
        listen,
    };
    super::fronted::check_addresses(item, &proxy, problems);
    Ok(Some(proxy))
}

/// Where the proxy answers health checks.
pub(in crate::provision::spec) const HEALTHZ: &str = "/healthz";

/// What the load balancer's defaults depend on, read before the load balancer is.
pub(in crate::provision::spec) fn behind(item: &Item) -> Read<Behind> {
    if matches!(item.value, Value::Boolean(false)) {
        return Ok(Behind::Unknown);
    }
    let listen = match item.get("listen").map(|listen| (listen, &listen.value)) {
        None => None,
        Some((_, Value::List(items))) => {
            Some(items.iter().filter_map(|item| bind(item).ok()).map(|bind| bind.port).collect())
        }
        Some((one, _)) => bind(one).ok().map(|bind| BTreeSet::from([bind.port])),
    };
    Ok(Behind::Proxy { health: health(item)?, listen })
}

fn health(item: &Item) -> Read<Bind> {
    item.get("health").map_or(Ok(HEALTH), bind)
}

fn bind(item: &Item) -> Read<Bind> {
    if let Value::Text(text) = &item.value {
        let address: SocketAddr = text.parse().map_err(|_| Invalid)?;
        return Ok(Bind { address: Some(address.ip()), port: address.port() });
    }
    Ok(Bind { address: None, port: item.as_number()? })
}

fn metrics(item: &Item) -> Read<Option<Bind>> {
    match item.get("metrics").map(|item| (item, &item.value)) {
        None | Some((_, Value::Boolean(true))) => Ok(Some(METRICS)),
        Some((_, Value::Boolean(false))) => Ok(None),
        Some((item, _)) => bind(item).map(Some),
    }
}

fn listen_list(item: &Item, problems: &mut Problems) -> Read<Vec<Bind>> {
    let Value::List(items) = &item.value else { return Ok(vec![bind(item)?]) };
    let mut binds: Vec<Bind> = Vec::new();
    for item in items {
        let bind = bind(item)?;
        if let Some(other) = binds.iter().find(|other| other.overlaps(&bind)) {
            item.report(problems, Refusal::new(format!("{bind} and {other} are one address to listen on")));
        }
        binds.push(bind);
    }
    Ok(binds)
}

fn scheme_by_port(item: &Item, front: &Front) -> Read<BTreeMap<u16, UrlScheme>> {
    let scheme = |secure| if secure { UrlScheme::Https } else { UrlScheme::Http };
    match item.get("scheme_by_port") {
        None => Ok(front.listeners.iter().map(|l| (l.port, scheme(l.secure))).collect()),
        Some(map) => map
            .as_map()?
            .iter()
            .map(|(port, item)| Ok((port.parse().map_err(|_| Invalid)?, scheme(item.as_text()? == "https"))))
            .collect(),
    }
}

fn deploy(item: &Item, problems: &mut Problems) -> Read<Deploy> {
    let Some(item) = item.get("deploy") else { return Ok(Deploy::None) };
    item.as_map()?;
    match (item.text("via")?, item.text("bucket")?) {
        (Some("ssm"), Some(bucket)) => Ok(Deploy::Ssm { bucket: bucket.to_owned() }),
        (Some("ssm"), None) => {
            let refusal =
                Refusal::new("bucket is missing").hint("via: ssm takes the artifact from an S3 bucket");
            item.report(problems, refusal);
            Err(Invalid)
        }
        (_, Some(_)) => {
            let refusal =
                Refusal::new("nothing is deployed, so the bucket is not used").hint("write via: ssm");
            item.at("bucket").report(problems, refusal);
            Err(Invalid)
        }
        (_, None) => Ok(Deploy::None),
    }
}
