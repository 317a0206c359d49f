//! Changes of what a load balancer is made in and serves with: tags, network, instances, certificates.

use super::{Change, change, change_of};
use crate::stacks::{FILES, FILES_IN_IAM, NOBODY};

pub(super) const CHANGES: &[Change] = &[
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
];
