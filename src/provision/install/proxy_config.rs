//! The proxy's configuration file, as `elbws-proxy` reads it.

use std::fmt::Write as _;

use crate::provision::spec::Hsts;
use crate::provision::spec::proxy::{
    Accept, AccessLog, AccessLogFormat, Balance, DrainingHealth, Proxy, Route, UpstreamHeader, UrlScheme,
};

/// Returns the configuration that a spec's `proxy` asks for.
///
/// What the spec leaves to the proxy is left out, so that the proxy's own default holds.
#[must_use]
pub fn proxy_config(proxy: &Proxy) -> String {
    let mut file = File(String::from("# Written by elbws from the stack's spec: docs/proxy.md.\n"));
    file.list("listen", proxy.listen.iter().map(|bind| plain_or_quoted(&bind.to_string())));
    file.field("health", &plain_or_quoted(&proxy.health.to_string()));
    if let Some(metrics) = &proxy.metrics {
        file.field("metrics", &plain_or_quoted(&metrics.to_string()));
    }
    file.field("accept", accept(proxy.accept));
    if !proxy.trusted.is_empty() {
        file.list("trusted", proxy.trusted.iter().map(|net| quoted(&net.to_string())));
    }
    let schemes = proxy.scheme_by_port.iter().map(|(port, scheme)| match scheme {
        UrlScheme::Http => format!("{port}: http"),
        UrlScheme::Https => format!("{port}: https"),
    });
    file.field("scheme_by_port", &format!("{{ {} }}", schemes.collect::<Vec<_>>().join(", ")));
    file.optional("https_port", proxy.https_port);
    file.field("redirect_http", &proxy.redirect_http.to_string());
    file.optional("hsts", proxy.hsts.map(hsts));
    limits(&mut file, proxy);
    if proxy.access_log != AccessLog::Off {
        let place = match &proxy.access_log {
            AccessLog::Off => "off".to_owned(),
            AccessLog::Stdout => "stdout".to_owned(),
            AccessLog::Path(path) => quoted(path),
        };
        file.field("access_log", &place);
        file.field(
            "access_log_format",
            match proxy.access_log_format {
                AccessLogFormat::Json => "json",
                AccessLogFormat::Combined => "combined",
            },
        );
    }
    file.field(
        "health_while_draining",
        match proxy.health_while_draining {
            DrainingHealth::Pass => "pass",
            DrainingHealth::Fail => "fail",
        },
    );
    if proxy.reason_header {
        file.field("reason_header", "true");
    }
    file.0.push_str("routes:\n");
    for found in &proxy.routes {
        // Writing to a String cannot fail.
        let _ = writeln!(file.0, "  - {{ {} }}", route(found));
    }
    file.0
}

fn limits(file: &mut File, proxy: &Proxy) {
    file.optional("header_timeout", proxy.header_timeout);
    file.optional("request_timeout", proxy.request_timeout);
    file.optional("connect_timeout", proxy.connect_timeout);
    file.field("keep_alive", &proxy.keep_alive.to_string());
    file.field("tunnel_idle", &proxy.tunnel_idle.to_string());
    file.optional("ping_interval", proxy.ping_interval);
    if proxy.ping_backend {
        file.field("ping_backend", "true");
    }
    file.field("drain", &proxy.drain.to_string());
    file.optional("max_head", proxy.max_head);
    file.optional("workers", proxy.workers);
    file.optional("max_connections", proxy.max_connections);
    file.optional("max_connections_per_client", proxy.max_connections_per_client);
    file.optional("max_tunnels", proxy.max_tunnels);
}

/// The text of the file so far.
struct File(String);

impl File {
    fn field(&mut self, name: &str, value: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name}: {value}");
    }

    fn optional(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.field(name, &value.to_string());
        }
    }

    fn list(&mut self, name: &str, values: impl Iterator<Item = String>) {
        self.field(name, &format!("[{}]", values.collect::<Vec<_>>().join(", ")));
    }
}

fn accept(accept: Accept) -> &'static str {
    match accept {
        Accept::V1 => "v1",
        Accept::V2 => "v2",
        Accept::Any => "any",
        Accept::Off => "off",
    }
}

fn hsts(hsts: Hsts) -> String {
    let Hsts { max_age, include_subdomains, preload } = hsts;
    format!("{{ max_age: {max_age}, include_subdomains: {include_subdomains}, preload: {preload} }}")
}

fn route(route: &Route) -> String {
    let mut fields = vec![format!("path: {}", quoted(&route.path))];
    if let Some(host) = &route.host {
        fields.push(format!("host: {}", quoted(host)));
    }
    fields.push(match route.upstream.as_slice() {
        [one] => format!("upstream: {}", quoted(one)),
        several => {
            let several: Vec<String> = several.iter().map(|upstream| quoted(upstream)).collect();
            format!("upstream: [{}]", several.join(", "))
        }
    });
    if route.balance == Balance::LeastConnections {
        fields.push("balance: least_connections".to_owned());
    }
    match route.proxy_protocol {
        Some(UpstreamHeader::V1) => fields.push("proxy_protocol: v1".to_owned()),
        Some(UpstreamHeader::V2) => fields.push("proxy_protocol: v2".to_owned()),
        None => {}
    }
    if let Some(redirect) = route.redirect_http {
        fields.push(format!("redirect_http: {redirect}"));
    }
    fields.join(", ")
}

/// Leaves a number as it is.
fn plain_or_quoted(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.to_owned() } else { quoted(text) }
}

/// A JSON string, which is a double-quoted scalar of YAML 1.2 as well.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
