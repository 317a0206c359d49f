//! The ways of Application and Network load balancers: they are made, change in place and piece by piece, and go.

use super::{Way, disturb, edited};
use crate::auto_scaling::with_group;
use crate::v2::stacks::{APPLICATION, NETWORK};

/// An ALB with certificates that are chosen by SNI, one of them from files, and a record.
fn alb() -> String {
    let certificate = "certificate: { domain: chat.example.com, additional: [ { domain: other.example.org }, \
                       { files: { certificate: cert.pem, private_key: key.pem } } ] }\n\
                       dns: { zone: example.com, name: chat }\n";
    edited(APPLICATION, &[("certificate: { domain: chat.example.com }\n", certificate)])
}

/// The same of an NLB.
fn nlb() -> String {
    let certificate = "certificate: { domain: chat.example.com, additional: [ { domain: other.example.org } ] }\n\
                       dns: { zone: example.com, name: chat }\n";
    edited(NETWORK, &[("certificate: { domain: chat.example.com }\n", certificate)])
}

#[test]
fn creating_an_alb() {
    disturb(&Way::create("create an ALB", &alb()));
}

#[test]
fn giving_an_alb_an_auto_scaling_group_and_a_new_target_group() {
    let grouped = edited(&with_group(APPLICATION, "workers"), &[("ws: { port: 9000", "ws: { port: 9001")]);
    let other = edited(&with_group(APPLICATION, "batch"), &[]);
    disturb(&Way::change("another group, another target group", &other, &grouped));
}

#[test]
fn changing_an_alb_in_place() {
    let changed = edited(
        &alb(),
        &[
            ("{ Team: realtime }", "{ Team: chat, Cost: low }"),
            ("\"${subnet-b}\"]", "\"${subnet-b}\", \"${subnet-c}\"]"),
            ("[\"${one}\"]", "[\"${two}\"]"),
            ("{ domain: other.example.org }, ", ""),
            ("cert.pem, private_key: key.pem", "cert2.pem, private_key: key2.pem"),
            ("[0.0.0.0/0]", "[\"10.0.0.0/8\"]"),
            ("idle_timeout: 1h", "idle_timeout: 1000s"),
            ("TLS13-1-2-2021-06", "TLS13-1-3-2021-06"),
            (
                "      rules:\n",
                "      hsts: { max_age: 730d }\n      rules:\n        - { path: /api/*, forward: web }\n",
            ),
            ("        - { host: old.example.com, redirect: { host: new.example.com } }\n", ""),
            ("path: /gone", "path: /away"),
            ("path: /up, port: 8081, matcher", "path: /ok, port: 8082, matcher"),
            ("stickiness: 1d", "stickiness: { cookie: session }"),
        ],
    );
    disturb(&Way::change("change an ALB in place", &alb(), &changed));
}

#[test]
fn replacing_the_target_groups_of_an_alb() {
    let changed = edited(&alb(), &[("port: 9000", "port: 9001"), ("port: 8000", "port: 8002")]);
    disturb(&Way::change("replace an ALB's target groups", &alb(), &changed));
}

#[test]
fn replacing_the_listeners_of_an_alb() {
    let changed = edited(
        &alb(),
        &[
            ("port: 443", "port: 8443"),
            (
                "{ port: 80, protocol: http, default_action: { redirect: https } }",
                "{ port: 80, protocol: https, default_action: { forward: { web: 9, ws: 1 } } }",
            ),
            ("domain: chat.example.com", "domain: other.example.org"),
            ("additional: [ { domain: other.example.org }, ", "additional: [ { domain: chat.example.com }, "),
        ],
    );
    disturb(&Way::change("replace an ALB's listeners", &alb(), &changed));
}

#[test]
fn replacing_an_alb() {
    let inside = edited(&alb(), &[("internet-facing", "internal")]);
    disturb(&Way::change("replace an ALB", &alb(), &inside));
}

#[test]
fn destroying_an_alb() {
    disturb(&Way::destroy("destroy an ALB", &[&alb()]));
}

#[test]
fn creating_an_nlb() {
    disturb(&Way::create("create an NLB", &nlb()));
}

#[test]
fn changing_an_nlb_in_place() {
    let changed = edited(
        &nlb(),
        &[
            ("{ Team: realtime }", "{ Team: chat }"),
            ("\"${subnet-b}\"]", "\"${subnet-b}\", \"${subnet-c}\"]"),
            ("[\"${one}\"]", "[\"${two}\"]"),
            (", additional: [ { domain: other.example.org } ]", ""),
            ("idle_timeout: 1h", "idle_timeout: 1000s"),
            ("cross_zone: true", "cross_zone: false"),
            ("proxy_protocol: true", "proxy_protocol: false"),
            ("path: /healthz, protocol: http", "protocol: tcp"),
            ("deregistration_delay: 10s", "deregistration_delay: 20s"),
        ],
    );
    disturb(&Way::change("change an NLB in place", &nlb(), &changed));
}

#[test]
fn replacing_the_target_group_and_a_listener_of_an_nlb() {
    let changed = edited(&nlb(), &[("web: { port: 80,", "web: { port: 81,"), ("port: 443", "port: 8443")]);
    disturb(&Way::change("replace an NLB's parts", &nlb(), &changed));
}

#[test]
fn destroying_an_nlb() {
    disturb(&Way::destroy("destroy an NLB", &[&nlb()]));
}
