//! The fields of `proxy:`.

use crate::provision::spec::shape::{Choice, Field, Kind, Need, Object};
use crate::provision::spec::{address, hsts, text};

const PORT: Kind = Kind::Integer { min: 1, max: 65535 };
const DAY: u32 = 86400;

static ACCEPT: Choice = Choice { values: &["v1", "v2", "any", "off"], hints: &[] };
static SCHEME: Choice = Choice {
    values: &["http", "https"],
    hints: &[("ws", "write http, which ws begins as"), ("wss", "write https, which wss begins as")],
};
static BALANCE: Choice = Choice { values: &["round_robin", "least_connections"], hints: &[] };
static HEADER: Choice = Choice { values: &["v1", "v2"], hints: &[] };
static LOG_FORMAT: Choice = Choice { values: &["json", "combined"], hints: &[] };
static DRAINING: Choice = Choice { values: &["pass", "fail"], hints: &[] };
static VIA: Choice = Choice { values: &["none", "ssm"], hints: &[] };

pub(in crate::provision::spec) static PROXY: Object = Object {
    name: "proxy",
    need: Need::Nothing,

    fields: &[
        Field::new(
            "listen",
            Kind::OneOf {
                what: "a port, ip:port or a list of them",
                forms: &[
                    PORT,
                    Kind::Text(&address::BIND),
                    Kind::List {
                        of: &Kind::OneOf {
                            what: "a port or ip:port",
                            forms: &[PORT, Kind::Text(&address::BIND)],
                        },
                        min: 1,
                        max: 64,
                    },
                ],
            },
            "Where it serves: a port, `ip:port`, or a list of them.",
        )
        .default("the instance ports of the load balancer"),
        Field::new(
            "health",
            Kind::OneOf { what: "a port or ip:port", forms: &[PORT, Kind::Text(&address::BIND)] },
            "Where it answers `GET /healthz` over plain HTTP, with or without a PROXY header.",
        )
        .default("8081"),
        Field::new(
            "metrics",
            Kind::OneOf {
                what: "a port, ip:port or false",
                forms: &[Kind::Boolean, PORT, Kind::Text(&address::BIND)],
            },
            "Where Prometheus reads; `false` for nowhere.",
        )
        .default("127.0.0.1:9145"),
        Field::new(
            "redirect_http",
            Kind::Boolean,
            "Whether visitors that came in over plain http get a 301 to https.",
        )
        .default("true where the load balancer has an ssl or https listener"),
        Field::new(
            "routes",
            Kind::List { of: &Kind::Object(&ROUTE), min: 1, max: 1000 },
            "Which path goes where; the longest prefix wins.",
        )
        .default("/ws/ → 127.0.0.1:9000, / → 127.0.0.1:8000"),
        Field::new(
            "accept",
            Kind::Choice(&ACCEPT),
            "The PROXY header that every connection must begin with.",
        )
        .default("what the load balancer sends: v1 (classic), v2 (network) or off"),
        Field::new(
            "trusted",
            Kind::List { of: &Kind::Text(&address::CIDR), min: 1, max: 100 },
            "The peers whose PROXY headers or `X-Forwarded-*` are believed, as CIDR blocks.",
        )
        .default("behind http and https listeners the private ranges, else everyone"),
        Field::new(
            "scheme_by_port",
            Kind::Map { key: &address::PORT_KEY, value: &Kind::Choice(&SCHEME), min: 1, max: 100 },
            "The scheme a visitor used, by the load balancer's port.",
        )
        .default("from the listeners: https for ssl, https and tls, http for tcp and http"),
        Field::new(
            "https_port",
            PORT,
            "The port that redirects to https name, where ports are mapped on the way to the load balancer.",
        )
        .default("the https port of scheme_by_port"),
        Field::new("hsts", hsts::KIND, "`Strict-Transport-Security`, for visitors over https.").default("none"),
        Field::new(
            "tunnel_idle",
            Kind::Duration { min: 1, max: 30 * DAY },
            "How long a WebSocket, or an answer that streams, may be silent.",
        )
        .default("5m more than the load balancer's idle timeout"),
        Field::new(
            "ping_interval",
            Kind::OneOf {
                what: "a duration or false",
                forms: &[Kind::Boolean, Kind::Duration { min: 1, max: DAY }],
            },
            "Silence after which a WebSocket's client is sent a ping, so that nothing on the way forgets it; `false` for never.",
        )
        .default("a third of the load balancer's shortest idle timeout, at most 5m"),
        Field::new(
            "keep_alive",
            Kind::Duration { min: 1, max: DAY },
            "How long a connection may wait for its next request.",
        )
        .default("5m more than the load balancer's idle timeout"),
        Field::new(
            "header_timeout",
            Kind::Duration { min: 1, max: 600 },
            "How long a request's head may take.",
        )
        .default("10s"),
        Field::new(
            "request_timeout",
            Kind::Duration { min: 1, max: DAY },
            "How long an upstream may take to answer.",
        )
        .default("1m"),
        Field::new(
            "connect_timeout",
            Kind::Duration { min: 1, max: 600 },
            "How long connecting to an upstream may take.",
        )
        .default("5s"),
        Field::new("ping_backend", Kind::Boolean, "Whether upstreams are sent pings as well as clients.")
            .default("false"),
        Field::new(
            "max_head",
            Kind::Integer { min: 1024, max: 1_048_576 },
            "The longest head of a request or an answer, in bytes.",
        )
        .default("32768"),
        Field::new(
            "drain",
            Kind::Duration { min: 0, max: DAY },
            "How long connections are given to end once the proxy is told to stop.",
        )
        .default("5m"),
        Field::new("workers", Kind::Integer { min: 1, max: 1024 }, "Worker threads.").default("one a core"),
        Field::new(
            "max_connections",
            Kind::Integer { min: 1, max: 10_000_000 },
            "The number of connections served at once.",
        )
        .default("100000"),
        Field::new(
            "max_connections_per_client",
            Kind::Integer { min: 1, max: 10_000_000 },
            "The number of connections of one client address.",
        )
        .default("no such limit"),
        Field::new(
            "max_tunnels",
            Kind::Integer { min: 1, max: 10_000_000 },
            "The number of WebSockets; further ones get 503.",
        )
        .default("no such limit"),
        Field::new("access_log", Kind::Text(&address::ACCESS_LOG), "`off`, `stdout` or an absolute path.")
            .default("off"),
        Field::new("access_log_format", Kind::Choice(&LOG_FORMAT), "`json` or `combined`.").default("json"),
        Field::new(
            "health_while_draining",
            Kind::Choice(&DRAINING),
            "What health checks are told while it drains; a network load balancer cuts the connections of a target that fails.",
        )
        .default("pass"),
        Field::new("reason_header", Kind::Boolean, "Whether its own answers say why, in `X-Elbws-Reason`.")
            .default("false"),
        Field::new("deploy", Kind::Object(&DEPLOY), "How it gets onto the instances."),
    ],
};

static ROUTE: Object = Object {
    name: "route",
    need: Need::Nothing,

    fields: &[
        Field::new(
            "path",
            Kind::Text(&address::ROUTE_PATH),
            "The prefix of the paths, with its leading slash.",
        )
        .required(),
        Field::new("host", Kind::Text(&address::ROUTE_HOST), "The only host that it serves.")
            .default("every host"),
        Field::new(
            "upstream",
            Kind::OneOf {
                what: "host:port, ip:port, unix:/path or a list of them",
                forms: &[
                    Kind::Text(&address::UPSTREAM),
                    Kind::List { of: &Kind::Text(&address::UPSTREAM), min: 1, max: 100 },
                ],
            },
            "The application: `host:port`, `ip:port`, `unix:/path` or a list of them.",
        )
        .required(),
        Field::new("balance", Kind::Choice(&BALANCE), "How one of several upstreams is chosen.")
            .default("round_robin"),
        Field::new(
            "proxy_protocol",
            Kind::Choice(&HEADER),
            "The PROXY header that the upstream is sent; its connections are then not shared.",
        )
        .default("none"),
        Field::new(
            "redirect_http",
            Kind::Boolean,
            "Whether its visitors over plain http get a 301 to https.",
        )
        .default("the proxy's redirect_http"),
    ],
};

static DEPLOY: Object = Object {
    name: "deploy",
    need: Need::Nothing,

    fields: &[
        Field::new("via", Kind::Choice(&VIA), "`none`: nothing is installed; `ssm`: by AWS Systems Manager.")
            .default("none"),
        Field::new("bucket", Kind::Text(&text::BUCKET), "The S3 bucket of the artifact; needed by `ssm`."),
    ],
};
