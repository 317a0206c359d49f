//! The fields of `load_balancer:` with `type: classic`.
use crate::provision::spec::load_balancer::fields::{INGRESS, LISTENER_PORT, NAME, PORT, SCHEME, THRESHOLD};

use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object};
use crate::provision::spec::text;
/// TLS 1.2 alone: the strictest policy that a Classic load balancer has.
pub(super) const DEFAULT_SSL_POLICY: &str = "ELBSecurityPolicy-TLS-1-2-2017-01";
/// The predefined policies of Classic load balancers, the newest first. AWS adds none any more.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-security-policy-table.html>
static SSL_POLICIES: Choice = Choice {
    values: &[
        DEFAULT_SSL_POLICY,
        "ELBSecurityPolicy-TLS-1-1-2017-01",
        "ELBSecurityPolicy-2016-08",
        "ELBSecurityPolicy-2015-05",
        "ELBSecurityPolicy-2015-03",
        "ELBSecurityPolicy-2015-02",
        "ELBSecurityPolicy-2014-10",
        "ELBSecurityPolicy-2014-01",
        "ELBSecurityPolicy-2011-08",
    ],
    hints: &[(
        "elbsecuritypolicy-tls13-1-2-2021-06",
        "a Classic load balancer has no TLS 1.3; its strictest policy is ELBSecurityPolicy-TLS-1-2-2017-01",
    )],
};

static PROTOCOL: Choice = Choice {
    values: &["tcp", "ssl", "http", "https"],
    hints: &[
        ("tls", "a Classic load balancer calls it ssl"),
        ("wss", "secure WebSockets need an ssl listener that forwards to tcp"),
        ("ws", "WebSockets need a tcp listener that forwards to tcp"),
        ("udp", "a Classic load balancer has no UDP"),
    ],
};

pub(in crate::provision::spec::load_balancer) static CLASSIC: Object = Object {
    name: "classic_load_balancer",
    need: Need::Nothing,
    fields: &[
        Field::new("type", Kind::Choice(&Choice { values: &["classic"], hints: &[] }), "`classic`.")
            .required(),
        NAME,
        SCHEME,
        Field::new(
            "ip_address_type",
            Kind::Choice(&Choice {
                values: &["ipv4"],
                hints: &[("dualstack", "in a VPC a Classic load balancer has IPv4 addresses alone")],
            }),
            "A Classic load balancer in a VPC is `ipv4`.",
        )
        .default("ipv4"),
        INGRESS.default("[0.0.0.0/0]"),
        Field::new(
            "idle_timeout",
            Kind::Duration { min: 1, max: 4000 },
            "How long a connection may be silent before it is closed.",
        )
        .default("1h"),
        Field::new("cross_zone", Kind::Boolean, "Whether every node spreads over the instances of all zones.")
            .default("true"),
        Field::new(
            "deletion_protection",
            Kind::Boolean,
            "A Classic load balancer has none, so it can only be `false`.",
        )
        .default("false"),
        Field::new("access_logs", Kind::Object(&ACCESS_LOGS), "Access logs in S3.").default("none"),
        Field::new(
            "listeners",
            Kind::List { of: &Kind::Object(&LISTENER), min: 1, max: 100 },
            "What visitors connect to.",
        )
        .default("443 ssl → 80 tcp (with a certificate), 80 tcp → 80 tcp"),
        Field::new(
            "proxy_protocol",
            Kind::OneOf {
                what: "true, false or a list of instance ports",
                forms: &[Kind::Boolean, Kind::List { of: &PORT, min: 1, max: 100 }],
            },
            "PROXY protocol v1: `true` for every instance port behind tcp and ssl listeners, or a list of instance ports.",
        )
        .default("true"),
        Field::new(
            "connection_draining",
            Kind::OneOf {
                what: "a duration or false",
                forms: &[Kind::Boolean, Kind::Duration { min: 1, max: 3600 }],
            },
            "How long a deregistered instance keeps its connections, at most 1h; `false` cuts them at once.",
        )
        .default("5m"),
        Field::new("health_check", Kind::Object(&HEALTH_CHECK), "How instances are checked."),
        Field::new("target_groups", Kind::Elsewhere("target groups are for application and network load balancers"), ""),
    ],
};

static LISTENER: Object = Object {
    name: "classic_listener",
    need: Need::Nothing,
    fields: &[
        LISTENER_PORT,
        Field::new(
            "protocol",
            Kind::Choice(&PROTOCOL),
            "What visitors speak; WebSockets need `ssl` or `tcp`.",
        )
        .required(),
        Field::new("instance_port", PORT, "The port on the instances.").default("80"),
        Field::new(
            "instance_protocol",
            Kind::Choice(&PROTOCOL),
            "What the instances speak; of the same layer.",
        )
        .default("tcp behind tcp and ssl, http behind http and https"),
        Field::new(
            "ssl_policy",
            Kind::Choice(&SSL_POLICIES),
            "The predefined SSL policy; ssl and https only.",
        )
        .default(DEFAULT_SSL_POLICY),
        Field::new("alpn_policy", Kind::Elsewhere("ALPN is for tls listeners of network load balancers"), ""),
        Field::new("default_action", Kind::Elsewhere("actions are for application load balancers"), ""),
        Field::new("rules", Kind::Elsewhere("rules are for application load balancers"), ""),
        Field::new(
            "target_group",
            Kind::Elsewhere("target groups are for application and network load balancers"),
            "",
        ),
    ],
};

static ACCESS_LOGS: Object = Object {
    name: "classic_access_logs",
    need: Need::Nothing,
    fields: &[
        Field::new("bucket", Kind::Text(&text::BUCKET), "The S3 bucket.").required(),
        Field::new("prefix", Kind::Text(&text::KEY_PREFIX), "The prefix of the objects' keys.")
            .default("none"),
        Field::new(
            "interval",
            Kind::Integer { min: 5, max: 60 },
            "How often they are written: 5 or 60 minutes.",
        )
        .default("60"),
    ],
};

static HEALTH_CHECK: Object = Object {
    name: "classic_health_check",
    need: Need::Nothing,
    fields: &[
        Field::new(
            "target",
            Kind::Text(&super::health_check::TARGET),
            "`TCP:port`, `SSL:port`, `HTTP:port/path` or `HTTPS:port/path`.",
        )
        .default("the proxy's health port; with `proxy: false` the first instance port over TCP"),
        Field::new("interval", Kind::Duration { min: 5, max: 300 }, "The time between two checks.")
            .default("10s"),
        Field::new(
            "timeout",
            Kind::Duration { min: 2, max: 60 },
            "How long an answer may take; less than the interval.",
        )
        .default("5s"),
        Field::new(
            "healthy_threshold",
            THRESHOLD,
            "Successes in a row after which an instance is in service.",
        )
        .default("2"),
        Field::new("unhealthy_threshold", THRESHOLD, "Failures in a row after which it is out of service.")
            .default("3"),
    ],
};
