//! The ways of Classic load balancers.

use super::{Way, disturb, edited};
use crate::auto_scaling::{BATCH, WORKERS, classic};
use crate::execute::{CHANGED, FILES};
use crate::stacks::{FILES_IN_IAM, FULL};

fn with_files() -> String {
    let source = "files: { certificate: cert.pem, private_key: key.pem, store: acm }";
    edited(FULL, &[("domain: chat.example.com", source)])
}

#[test]
fn creating_a_classic_stack() {
    disturb(&Way::create("create", FILES));
}

#[test]
fn creating_one_with_a_server_certificate() {
    disturb(&Way::create("create with a server certificate", FILES_IN_IAM));
}

#[test]
fn changing_it_in_place() {
    disturb(&Way::change("change", FILES, &edited(CHANGED, &[("App: ws-new", "App: two")])));
}

#[test]
fn renaming_it_and_replacing_its_parts() {
    let remade = edited(
        FULL,
        &[
            ("  name: ws-chat", "  name: ws-new"),
            ("{ Team: realtime }", "{ Team: chat }"),
            ("port: 80, protocol: tcp", "port: 80, protocol: ssl"),
            ("port: 8080", "port: 8888"),
            ("domain: chat.example.com", "files: { certificate: cert2.pem, private_key: key2.pem }"),
        ],
    );
    disturb(&Way::change("rename, replace, other files", &with_files(), &remade));
}

#[test]
fn making_it_internal() {
    let inside = edited(
        FULL,
        &[
            ("internet-facing", "internal"),
            ("ids: [\"${one}\"]", "ids: [\"${two}\"]"),
            ("proxy_protocol: [80]", "proxy_protocol: false"),
        ],
    );
    disturb(&Way::change("make it internal, let files go", &with_files(), &inside));
}

#[test]
fn moving_a_certificate_from_iam_to_acm() {
    let acm = edited(FILES_IN_IAM, &[("store: iam", "store: acm")]);
    disturb(&Way::change("from IAM to ACM", FILES_IN_IAM, &acm));
}

#[test]
fn taking_a_certificate_by_its_domain() {
    let files = "files: { certificate: cert.pem, private_key: key.pem, store: iam }";
    let by_domain = edited(FILES_IN_IAM, &[(files, "domain: chat.example.com")]);
    disturb(&Way::change("from IAM to a domain", FILES_IN_IAM, &by_domain));
}

#[test]
fn changing_its_auto_scaling_group() {
    disturb(&Way::change("from a group to another", &classic(WORKERS), &classic(BATCH)));
}

#[test]
fn destroying_one_with_an_auto_scaling_group() {
    disturb(&Way::destroy("destroy with a group", &[&classic(WORKERS)]));
}

#[test]
fn destroying_it() {
    disturb(&Way::destroy("destroy", &[FILES]));
}

#[test]
fn destroying_one_with_a_server_certificate() {
    disturb(&Way::destroy("destroy with a server certificate", &[FILES_IN_IAM]));
}
