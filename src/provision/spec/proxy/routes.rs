//! `routes:` of the proxy.

use super::{Balance, Route, UpstreamHeader};
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::problem::{Problems, Refusal};

/// The blog post's applications: the WebSocket server and the web server.
const ROUTES: [(&str, &str); 2] = [("/ws/", "127.0.0.1:9000"), ("/", "127.0.0.1:8000")];

/// Reads the routes of `proxy`.
pub(super) fn decode(proxy: &Item, problems: &mut Problems) -> Read<Vec<Route>> {
    let Some(list) = proxy.get("routes") else {
        return Ok(ROUTES.map(|(path, to)| plain(path, to)).into());
    };
    let mut routes: Vec<Read<Route>> = Vec::new();
    for (at, item) in list.as_list()?.iter().enumerate() {
        let route = route(item, problems);
        if let Ok(route) = &route {
            let same = |other: &Route| other.path == route.path && other.host == route.host;
            let first = routes.iter().position(|other| other.as_ref().is_ok_and(same));
            if let Some(first) = first {
                let refusal =
                    Refusal::new(format!("this route can never match, routes[{first}] has the same path"))
                        .hint(format!("remove routes[{first}] or routes[{at}], or give one a longer path"));
                item.at("path").report(problems, refusal);
            }
        }
        routes.push(route);
    }
    routes.into_iter().collect()
}

fn plain(path: &str, upstream: &str) -> Route {
    Route {
        path: path.to_owned(),
        host: None,
        upstream: vec![upstream.to_owned()],
        balance: Balance::RoundRobin,
        proxy_protocol: None,
        redirect_http: None,
    }
}

fn route(item: &Item, problems: &mut Problems) -> Read<Route> {
    let upstream = item.get("upstream").ok_or(Invalid)?;
    let upstream = match &upstream.value {
        Value::Text(one) => vec![one.clone()],
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Seconds(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Invalid => item.texts("upstream", problems)?,
    };
    if let Some(balance) = item.get("balance").filter(|_| upstream.len() == 1) {
        let refusal = Refusal::new("there is one upstream, and nothing to choose from");
        balance.report(problems, refusal.hint("remove it, or give a list of upstreams"));
    }
    Ok(Route {
        path: item.text("path")?.ok_or(Invalid)?.to_owned(),
        host: item.text("host")?.map(str::to_ascii_lowercase),
        upstream,
        balance: match item.text("balance")? {
            Some("least_connections") => Balance::LeastConnections,
            Some(_) | None => Balance::RoundRobin,
        },
        proxy_protocol: match item.text("proxy_protocol")? {
            Some("v1") => Some(UpstreamHeader::V1),
            Some(_) => Some(UpstreamHeader::V2),
            None => None,
        },
        redirect_http: item.get("redirect_http").map(Item::as_boolean).transpose()?,
    })
}
