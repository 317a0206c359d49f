//! The table of changes: what is edited in a spec, and exactly what the plan then shows.

use crate::stacks::{FILES, FILES_IN_IAM, FULL, NOBODY, PLAIN};

/// An edit of a spec, and the changes that it must lead to: nothing more, nothing less.
pub(crate) struct Change {
    pub(crate) field: &'static str,
    pub(crate) base: &'static str,
    pub(crate) edits: &'static [(&'static str, &'static str)],
    pub(crate) expected: &'static [&'static str],
}

const fn change(
    field: &'static str,
    edits: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Change {
    Change { field, base: FULL, edits, expected }
}

const fn change_of(
    base: &'static str,
    field: &'static str,
    edits: &'static [(&'static str, &'static str)],
    expected: &'static [&'static str],
) -> Change {
    Change { field, base, edits, expected }
}

const LISTENER_443: &str = "    - { port: 443, protocol: ssl, instance_port: 80, instance_protocol: tcp, ssl_policy: ELBSecurityPolicy-TLS-1-2-2017-01 }\n";
const LISTENER_80: &str = "    - { port: 80, protocol: tcp, instance_port: 80, instance_protocol: tcp }\n";
const LISTENER_8080: &str =
    "    - { port: 8080, protocol: http, instance_port: 8000, instance_protocol: http }\n";

pub(crate) const CHANGES: &[Change] = &[
    change("nothing", &[], &[]),
    // Tags.
    change(
        "a tag more",
        &[("{ Team: realtime }", "{ Team: realtime, Cost: low }")],
        &["update security-group/ws-chat: tags.Cost", "update load-balancer/ws-chat: tags.Cost"],
    ),
    change(
        "a tag's value",
        &[("{ Team: realtime }", "{ Team: chat }")],
        &["update security-group/ws-chat: tags.Team", "update load-balancer/ws-chat: tags.Team"],
    ),
    change(
        "no tags",
        &[("tags: { Team: realtime }\n", "")],
        &["update security-group/ws-chat: tags.Team", "update load-balancer/ws-chat: tags.Team"],
    ),
    // Network.
    change(
        "a subnet more",
        &[(r#""${subnet-b}"]"#, r#""${subnet-b}", "${subnet-c}"]"#)],
        &["update load-balancer/ws-chat: subnets"],
    ),
    change("a subnet less", &[(r#", "${subnet-b}"]"#, "]")], &["update load-balancer/ws-chat: subnets"]),
    change(
        "another subnet of the same zone",
        &[("${subnet-a}", "${sibling-a}")],
        &["update load-balancer/ws-chat: subnets"],
    ),
    change(
        "subnets by tags",
        &[(r#"["${subnet-a}", "${subnet-b}"]"#, "{ tags: { Tier: spare } }")],
        &["update load-balancer/ws-chat: subnets"],
    ),
    change(
        "all subnets",
        &[(r#"["${subnet-a}", "${subnet-b}"]"#, "all")],
        &["update load-balancer/ws-chat: subnets"],
    ),
    change("the same vpc by id", &[("vpc: default", "vpc: ${vpc}")], &[]),
    change_of(
        NOBODY,
        "another vpc",
        &[
            ("vpc: default", "vpc: { tags: { Name: backend } }"),
            ("subnets: all", "subnets: { tags: { Tier: private } }"),
            ("type: classic", "type: classic\n  scheme: internal"),
        ],
        &[
            "delete security-group/old: name",
            "create security-group/ws-nobody: name vpc ingress",
            "replace load-balancer/ws-nobody: scheme security_groups subnets vpc",
            "replace listener/80: instance_port instance_protocol protocol",
            "replace policy/ws-nobody-proxy-protocol: type ProxyProtocol",
            "replace backend-policies/80: policies",
            "replace attributes/ws-nobody: connection_draining cross_zone idle_timeout",
            "replace health-check/ws-nobody: healthy_threshold interval target timeout unhealthy_threshold",
        ],
    ),
    // Instances.
    change(
        "an instance more",
        &[(r#"["${one}"]"#, r#"["${one}", "${two}"]"#)],
        &["create target/two: state"],
    ),
    change("an instance less", &[(r#"ids: ["${one}"], "#, "")], &["delete target/one: state"]),
    change(
        "instances of other tags",
        &[("App: ws-chat", "App: two")],
        &["create target/two: state", "delete target/chat: state"],
    ),
    change(
        "the instances' group left alone",
        &[("manage_security_group: true", "manage_security_group: false")],
        &["delete admission/group: ports"],
    ),
    // The certificate.
    change("the same certificate by arn", &[("domain: chat.example.com", "arn: \"${arn}\"")], &[]),
    change(
        "another domain",
        &[("domain: chat.example.com", "domain: other.example.org")],
        &["update listener/443: certificate"],
    ),
    change(
        "a server certificate of IAM",
        &[("domain: chat.example.com", "arn: \"${server-certificate}\"")],
        &["update listener/443: certificate"],
    ),
    change(
        "a certificate from files",
        &[("domain: chat.example.com", "files: { certificate: cert.pem, private_key: key.pem }")],
        &["create certificate/main: domains fingerprint", "update listener/443: certificate"],
    ),
    change_of(
        FILES,
        "other files",
        &[("cert.pem", "cert2.pem"), ("key.pem", "key2.pem")],
        &["update certificate/main: fingerprint"],
    ),
    change_of(
        FILES,
        "another store of the files",
        &[("store: acm", "store: iam")],
        &[
            "delete certificate/old: domains fingerprint",
            "create certificate/main: domains fingerprint",
            "update listener/443: certificate",
        ],
    ),
    change_of(
        FILES_IN_IAM,
        "other files in IAM",
        &[("cert.pem", "cert2.pem"), ("key.pem", "key2.pem")],
        &[
            "delete certificate/old: domains fingerprint",
            "replace certificate/main: fingerprint",
            "update listener/443: certificate",
        ],
    ),
    change_of(
        FILES_IN_IAM,
        "ACM in place of IAM",
        &[("store: iam", "store: acm")],
        &[
            "delete certificate/old: domains fingerprint",
            "create certificate/main: domains fingerprint",
            "update listener/443: certificate",
        ],
    ),
    change_of(
        FILES_IN_IAM,
        "a domain in place of files in IAM",
        &[("files: { certificate: cert.pem, private_key: key.pem, store: iam }", "domain: chat.example.com")],
        &["delete certificate/old: domains fingerprint", "update listener/443: certificate"],
    ),
    change_of(
        FILES,
        "tags on an imported certificate",
        &[("instances:", "tags: { Team: realtime }\ninstances:")],
        &[
            "update certificate/main: tags.Team",
            "update security-group/ws-files: tags.Team",
            "update load-balancer/ws-files: tags.Team",
        ],
    ),
    change_of(
        FILES_IN_IAM,
        "tags on a server certificate",
        &[("instances:", "tags: { Team: realtime }\ninstances:")],
        &[
            "update certificate/main: tags.Team",
            "update security-group/ws-files: tags.Team",
            "update load-balancer/ws-files: tags.Team",
        ],
    ),
    change_of(
        FILES,
        "a domain in place of files",
        &[("files: { certificate: cert.pem, private_key: key.pem, store: acm }", "domain: chat.example.com")],
        &["delete certificate/old: domains fingerprint", "update listener/443: certificate"],
    ),
    change_of(
        FILES,
        "the domain of the files in place of them: the import stays, and stays the stack's",
        &[(
            "files: { certificate: cert.pem, private_key: key.pem, store: acm }",
            "domain: files.example.net",
        )],
        &[],
    ),
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
    // Listeners.
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
