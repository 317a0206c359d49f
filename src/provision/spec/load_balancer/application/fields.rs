//! The fields of `load_balancer:` with `type: application`.

use crate::provision::spec::hsts;
use crate::provision::spec::load_balancer::fields::{
    CONNECTION_DRAINING_ELSEWHERE, DELETION_PROTECTION, HEALTH_CHECK_ELSEWHERE, INGRESS_OF_BOTH,
    INSTANCE_PORT_ELSEWHERE, INSTANCE_PROTOCOL_ELSEWHERE, IP_ADDRESS_TYPE, LISTENER_PORT, NAME, SCHEME, logs,
};
use crate::provision::spec::load_balancer::{ssl_policy, target_group};
use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object};

use super::grammar;

static PROTOCOLS: Choice = Choice {
    values: &["http", "https"],
    hints: &[
        ("tcp", "an application load balancer speaks HTTP; for bytes there is type: network"),
        ("tls", "did you mean https?"),
        ("ssl", "did you mean https?"),
        ("ws", "write http, which ws begins as"),
        ("wss", "write https, which wss begins as"),
    ],
};

static DESYNC_MODES: Choice = Choice { values: &["monitor", "defensive", "strictest"], hints: &[] };
static XFF_MODES: Choice = Choice { values: &["append", "preserve", "remove"], hints: &[] };

static ALGORITHMS: Choice = Choice {
    values: &["round_robin", "least_outstanding_requests", "weighted_random"],
    hints: &[("least_connections", "did you mean least_outstanding_requests?")],
};

pub(in crate::provision::spec::load_balancer) static APPLICATION: Object = Object {
    name: "application_load_balancer",
    need: Need::Nothing,
    fields: &[
        Field::new("type", Kind::Choice(&Choice { values: &["application"], hints: &[] }), "`application`.")
            .required(),
        NAME,
        SCHEME,
        IP_ADDRESS_TYPE,
        INGRESS_OF_BOTH,
        Field::new(
            "idle_timeout",
            Kind::Duration { min: 1, max: 4000 },
            "How long a connection may be silent before it is closed.",
        )
        .default("1h"),
        Field::new(
            "client_keep_alive",
            Kind::Duration { min: 60, max: 604_800 },
            "How long a visitor's connection is kept for further requests; WebSockets are not cut by it.",
        )
        .default("1h"),
        Field::new("http2", Kind::Boolean, "Whether visitors may speak HTTP/2; WebSockets use HTTP/1.1 anyway.")
            .default("true"),
        Field::new(
            "desync_mitigation_mode",
            Kind::Choice(&DESYNC_MODES),
            "What is done with requests that two parsers could read differently.",
        )
        .default("defensive"),
        Field::new(
            "drop_invalid_header_fields",
            Kind::Boolean,
            "Whether header fields with characters other than letters, digits and hyphens are dropped.",
        )
        .default("false"),
        Field::new(
            "preserve_host_header",
            Kind::Boolean,
            "Whether targets get the visitor's `Host` as it was, its port included.",
        )
        .default("false"),
        Field::new(
            "xff_header_processing_mode",
            Kind::Choice(&XFF_MODES),
            "What is done with the visitor's own `X-Forwarded-For`.",
        )
        .default("append"),
        Field::new("xff_client_port", Kind::Boolean, "Whether `X-Forwarded-For` has the visitor's port.")
            .default("false"),
        Field::new("cross_zone", Kind::Boolean, "An Application load balancer always does, so it can only be `true`.")
            .default("true"),
        DELETION_PROTECTION,
        logs("access_logs", "Access logs in S3."),
        logs("connection_logs", "Connection logs in S3."),
        Field::new(
            "listeners",
            Kind::List { of: &Kind::Object(&LISTENER), min: 1, max: 50 },
            "What visitors connect to.",
        )
        .default("with a certificate 443 https that forwards and 80 http that redirects to https, else 80 http that forwards"),
        Field::new(
            "target_groups",
            Kind::Map { key: &target_group::NAME, value: &Kind::Object(&TARGET_GROUP), min: 1, max: 100 },
            "Who serves, by a name of your choice.",
        )
        .default("one, `default`"),
        Field::new(
            "proxy_protocol",
            Kind::Elsewhere(
                "an application load balancer sends no PROXY header, the visitor's address is in X-Forwarded-For",
            ),
            "",
        ),
        HEALTH_CHECK_ELSEWHERE,
        CONNECTION_DRAINING_ELSEWHERE,
        Field::new("addresses", Kind::Elsewhere("only a network load balancer has addresses that stay"), ""),
    ],
};

static LISTENER: Object = Object {
    name: "application_listener",
    need: Need::Nothing,
    fields: &[
        LISTENER_PORT,
        Field::new("protocol", Kind::Choice(&PROTOCOLS), "What visitors speak; either carries WebSockets.")
            .required(),
        ssl_policy::FIELD,
        Field::new("default_action", Kind::Object(&ACTION), "What is done with a request that no rule fits.")
            .default("http redirects to https where there is an https listener, all others forward to the only target group or the one named `default`"),
        Field::new(
            "rules",
            Kind::List { of: &Kind::Object(&RULE), min: 0, max: 100 },
            "What is done with some requests; the first rule that fits decides.",
        )
        .default("none"),
        Field::new(
            "hsts",
            hsts::KIND,
            "`Strict-Transport-Security`, added to answers; https only.",
        )
        .default("none"),
        INSTANCE_PORT_ELSEWHERE,
        INSTANCE_PROTOCOL_ELSEWHERE,
        Field::new(
            "target_group",
            Kind::Elsewhere("the target group of a listener stands in default_action: { forward: NAME }"),
            "",
        ),
        Field::new("alpn_policy", Kind::Elsewhere("ALPN is for tls listeners of network load balancers"), ""),
        Field::new("idle_timeout", Kind::Elsewhere("this is the load balancer's, the same for all listeners"), ""),
    ],
};

static FORWARD_FORMS: [Kind; 2] = [
    Kind::Text(&target_group::NAME),
    Kind::Map { key: &target_group::NAME, value: &Kind::Integer { min: 0, max: 999 }, min: 1, max: 5 },
];

const FORWARD: Field = Field::new(
    "forward",
    Kind::OneOf {
        what: "the name of a target group or a mapping of names to weights",
        forms: &FORWARD_FORMS,
    },
    "The target group, or up to five with weights of 0 to 999.",
);

const FORWARD_STICKINESS: Field = Field::new(
    "stickiness",
    Kind::Duration { min: 1, max: 604_800 },
    "How long a visitor stays with the same one of several target groups.",
)
.default("none");

static REDIRECT_FORMS: [Kind; 2] =
    [Kind::Choice(&Choice { values: &["https"], hints: &[] }), Kind::Object(&REDIRECT_OBJECT)];

const REDIRECT: Field = Field::new(
    "redirect",
    Kind::OneOf { what: "https or a mapping", forms: &REDIRECT_FORMS },
    "`https` for the same URL over https, or a mapping.",
);

const FIXED_RESPONSE: Field = Field::new(
    "fixed_response",
    Kind::Object(&FIXED_RESPONSE_OBJECT),
    "An answer that the load balancer gives itself.",
);

const ONE_ACTION: Need = Need::ExactlyOne(
    &["forward", "redirect", "fixed_response"],
    "for example forward: NAME, or redirect: https",
);

static ACTION: Object = Object {
    name: "application_action",
    need: ONE_ACTION,
    fields: &[FORWARD, FORWARD_STICKINESS, REDIRECT, FIXED_RESPONSE],
};

static RULE: Object = Object {
    name: "application_rule",
    need: ONE_ACTION,
    fields: &[
        Field::new(
            "path",
            Kind::OneOf {
                what: "a path pattern or a list of them",
                forms: &[
                    Kind::Text(&grammar::PATH_PATTERN),
                    Kind::List { of: &Kind::Text(&grammar::PATH_PATTERN), min: 1, max: 5 },
                ],
            },
            "Paths, any of which fits; `*` stands for any characters, `?` for one.",
        ),
        Field::new(
            "host",
            Kind::OneOf {
                what: "a host name or a list of them",
                forms: &[
                    Kind::Text(&grammar::HOST_PATTERN),
                    Kind::List { of: &Kind::Text(&grammar::HOST_PATTERN), min: 1, max: 5 },
                ],
            },
            "Hosts, any of which fits; `*` stands for any characters, `?` for one.",
        ),
        FORWARD,
        FORWARD_STICKINESS,
        REDIRECT,
        FIXED_RESPONSE,
        Field::new(
            "priority",
            Kind::Elsewhere("the order of the list decides which rule is asked first"),
            "",
        ),
    ],
};

static REDIRECT_OBJECT: Object = Object {
    name: "application_redirect",
    need: Need::AtLeastOne(
        &["protocol", "host", "port", "path", "query"],
        "say what changes, for example { host: www.example.com }",
    ),
    fields: &[
        Field::new("protocol", Kind::Choice(&PROTOCOLS), "`http` or `https`.").default("the request's"),
        Field::new("host", Kind::Text(&grammar::REDIRECT_PART), "The host; may have `#{host}` in it.")
            .default("#{host}"),
        Field::new(
            "port",
            Kind::OneOf {
                what: "a port or \"#{port}\"",
                forms: &[
                    Kind::Integer { min: 1, max: 65535 },
                    Kind::Choice(&Choice { values: &["#{port}"], hints: &[] }),
                ],
            },
            "The port.",
        )
        .default("with protocol https the https listener's, else #{port}"),
        Field::new(
            "path",
            Kind::Text(&grammar::REDIRECT_PATH),
            "The path with its slash; may have `#{host}`, `#{path}` and `#{port}` in it.",
        )
        .default("/#{path}"),
        Field::new(
            "query",
            Kind::Text(&grammar::REDIRECT_QUERY),
            "The query without its question mark; may have all of these and `#{query}` in it.",
        )
        .default("#{query}"),
        Field::new("status", Kind::Integer { min: 301, max: 302 }, "301 (for ever) or 302 (for now).")
            .default("301"),
    ],
};

static FIXED_RESPONSE_OBJECT: Object = Object {
    name: "application_fixed_response",
    need: Need::Nothing,
    fields: &[
        Field::new("status", Kind::Integer { min: 200, max: 599 }, "A status 2xx, 4xx or 5xx.").required(),
        Field::new(
            "content_type",
            Kind::Choice(&Choice {
                values: &[
                    "text/plain",
                    "text/css",
                    "text/html",
                    "application/javascript",
                    "application/json",
                ],
                hints: &[("text/javascript", "did you mean application/javascript?")],
            }),
            "The media type of the body.",
        )
        .default("text/plain where there is a body"),
        Field::new("body", Kind::Text(&grammar::BODY), "The body, at most 1024 bytes.").default("none"),
    ],
};

static TARGET_GROUP: Object = Object {
    name: "application_target_group",
    need: Need::Nothing,
    fields: &[
        target_group::GROUP_PORT,
        Field::new(
            "protocol",
            Kind::Choice(&Choice {
                values: &["http", "https"],
                hints: &[("tcp", "an application load balancer speaks http or https to its targets")],
            }),
            "What targets speak.",
        )
        .default("http"),
        target_group::IPS,
        target_group::PORTS,
        target_group::HEALTH_CHECK,
        Field::new(
            "stickiness",
            Kind::OneOf {
                what: "a duration, a mapping with cookie or false",
                forms: &[
                    Kind::Boolean,
                    Kind::Duration { min: 1, max: 604_800 },
                    Kind::Object(&STICKINESS),
                ],
            },
            "How long a visitor stays with the same target: by the load balancer's own cookie, or the application's.",
        )
        .default("false"),
        target_group::DEREGISTRATION_DELAY,
        Field::new("algorithm", Kind::Choice(&ALGORITHMS), "How a target is chosen.").default(
            "least_outstanding_requests, which counts open WebSockets; with slow_start round_robin",
        ),
        Field::new(
            "slow_start",
            Kind::Duration { min: 0, max: 900 },
            "How long a new target gets less than its share: 0 or 30s to 15m.",
        )
        .default("0s"),
        Field::new(
            "protocol_version",
            Kind::Elsewhere("it is always HTTP1, which WebSockets need: a group of HTTP2 answers them 464"),
            "",
        ),
        Field::new("proxy_protocol", Kind::Elsewhere("PROXY protocol is for network load balancers"), ""),
        Field::new(
            "preserve_client_ip",
            Kind::Elsewhere("this is for network load balancers; here the address is in X-Forwarded-For"),
            "",
        ),
    ],
};

static STICKINESS: Object = Object {
    name: "application_stickiness",
    need: Need::Nothing,
    fields: &[
        Field::new("cookie", Kind::Text(&target_group::COOKIE), "The application's cookie that decides.")
            .required(),
        Field::new("duration", Kind::Duration { min: 1, max: 604_800 }, "How long it decides.").default("1d"),
    ],
};
