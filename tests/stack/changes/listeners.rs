//! Changes of the listeners and of what is spoken to the instances behind them.

use super::{Change, change, change_of};
use crate::stacks::{NOBODY, PLAIN};

const LISTENER_443: &str = "    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp, ssl_policy: ELBSecurityPolicy-TLS-1-2-2017-01 }\n";
const LISTENER_80: &str = "    - { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }\n";
const LISTENER_8080: &str =
    "    - { port: 8080, protocol: http, instance_port: 8000, instance_protocol: http }\n";

pub(super) const CHANGES: &[Change] = &[
    change(
        "a listener more",
        &[(
            "  proxy_protocol:",
            "    - { port: 9443, protocol: ssl, instance_port: 90, instance_protocol: ssl }\n  proxy_protocol:",
        )],
        &[
            "update security-group/ws-chat: ingress",
            "update admission/group: ports",
            "create listener/9443: certificate instance_port instance_protocol protocol ssl_policy",
        ],
    ),
    change(
        "a listener less",
        &[(LISTENER_80, "")],
        &[
            "update security-group/ws-chat: ingress",
            "delete listener/80: instance_port instance_protocol protocol",
        ],
    ),
    change(
        "an http listener less",
        &[(LISTENER_8080, "")],
        &[
            "update security-group/ws-chat: ingress",
            "update admission/group: ports",
            "delete listener/8080: instance_port instance_protocol protocol",
        ],
    ),
    change(
        "a secure listener less",
        &[(LISTENER_443, ""), ("certificate: { domain: chat.example.com }\n", "")],
        &[
            "update security-group/ws-chat: ingress",
            "delete listener/443: certificate instance_port instance_protocol protocol ssl_policy",
            "delete policy/ws-chat-ELBSecurityPolicy-TLS-1-2-2017-01: type Reference-Security-Policy",
        ],
    ),
    change(
        "a listener's port",
        &[("port: 8080", "port: 8888")],
        &[
            "update security-group/ws-chat: ingress",
            "delete listener/8080: instance_port instance_protocol protocol",
            "create listener/8888: instance_port instance_protocol protocol",
        ],
    ),
    change(
        "a listener's protocol",
        &[("port: 80, protocol: tcp", "port: 80, protocol: ssl")],
        &["replace listener/80: certificate protocol ssl_policy"],
    ),
    change(
        "a listener's instance_port",
        &[("instance_port: 8000", "instance_port: 8001")],
        &["update admission/group: ports", "replace listener/8080: instance_port"],
    ),
    change(
        "a listener's instance_protocol",
        &[(
            "port: 8080, protocol: http, instance_port: 8000, instance_protocol: http",
            "port: 8080, protocol: http, instance_port: 8000, instance_protocol: https",
        )],
        &["replace listener/8080: instance_protocol"],
    ),
    change(
        "ssl_policy",
        &[("TLS-1-2-2017-01", "2016-08")],
        &[
            "update listener/443: ssl_policy",
            "create policy/ws-chat-ELBSecurityPolicy-2016-08: type Reference-Security-Policy",
            "delete policy/ws-chat-ELBSecurityPolicy-TLS-1-2-2017-01: type Reference-Security-Policy",
        ],
    ),
    change(
        "proxy_protocol off",
        &[("proxy_protocol: [80]", "proxy_protocol: false")],
        &["delete policy/ws-chat-proxy-protocol: type ProxyProtocol", "delete backend-policies/80: policies"],
    ),
    change_of(
        NOBODY,
        "proxy_protocol as a list of what its default comes to",
        &[("type: classic", "type: classic\n  proxy_protocol: [80]")],
        &[],
    ),
    change_of(
        PLAIN,
        "proxy_protocol on",
        &[("proxy_protocol: false", "proxy_protocol: true")],
        &[
            "create policy/ws-plain-proxy-protocol: type ProxyProtocol",
            "create backend-policies/80: policies",
            "create backend-policies/81: policies",
        ],
    ),
    change_of(
        PLAIN,
        "proxy_protocol on one port",
        &[("proxy_protocol: false", "proxy_protocol: [81]")],
        &[
            "create policy/ws-plain-proxy-protocol: type ProxyProtocol",
            "create backend-policies/81: policies",
        ],
    ),
];
