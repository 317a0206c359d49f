//! Changes of Network load balancers.

use super::{Change, change};
use crate::v2::stacks::{NETWORK, SECURE, STATIC};

pub(super) const CHANGES: &[Change] = &[
    change(NETWORK, "network: nothing", &[]),
    change(NETWORK, "network: a tag more", &[("{ Team: realtime }", "{ Team: realtime, Cost: low }")]),
    change(NETWORK, "network: no tags", &[("tags: { Team: realtime }\n", "")]),
    change(NETWORK, "network: a subnet more", &[("\"${subnet-b}\"]", "\"${subnet-b}\", \"${subnet-c}\"]")]),
    change(NETWORK, "network: all subnets", &[("[\"${subnet-a}\", \"${subnet-b}\"]", "all")]),
    change(NETWORK, "network: an instance more", &[("[\"${one}\"]", "[\"${one}\", \"${two}\"]")]),
    change(NETWORK, "network: an instance less", &[("ids: [\"${one}\"], ", "")]),
    change(NETWORK, "network: instances of other tags", &[("App: ws-chat", "App: two")]),
    change(
        NETWORK,
        "network: the instances' group left alone",
        &[("tags: { App: ws-chat } }", "tags: { App: ws-chat }, manage_security_group: false }")],
    ),
    change(NETWORK, "network: another domain", &[("domain: chat.example.com", "domain: other.example.org")]),
    change(
        NETWORK,
        "network: a certificate from files",
        &[("domain: chat.example.com", "files: { certificate: cert.pem, private_key: key.pem }")],
    ),
    change(
        NETWORK,
        "network: a certificate by SNI",
        &[(
            "certificate: { domain: chat.example.com }",
            "certificate: { domain: chat.example.com, additional: [ { domain: other.example.org } ] }",
        )],
    ),
    change(NETWORK, "network: scheme", &[("internet-facing", "internal")]),
    change(NETWORK, "network: ingress", &[("[0.0.0.0/0]", "[\"10.0.0.0/8\"]")]),
    change(
        NETWORK,
        "network: ssl_policy",
        &[("ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06")],
    ),
    change(NETWORK, "network: cross_zone", &[("cross_zone: true", "cross_zone: false")]),
    change(
        NETWORK,
        "network: alpn_policy",
        &[(
            "target_group: web }\n    - { port: 80",
            "alpn_policy: http2_optional, target_group: web }\n    - { port: 80",
        )],
    ),
    change(
        NETWORK,
        "network: tls to tcp",
        &[
            ("protocol: tls, ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-06", "protocol: tcp"),
            ("certificate: { domain: chat.example.com }\n", ""),
        ],
    ),
    change(
        NETWORK,
        "network: a listener less",
        &[("  idle_timeout: 1h\n", ""), ("    - { port: 80, protocol: tcp, target_group: web }\n", "")],
    ),
    change(NETWORK, "network: a group's port", &[("web: { port: 80,", "web: { port: 81,")]),
    change(NETWORK, "network: proxy_protocol", &[("proxy_protocol: true", "proxy_protocol: false")]),
    change(
        NETWORK,
        "network: preserve_client_ip",
        &[("proxy_protocol: true", "proxy_protocol: true, preserve_client_ip: true")],
    ),
    change(
        NETWORK,
        "network: connection_termination",
        &[("proxy_protocol: true", "proxy_protocol: true, connection_termination: false")],
    ),
    change(
        NETWORK,
        "network: deregistration_delay",
        &[("deregistration_delay: 10s", "deregistration_delay: 20s")],
    ),
    change(NETWORK, "network: health_check over tcp", &[("path: /healthz, protocol: http", "protocol: tcp")]),
    change(
        NETWORK,
        "network: idle_timeout of a listener",
        &[("protocol: tcp, target_group: web }", "protocol: tcp, target_group: web, idle_timeout: 1000s }")],
    ),
    change(
        NETWORK,
        "network: ip_address_type",
        &[("  scheme: internet-facing\n", "  scheme: internet-facing\n  ip_address_type: dualstack\n")],
    ),
    change(
        NETWORK,
        "network: deletion_protection",
        &[("deletion_protection: false", "deletion_protection: true")],
    ),
    change(
        NETWORK,
        "network: access_logs",
        &[("  cross_zone: true\n", "  cross_zone: true\n  access_logs: { bucket: logs, prefix: nlb }\n")],
    ),
    change(NETWORK, "network: idle_timeout", &[("idle_timeout: 1h", "idle_timeout: 6000s")]),
    change(
        NETWORK,
        "network: a listener more",
        &[("    - { port: 80,", "    - { port: 8080, protocol: tcp, target_group: web }\n    - { port: 80,")],
    ),
    change(
        NETWORK,
        "network: a listener's port",
        &[("port: 80, protocol: tcp,", "port: 81, protocol: tcp,")],
    ),
    change(
        NETWORK,
        "network: unhealthy_connection_termination",
        &[("proxy_protocol: true", "proxy_protocol: true, unhealthy_connection_termination: false")],
    ),
    change(
        NETWORK,
        "network: targets by address",
        &[("web: { port: 80,", "web: { port: 80, ips: [172.31.0.50],")],
    ),
    change(NETWORK, "network: a group's ports", &[("web: { port: 80,", "web: { port: 80, ports: [80, 81],")]),
    change(NETWORK, "network: health_check.path", &[("path: /healthz", "path: /up")]),
    change(NETWORK, "network: health_check.port", &[("port: 8081", "port: 8082")]),
    change(
        NETWORK,
        "network: health_check's other fields",
        &[(
            "path: /healthz, protocol: http",
            "path: /healthz, protocol: http, matcher: \"200-599\", interval: 20s, timeout: 6s, healthy_threshold: 3, unhealthy_threshold: 4",
        )],
    ),
    change(
        STATIC,
        "network: an address more",
        &[("  listeners:", "    - { subnet: \"${subnet-c}\", allocation: \"${address-c}\" }\n  listeners:")],
    ),
    change(STATIC, "network: another address", &[("${address-b}", "${address-c}")]),
    change(
        STATIC,
        "network: addresses of AWS's choice",
        &[(
            "  addresses:\n    - { subnet: \"${subnet-a}\", allocation: \"${address-a}\" }\n    - { subnet: \"${subnet-b}\", allocation: \"${address-b}\" }\n",
            "",
        )],
    ),
    change(STATIC, "network: stickiness", &[("stickiness: true", "stickiness: false")]),
    change(SECURE, "network: no alpn_policy", &[(" alpn_policy: http2_optional,", "")]),
    change(
        SECURE,
        "network: a group's protocol",
        &[("web: { port: 8443, protocol: tls,", "web: { port: 8443,")],
    ),
    change(SECURE, "network: health_check.protocol", &[("protocol: https", "protocol: http")]),
];
