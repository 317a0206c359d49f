//! Changes of the load balancer itself and its health check.

use super::{Change, change, change_of};
use crate::stacks::NOBODY;

pub(super) const CHANGES: &[Change] = &[
    // The load balancer.
    change(
        "its name",
        &[("  name: ws-chat", "  name: ws-new")],
        &[
            "delete security-group/old: name",
            "create security-group/ws-new: name vpc ingress",
            "update admission/group: source",
            "delete load-balancer/ws-chat: dns_name listeners instances",
            "create load-balancer/ws-new: scheme security_groups subnets tags.Team tags.elbws:resource tags.elbws:stack vpc",
            "create listener/443: certificate instance_port instance_protocol protocol ssl_policy",
            "create listener/80: instance_port instance_protocol protocol",
            "create listener/8080: instance_port instance_protocol protocol",
            "create policy/ws-new-ELBSecurityPolicy-TLS-1-2-2017-01: type Reference-Security-Policy",
            "create policy/ws-new-proxy-protocol: type ProxyProtocol",
            "create backend-policies/80: policies",
            "create attributes/ws-new: access_logs.bucket access_logs.interval access_logs.prefix connection_draining cross_zone idle_timeout",
            "create health-check/ws-new: healthy_threshold interval target timeout unhealthy_threshold",
            "create target/chat: state",
            "create target/one: state",
        ],
    ),
    change(
        "its scheme",
        &[("internet-facing", "internal")],
        &[
            "replace load-balancer/ws-chat: scheme",
            "replace listener/443: certificate instance_port instance_protocol protocol ssl_policy",
            "replace listener/80: instance_port instance_protocol protocol",
            "replace listener/8080: instance_port instance_protocol protocol",
            "replace policy/ws-chat-ELBSecurityPolicy-TLS-1-2-2017-01: type Reference-Security-Policy",
            "replace policy/ws-chat-proxy-protocol: type ProxyProtocol",
            "replace backend-policies/80: policies",
            "replace attributes/ws-chat: access_logs.bucket access_logs.interval access_logs.prefix connection_draining cross_zone idle_timeout",
            "replace health-check/ws-chat: healthy_threshold interval target timeout unhealthy_threshold",
            "replace target/one: state",
            "replace target/chat: state",
        ],
    ),
    change(
        "ingress, another range",
        &[("[0.0.0.0/0]", r#"["10.0.0.0/8"]"#)],
        &["update security-group/ws-chat: ingress"],
    ),
    change(
        "ingress, one more of IPv6",
        &[("[0.0.0.0/0]", r#"["0.0.0.0/0", "::/0"]"#)],
        &["update security-group/ws-chat: ingress"],
    ),
    change(
        "idle_timeout",
        &[("idle_timeout: 1h", "idle_timeout: 4000s")],
        &["update attributes/ws-chat: idle_timeout"],
    ),
    change("no idle_timeout, whose default it is", &[("  idle_timeout: 1h\n", "")], &[]),
    change(
        "cross_zone",
        &[("cross_zone: true", "cross_zone: false")],
        &["update attributes/ws-chat: cross_zone"],
    ),
    change(
        "access_logs.bucket",
        &[("bucket: logs", "bucket: other-logs")],
        &["update attributes/ws-chat: access_logs.bucket"],
    ),
    change(
        "access_logs.prefix",
        &[("prefix: elb", "prefix: chat")],
        &["update attributes/ws-chat: access_logs.prefix"],
    ),
    change(
        "no access_logs.prefix",
        &[("prefix: elb, ", "")],
        &["update attributes/ws-chat: access_logs.prefix"],
    ),
    change(
        "access_logs.interval",
        &[("interval: 60", "interval: 5")],
        &["update attributes/ws-chat: access_logs.interval"],
    ),
    change(
        "no access_logs",
        &[("  access_logs: { bucket: logs, prefix: elb, interval: 60 }\n", "")],
        &["update attributes/ws-chat: access_logs.bucket access_logs.interval access_logs.prefix"],
    ),
    change(
        "connection_draining",
        &[("connection_draining: 5m", "connection_draining: 60s")],
        &["update attributes/ws-chat: connection_draining"],
    ),
    change(
        "no connection_draining",
        &[("connection_draining: 5m", "connection_draining: false")],
        &["update attributes/ws-chat: connection_draining"],
    ),
    // The health check.
    change(
        "health_check.target",
        &[("HTTP:8081/healthz", "HTTP:8081/health")],
        &["update health-check/ws-chat: target"],
    ),
    change(
        "health_check.target, another port",
        &[("HTTP:8081/healthz", "TCP:80")],
        &["update admission/group: ports", "update health-check/ws-chat: target"],
    ),
    change(
        "health_check.interval",
        &[("interval: 10s", "interval: 20s")],
        &["update health-check/ws-chat: interval"],
    ),
    change(
        "health_check.timeout",
        &[("timeout: 5s", "timeout: 6s")],
        &["update health-check/ws-chat: timeout"],
    ),
    change(
        "health_check.healthy_threshold",
        &[("d: 2,", "d: 4,")],
        &["update health-check/ws-chat: healthy_threshold"],
    ),
    change(
        "health_check.unhealthy_threshold",
        &[("d: 3 }", "d: 4 }")],
        &["update health-check/ws-chat: unhealthy_threshold"],
    ),
    change_of(
        NOBODY,
        "proxy.health, which the default health check asks",
        &[(
            "load_balancer:",
            "proxy: { health: 9000, routes: [ { path: /, upstream: \"127.0.0.1:8000\" } ] }\nload_balancer:",
        )],
        &["update health-check/ws-nobody: target"],
    ),
];
