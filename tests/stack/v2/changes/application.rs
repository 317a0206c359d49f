//! Changes of Application load balancers.

use super::{Change, change};
use crate::v2::stacks::APPLICATION;

pub(super) const CHANGES: &[Change] = &[
    change(APPLICATION, "application: nothing", &[]),
    change(
        APPLICATION,
        "application: a tag more",
        &[("{ Team: realtime }", "{ Team: realtime, Cost: low }")],
    ),
    change(APPLICATION, "application: no tags", &[("tags: { Team: realtime }\n", "")]),
    change(
        APPLICATION,
        "application: a subnet more",
        &[("\"${subnet-b}\"]", "\"${subnet-b}\", \"${subnet-c}\"]")],
    ),
    change(APPLICATION, "application: all subnets", &[("[\"${subnet-a}\", \"${subnet-b}\"]", "all")]),
    change(APPLICATION, "application: an instance more", &[("[\"${one}\"]", "[\"${one}\", \"${two}\"]")]),
    change(APPLICATION, "application: an instance less", &[("ids: [\"${one}\"], ", "")]),
    change(APPLICATION, "application: instances of other tags", &[("App: ws-chat", "App: two")]),
    change(
        APPLICATION,
        "application: the instances' group left alone",
        &[("tags: { App: ws-chat } }", "tags: { App: ws-chat }, manage_security_group: false }")],
    ),
    change(
        APPLICATION,
        "application: another domain",
        &[("domain: chat.example.com", "domain: other.example.org")],
    ),
    change(
        APPLICATION,
        "application: a certificate from files",
        &[("domain: chat.example.com", "files: { certificate: cert.pem, private_key: key.pem }")],
    ),
    change(
        APPLICATION,
        "application: a certificate by SNI",
        &[(
            "certificate: { domain: chat.example.com }",
            "certificate: { domain: chat.example.com, additional: [ { domain: other.example.org } ] }",
        )],
    ),
    change(APPLICATION, "application: scheme", &[("internet-facing", "internal")]),
    change(APPLICATION, "application: ingress", &[("[0.0.0.0/0]", "[\"10.0.0.0/8\"]")]),
    change(
        APPLICATION,
        "application: ssl_policy",
        &[("ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-TLS13-1-3-2021-06")],
    ),
    change(APPLICATION, "application: idle_timeout", &[("idle_timeout: 1h", "idle_timeout: 1000s")]),
    change(
        APPLICATION,
        "application: client_keep_alive",
        &[("client_keep_alive: 1h", "client_keep_alive: 2h")],
    ),
    change(APPLICATION, "application: http2", &[("http2: true", "http2: false")]),
    change(APPLICATION, "application: desync_mitigation_mode", &[("mode: defensive", "mode: strictest")]),
    change(APPLICATION, "application: drop_invalid_header_fields", &[("fields: false", "fields: true")]),
    change(
        APPLICATION,
        "application: preserve_host_header",
        &[("preserve_host_header: false", "preserve_host_header: true")],
    ),
    change(APPLICATION, "application: xff_header_processing_mode", &[("mode: append", "mode: remove")]),
    change(
        APPLICATION,
        "application: xff_client_port",
        &[("xff_client_port: false", "xff_client_port: true")],
    ),
    change(
        APPLICATION,
        "application: hsts",
        &[("      rules:\n", "      hsts: { max_age: 730d }\n      rules:\n")],
    ),
    change(
        APPLICATION,
        "application: default_action",
        &[
            ("default_action: { forward: web }", "default_action: { forward: ws }"),
            ("default_action: { redirect: https }", "default_action: { forward: web }"),
        ],
    ),
    change(
        APPLICATION,
        "application: a weighted default action",
        &[("default_action: { forward: web }", "default_action: { forward: { web: 9, ws: 1 } }")],
    ),
    change(
        APPLICATION,
        "application: a redirect is a forward",
        &[("default_action: { redirect: https }", "default_action: { forward: web }")],
    ),
    change(
        APPLICATION,
        "application: https to http",
        &[
            (
                "      protocol: https\n      ssl_policy: ELBSecurityPolicy-TLS13-1-2-2021-06\n",
                "      protocol: http\n",
            ),
            ("default_action: { redirect: https }", "default_action: { forward: web }"),
            ("certificate: { domain: chat.example.com }\n", ""),
        ],
    ),
    change(
        APPLICATION,
        "application: a listener more",
        &[(
            "    - { port: 80, protocol: http,",
            "    - { port: 8080, protocol: http, default_action: { forward: web } }\n    - { port: 80, protocol: http,",
        )],
    ),
    change(
        APPLICATION,
        "application: a listener less",
        &[("    - { port: 80, protocol: http, default_action: { redirect: https } }\n", "")],
    ),
    change(APPLICATION, "application: a listener's port", &[("port: 80,", "port: 81,")]),
    change(
        APPLICATION,
        "application: a rule first",
        &[("      rules:\n", "      rules:\n        - { path: /api/*, forward: web }\n")],
    ),
    change(
        APPLICATION,
        "application: a rule last",
        &[(
            "fixed_response: { status: 410 } }\n",
            "fixed_response: { status: 410 } }\n        - { path: /api/*, forward: web }\n",
        )],
    ),
    change(
        APPLICATION,
        "application: a rule less",
        &[("        - { host: old.example.com, redirect: { host: new.example.com } }\n", "")],
    ),
    change(
        APPLICATION,
        "application: rules in another order",
        &[
            ("        - { path: /ws/*, forward: ws }\n", ""),
            (
                "fixed_response: { status: 410 } }\n",
                "fixed_response: { status: 410 } }\n        - { path: /ws/*, forward: ws }\n",
            ),
        ],
    ),
    change(APPLICATION, "application: a rule's path", &[("path: /gone", "path: /away")]),
    change(APPLICATION, "application: a rule's action", &[("status: 410", "status: 404")]),
    change(
        APPLICATION,
        "application: a rule's group",
        &[("/ws/*, forward: ws", "/ws/*, forward: { ws: 1, web: 1 }")],
    ),
    change(APPLICATION, "application: a group's port", &[("port: 9000", "port: 9001")]),
    change(APPLICATION, "application: the default group's port", &[("port: 8000", "port: 8002")]),
    change(
        APPLICATION,
        "application: a group's ports",
        &[("port: 9000,", "port: 9000, ports: [9000, 9001],")],
    ),
    change(
        APPLICATION,
        "application: a group's protocol",
        &[("ws: { port: 9000,", "ws: { port: 9000, protocol: https,")],
    ),
    change(
        APPLICATION,
        "application: health_check.path",
        &[("path: /up, port: 8081, matcher", "path: /ok, port: 8081, matcher")],
    ),
    change(
        APPLICATION,
        "application: health_check.port",
        &[("path: /up, port: 8081, matcher", "path: /up, port: 8082, matcher")],
    ),
    change(APPLICATION, "application: health_check.matcher", &[("matcher: \"200\"", "matcher: \"200-299\"")]),
    change(APPLICATION, "application: health_check.interval", &[("interval: 10s", "interval: 20s")]),
    change(
        APPLICATION,
        "application: health_check.thresholds",
        &[("healthy_threshold: 2, unhealthy_threshold: 3", "healthy_threshold: 3, unhealthy_threshold: 4")],
    ),
    change(APPLICATION, "application: stickiness", &[("stickiness: 1d", "stickiness: 2d")]),
    change(
        APPLICATION,
        "application: stickiness of the app",
        &[("stickiness: 1d", "stickiness: { cookie: session }")],
    ),
    change(APPLICATION, "application: no stickiness", &[(" stickiness: 1d,", "")]),
    change(
        APPLICATION,
        "application: deregistration_delay",
        &[("deregistration_delay: 5m", "deregistration_delay: 6m")],
    ),
    change(
        APPLICATION,
        "application: algorithm",
        &[("algorithm: round_robin", "algorithm: least_outstanding_requests")],
    ),
    change(
        APPLICATION,
        "application: slow_start",
        &[("algorithm: round_robin", "algorithm: round_robin, slow_start: 60s")],
    ),
    change(
        APPLICATION,
        "application: access_logs",
        &[("  idle_timeout: 1h\n", "  idle_timeout: 1h\n  access_logs: { bucket: logs, prefix: alb }\n")],
    ),
    change(
        APPLICATION,
        "application: connection_logs",
        &[("  idle_timeout: 1h\n", "  idle_timeout: 1h\n  connection_logs: { bucket: logs }\n")],
    ),
    change(
        APPLICATION,
        "application: deletion_protection",
        &[("deletion_protection: false", "deletion_protection: true")],
    ),
    change(
        APPLICATION,
        "application: ip_address_type",
        &[("  scheme: internet-facing\n", "  scheme: internet-facing\n  ip_address_type: dualstack\n")],
    ),
    change(
        APPLICATION,
        "application: the same certificate by its ARN",
        &[("domain: chat.example.com", "arn: \"${arn}\"")],
    ),
    change(
        APPLICATION,
        "application: a fixed response by default",
        &[(
            "default_action: { redirect: https }",
            "default_action: { fixed_response: { status: 503, body: later, content_type: text/html } }",
        )],
    ),
    change(
        APPLICATION,
        "application: visitors stay with their group",
        &[(
            "default_action: { forward: web }",
            "default_action: { forward: { web: 9, ws: 1 }, stickiness: 1h }",
        )],
    ),
    change(
        APPLICATION,
        "application: a rule's host",
        &[("host: old.example.com", "host: [old.example.com, older.example.com]")],
    ),
    change(
        APPLICATION,
        "application: a rule's path and host",
        &[("path: /ws/*, forward", "path: [/ws, /ws/*], host: chat.example.com, forward")],
    ),
    change(
        APPLICATION,
        "application: a redirect's parts",
        &[(
            "redirect: { host: new.example.com }",
            "redirect: { protocol: https, host: \"www.#{host}\", port: 8443, path: \"/moved/#{path}\", query: \"from=old\", status: 302 }",
        )],
    ),
    change(
        APPLICATION,
        "application: a fixed response's body",
        &[("{ status: 410 }", "{ status: 410, body: gone, content_type: text/html }")],
    ),
    change(
        APPLICATION,
        "application: no rules",
        &[(
            "      rules:\n        - { path: /ws/*, forward: ws }\n        - { host: old.example.com, redirect: { host: new.example.com } }\n        - { path: /gone, fixed_response: { status: 410 } }\n",
            "      rules: [ { path: /ws/*, forward: ws } ]\n",
        )],
    ),
    change(
        APPLICATION,
        "application: a group's name",
        &[("/ws/*, forward: ws }", "/ws/*, forward: sockets }"), ("    ws: { port", "    sockets: { port")],
    ),
    change(
        APPLICATION,
        "application: targets by address",
        &[("ws: { port: 9000,", "ws: { port: 9000, ips: [172.31.0.50, 172.31.0.51],")],
    ),
    change(
        APPLICATION,
        "application: health_check.protocol",
        &[("path: /up, port: 8081, matcher", "path: /up, protocol: https, port: 8081, matcher")],
    ),
    change(APPLICATION, "application: health_check.timeout", &[("timeout: 5s", "timeout: 6s")]),
];
