//! `elbws proxy-config`: what it prints is what the proxy takes, and says what the load balancer in front needs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use elbws::provision::install::proxy_config;
use elbws::provision::spec::{self, LoadBalancer, Spec};
use elbws::proxy::config::{Accept, Config, Scheme};
use elbws::proxy::proxy_protocol::Versions;

use crate::specs::yaml_files;

/// Every spec with a proxy, by its file.
fn proxied() -> Vec<(String, Spec)> {
    let files = ["specs", "tests/stack/good_specs"].into_iter().flat_map(yaml_files);
    let specs = files.map(|file| {
        let text = fs::read_to_string(&file).unwrap();
        (file.display().to_string(), spec::parse("x", &text, Path::new("")).unwrap())
    });
    let specs: Vec<_> = specs.filter(|(_, spec)| spec.proxy.is_some()).collect();
    assert!(specs.len() >= 9, "{}", specs.len());
    specs
}

fn config(spec: &Spec) -> Config {
    let text = proxy_config(spec.proxy.as_ref().unwrap());
    Config::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

fn config_of(text: &str) -> Config {
    let head = "stack: chat\ncertificate: { domain: chat.example.com }\ninstances: { tags: { App: chat } }\n";
    config(&spec::parse("x", &format!("{head}{text}"), Path::new("")).unwrap())
}

#[test]
fn the_proxy_takes_it_for_every_spec() {
    for (file, spec) in proxied() {
        let (config, proxy) = (config(&spec), spec.proxy.unwrap());
        assert_eq!(config.listen.len(), proxy.listen.len(), "{file}");
        assert_eq!(config.routes.len(), proxy.routes.len(), "{file}");
        assert_eq!(config.routes[0].redirect_http, proxy.redirect_http, "{file}");
        let version = match (&spec.load_balancer, config.accept) {
            (LoadBalancer::Classic(_), Accept::Header(Versions::V1)) => "v1",
            (LoadBalancer::Network(_), Accept::Header(Versions::V2)) => "v2",
            (LoadBalancer::Application(_), Accept::Off) => "off",
            (_, accept) => panic!("{file}: {accept:?}"),
        };
        assert_eq!(config.trusted.is_empty(), version != "off" && proxy.trusted.is_empty(), "{file}");
        let ping = config.limits.ping_interval.unwrap();
        let idle = match &spec.load_balancer {
            LoadBalancer::Classic(balancer) => balancer.idle_timeout,
            LoadBalancer::Application(balancer) => balancer.idle_timeout,
            LoadBalancer::Network(balancer) => {
                balancer.listeners.iter().map(spec::NetworkListener::idle).min().unwrap()
            }
        };
        assert!(ping < Duration::from_secs(idle.get().into()), "{file}: {ping:?}");
        if !matches!(spec.load_balancer, LoadBalancer::Network(_)) {
            assert!(config.limits.tunnel_idle > Duration::from_secs(idle.get().into()), "{file}");
            assert!(config.limits.keep_alive > Duration::from_secs(idle.get().into()), "{file}");
        }
    }
}

#[test]
fn the_program_itself_takes_what_the_verb_prints() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = ["specs", "tests/stack/good_specs"].into_iter().flat_map(yaml_files).collect();
    let mut checked = 0;
    for file in files {
        let printed =
            Command::new(env!("CARGO_BIN_EXE_elbws")).arg("proxy-config").arg(&file).output().unwrap();
        if !printed.status.success() {
            let error = String::from_utf8(printed.stderr).unwrap();
            assert!(error.contains("has no proxy"), "{}: {error}", file.display());
            assert_eq!(printed.status.code(), Some(64));
            continue;
        }
        let path = folder.path().join("proxy.yaml");
        fs::write(&path, &printed.stdout).unwrap();
        let proxy = Command::new(env!("CARGO_BIN_EXE_elbws-proxy"))
            .args(["--check", "--config"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(proxy.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&proxy.stderr));
        checked += 1;
    }
    assert!(checked >= 9, "{checked}");
}

#[test]
fn every_field_arrives() {
    let config = config_of(
        r#"
load_balancer: { type: network }
proxy:
  listen: [80, "[::1]:8080"]
  health: "0.0.0.0:8090"
  metrics: 9200
  accept: any
  trusted: [10.0.0.0/8, "fd00::/8"]
  scheme_by_port: { 443: https, 8080: http }
  https_port: 8443
  redirect_http: false
  hsts: { max_age: 365d, include_subdomains: true, preload: true }
  header_timeout: 11s
  request_timeout: 61s
  connect_timeout: 6s
  keep_alive: 2h
  tunnel_idle: 3h
  ping_interval: 20s
  ping_backend: true
  drain: 0
  max_head: 4096
  workers: 3
  max_connections: 1000
  max_connections_per_client: 10
  max_tunnels: 500
  access_log: "/var/log/a \"b\".log"
  access_log_format: combined
  health_while_draining: fail
  reason_header: true
  routes:
    - { path: /ws/, host: Chat.example.com, upstream: ["127.0.0.1:9000", "unix:/run/a b.sock"], balance: least_connections, proxy_protocol: v2, redirect_http: true }
    - { path: /, upstream: "app.internal:8000" }
"#,
    );
    let expected = Config::parse(
        r#"
listen: [80, "[::1]:8080"]
health: "0.0.0.0:8090"
metrics: 9200
accept: any
trusted: [10.0.0.0/8, "fd00::/8"]
scheme_by_port: { 443: https, 8080: http }
https_port: 8443
hsts: { max_age: 365d, include_subdomains: true, preload: true }
header_timeout: 11s
request_timeout: 61s
connect_timeout: 6s
keep_alive: 2h
tunnel_idle: 3h
ping_interval: 20s
ping_backend: true
drain: 0
max_head: 4096
workers: 3
max_connections: 1000
max_connections_per_client: 10
max_tunnels: 500
access_log: "/var/log/a \"b\".log"
access_log_format: combined
health_while_draining: fail
reason_header: true
routes:
  - { path: /ws/, host: chat.example.com, upstream: ["127.0.0.1:9000", "unix:/run/a b.sock"], balance: least_connections, proxy_protocol: v2, redirect_http: true }
  - { path: /, upstream: "app.internal:8000" }
"#,
    )
    .unwrap();
    // The two texts differ, and say the same.
    assert_eq!(Config { sha256: expected.sha256.clone(), ..config }, expected);
}

#[test]
fn behind_an_alb_the_load_balancer_alone_says_who_the_visitor_is() {
    let config = config_of("load_balancer: { type: application }\n");
    assert_eq!(config.accept, Accept::Off);
    let inside = |text: &str| {
        config.trusted.iter().any(|net| net.contains(&text.parse::<std::net::IpAddr>().unwrap()))
    };
    assert!(inside("10.1.2.3") && inside("172.31.0.9") && inside("127.0.0.1"));
    assert!(!inside("203.0.113.7"));
    assert!(!config.routes[0].redirect_http, "the load balancer redirects by itself");
}

#[test]
fn behind_an_nlb_the_shortest_timeout_sets_the_pings() {
    let config = config_of("load_balancer: { type: network }\n");
    // A tls listener's connections end after 350 seconds of silence.
    assert_eq!(config.limits.ping_interval, Some(Duration::from_secs(116)));
    assert_eq!(config.scheme_by_port[&443], Scheme::Https);
    assert_eq!(config.scheme_by_port[&80], Scheme::Http);
    assert!(config.routes[0].redirect_http);
    let config = config_of("load_balancer: { type: network }\nproxy: { ping_interval: false }\n");
    assert_eq!(config.limits.ping_interval, None);
}

/// A visitor's own `X-Forwarded-For` must not be believed where nobody rewrites it.
#[test]
fn without_any_header_nobody_is_believed() {
    let config = config_of("load_balancer: { type: network, proxy_protocol: false }\n");
    assert_eq!(config.accept, Accept::Off);
    assert!(config.trusted.is_empty());
}
