//! The fields of `load_balancer:` with `type: network`.

use super::grammar;
use crate::provision::spec::load_balancer::fields::{
    CONNECTION_DRAINING_ELSEWHERE, DELETION_PROTECTION, HEALTH_CHECK_ELSEWHERE, INGRESS_OF_BOTH,
    INSTANCE_PORT_ELSEWHERE, INSTANCE_PROTOCOL_ELSEWHERE, IP_ADDRESS_TYPE, LISTENER_PORT, NAME, SCHEME, logs,
};
use crate::provision::spec::load_balancer::{ssl_policy, target_group};
use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object};
use crate::provision::spec::text;

static PROTOCOLS: Choice = Choice {
    values: &["tls", "tcp"],
    hints: &[
        ("ssl", "did you mean tls?"),
        ("https", "a network load balancer passes bytes on: write tls"),
        ("wss", "secure WebSockets need a tls listener"),
        ("http", "a network load balancer passes bytes on: write tcp"),
        ("ws", "WebSockets need a tcp listener"),
        ("udp", "elbws carries HTTP and WebSockets, which need tcp or tls"),
    ],
};

static ALPN_POLICIES: Choice = Choice {
    values: &["none", "http1_only", "http2_optional", "http2_preferred", "http2_only"],
    hints: &[("http1only", "did you mean http1_only?"), ("h2", "did you mean http2_preferred?")],
};

const PROXY_PROTOCOL_DOC: &str =
    "Whether targets get a PROXY header of version 2, which says who the visitor is.";
const PRESERVE_CLIENT_IP_DOC: &str = "Whether packets keep the visitor's address: instances must then admit visitors themselves, and cannot reach each other through the load balancer.";

pub(in crate::provision::spec::load_balancer) static NETWORK_LOAD_BALANCER: Object = Object {
    name: "network_load_balancer",
    need: Need::Nothing,
    fields: &[
        Field::new("type", Kind::Choice(&Choice { values: &["network"], hints: &[] }), "`network`.").required(),
        NAME,
        SCHEME,
        IP_ADDRESS_TYPE,
        INGRESS_OF_BOTH,
        Field::new(
            "idle_timeout",
            Kind::Duration { min: 60, max: 6000 },
            "How long a connection of a tcp listener may be silent; with tls it is 350s and cannot be changed.",
        )
        .default("1h"),
        Field::new("cross_zone", Kind::Boolean, "Whether every node spreads over the targets of all zones.")
            .default("true"),
        DELETION_PROTECTION,
        logs("access_logs", "Access logs in S3, of tls listeners."),
        Field::new(
            "addresses",
            Kind::List { of: &Kind::Object(&ADDRESS), min: 1, max: 20 },
            "Addresses that stay, one for each subnet; they decide the subnets.",
        )
        .default("AWS chooses"),
        Field::new(
            "listeners",
            Kind::List { of: &Kind::Object(&LISTENER), min: 1, max: 50 },
            "What visitors connect to.",
        )
        .default("443 tls (with a certificate), 80 tcp"),
        Field::new("proxy_protocol", Kind::Boolean, PROXY_PROTOCOL_DOC).default("true"),
        Field::new("preserve_client_ip", Kind::Boolean, PRESERVE_CLIENT_IP_DOC).default("false"),
        Field::new(
            "target_groups",
            Kind::Map { key: &target_group::NAME, value: &Kind::Object(&TARGET_GROUP), min: 1, max: 100 },
            "Who serves, by a name of your choice.",
        )
        .default("one, `default`"),
        HEALTH_CHECK_ELSEWHERE,
        CONNECTION_DRAINING_ELSEWHERE,
        Field::new(
            "connection_logs",
            Kind::Elsewhere("a network load balancer has access logs alone, of its tls listeners"),
            "",
        ),
        Field::new("http2", Kind::Elsewhere("HTTP is for application load balancers"), ""),
    ],
};

static ADDRESS: Object = Object {
    name: "network_address",
    need: Need::ExactlyOne(
        &["allocation", "private"],
        "allocation for an internet-facing load balancer, private for an internal one",
    ),
    fields: &[
        Field::new("subnet", Kind::Text(&text::SUBNET), "The subnet.").required(),
        Field::new(
            "allocation",
            Kind::Text(&grammar::ALLOCATION),
            "An Elastic IP address by its allocation; internet-facing only.",
        ),
        Field::new("private", Kind::Text(&grammar::PRIVATE), "An IPv4 address of the subnet; internal only."),
    ],
};

static LISTENER: Object = Object {
    name: "network_listener",
    need: Need::Nothing,
    fields: &[
        LISTENER_PORT,
        Field::new("protocol", Kind::Choice(&PROTOCOLS), "What visitors speak; either carries WebSockets.")
            .required(),
        ssl_policy::FIELD,
        Field::new(
            "alpn_policy",
            Kind::Choice(&ALPN_POLICIES),
            "Which HTTP visitors are offered in the TLS handshake; tls only. Targets must speak what is offered: WebSockets and the bundled proxy speak HTTP/1.1.",
        )
        .default("none"),
        Field::new("target_group", Kind::Text(&target_group::NAME), "Who serves.")
            .default("the only target group or the one named `default`"),
        Field::new(
            "idle_timeout",
            Kind::Duration { min: 60, max: 6000 },
            "How long a connection may be silent; tcp only.",
        )
        .default("the load balancer's"),
        INSTANCE_PORT_ELSEWHERE,
        INSTANCE_PROTOCOL_ELSEWHERE,
        Field::new("default_action", Kind::Elsewhere("actions are for application load balancers; write target_group"), ""),
        Field::new("rules", Kind::Elsewhere("rules are for application load balancers"), ""),
        Field::new("hsts", Kind::Elsewhere("a network load balancer adds no headers; the proxy can, with proxy.hsts"), ""),
    ],
};

static TARGET_GROUP: Object = Object {
    name: "network_target_group",
    need: Need::Nothing,
    fields: &[
        target_group::GROUP_PORT,
        Field::new(
            "protocol",
            Kind::Choice(&Choice {
                values: &["tcp", "tls"],
                hints: &[
                    ("http", "a network load balancer passes bytes on: write tcp"),
                    ("https", "a network load balancer passes bytes on: write tls"),
                    ("ssl", "did you mean tls?"),
                ],
            }),
            "What targets speak; `tls` behind tls listeners only.",
        )
        .default("tcp"),
        target_group::IPS,
        target_group::PORTS,
        target_group::HEALTH_CHECK,
        Field::new("proxy_protocol", Kind::Boolean, PROXY_PROTOCOL_DOC).default("the load balancer's"),
        Field::new("preserve_client_ip", Kind::Boolean, PRESERVE_CLIENT_IP_DOC)
            .default("the load balancer's"),
        Field::new(
            "stickiness",
            Kind::Boolean,
            "Whether a visitor's address stays with the same target; tcp listeners and groups only.",
        )
        .default("false"),
        target_group::DEREGISTRATION_DELAY,
        Field::new(
            "connection_termination",
            Kind::Boolean,
            "Whether the connections that a deregistered target still has are closed after the delay.",
        )
        .default("true"),
        Field::new(
            "unhealthy_connection_termination",
            Kind::Boolean,
            "Whether a target that turns unhealthy loses its connections at once.",
        )
        .default("true"),
        Field::new(
            "algorithm",
            Kind::Elsewhere("a network load balancer chooses by a hash of the connection"),
            "",
        ),
        Field::new("slow_start", Kind::Elsewhere("a network load balancer has no slow start"), ""),
    ],
};
