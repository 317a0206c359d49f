//! Breaks of stacks with Application and Network load balancers.

use elbws::doctor::{Name, Outcome, Severity};

use super::{Patient, right};
use crate::account::between;
use crate::world::World;

const APPLICATION: &str = r#"
stack: ws-chat
network: { subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}", "${two}"] }
certificate: { domain: chat.example.com }
load_balancer: { type: application, target_groups: { web: {} }, listeners: [ { port: 443, protocol: https, default_action: { forward: web } } ] }
dns: { zone: example.com, name: chat }
"#;

const NETWORK: &str = r#"
stack: ws-chat
network: { subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}", "${two}"] }
certificate: { domain: chat.example.com }
load_balancer: { type: network }
"#;

fn arn(world: &World, of: &str) -> String {
    let body = world.account.elbv2(&format!("Action=Describe{of}s"));
    between(&body, &format!("<{of}Arn>"), "<").to_owned()
}

fn listener(world: &World, port: u16) -> String {
    let body = world
        .account
        .elbv2(&format!("Action=DescribeListeners&LoadBalancerArn={}", arn(world, "LoadBalancer")));
    let of_port = body.split("<member>").find(|item| item.contains(&format!("<Port>{port}</Port>"))).unwrap();
    between(of_port, "<ListenerArn>", "<").to_owned()
}

fn modify(world: &World, of: &str, arn: &str, key: &str, value: &str) {
    world.account.elbv2(&format!(
        "Action=Modify{of}Attributes&{of}Arn={arn}&Attributes.member.1.Key={key}&Attributes.member.1.Value={value}"
    ));
}

#[test]
fn a_sound_application_stack_has_no_finding_and_breaks_are_found() {
    use Severity::{Error, Warning};
    const APPLY: &str = "elbws apply SPEC";
    let patient = Patient::built(World::furnish_with_zone(), APPLICATION);
    patient.has("sound", &[]);
    let diagnosis = patient.examined();
    for name in [Name::KeepAlive, Name::RequestTimeout, Name::Dns, Name::CertificateName, Name::ProxyHeader] {
        assert!(!right(&diagnosis, name).is_empty(), "{name:?} in {:#?}", diagnosis.checks);
    }
    patient.breaks("idle 60", &[(Error, Name::PingInterval, APPLY)], |world| {
        modify(world, "LoadBalancer", &arn(world, "LoadBalancer"), "idle_timeout.timeout_seconds", "60");
    });
    patient.breaks("no delay", &[(Warning, Name::Draining, APPLY)], |world| {
        modify(world, "TargetGroup", &arn(world, "TargetGroup"), "deregistration_delay.timeout_seconds", "0");
    });
    patient.breaks("no listener", &[(Error, Name::Listener, APPLY)], |world| {
        let second = format!(
            "Action=CreateListener&LoadBalancerArn={}&Protocol=HTTP&Port=8080&DefaultActions.member.1.Type=forward\
             &DefaultActions.member.1.TargetGroupArn={}",
            arn(world, "LoadBalancer"),
            arn(world, "TargetGroup")
        );
        // The group stays in use, so that only the listener is missing.
        world.account.elbv2(&second);
        world.account.elbv2(&format!("Action=DeleteListener&ListenerArn={}", listener(world, 443)));
    });
    patient.breaks("a check for another path", &[(Error, Name::HealthCheck, APPLY)], |world| {
        world.account.elbv2(&format!(
            "Action=ModifyTargetGroup&TargetGroupArn={}&HealthCheckPath=/alive",
            arn(world, "TargetGroup")
        ));
    });
    let short = APPLICATION.replace("dns:", "proxy: { keep_alive: 60s, request_timeout: 2h }\ndns:");
    super::assert_findings(
        &patient.examined_as(&short),
        "short keep-alive",
        &[
            (Error, Name::KeepAlive, "proxy.keep_alive: 65m"),
            (Warning, Name::RequestTimeout, "proxy.request_timeout: 1h"),
        ],
    );
}

#[test]
fn a_record_that_leads_elsewhere_is_found() {
    let plain = APPLICATION.replace("dns: { zone: example.com, name: chat }\n", "");
    assert_ne!(plain, APPLICATION);
    let mut patient = Patient::built(World::furnish_with_zone(), &plain);
    let unchecked = patient.examined();
    assert!(unchecked.checks.iter().any(|check| {
        check.name == Name::Dns
            && matches!(&check.outcome, Outcome::Unchecked(reason) if reason.contains(".elb."))
    }));
    patient.text = APPLICATION.to_owned();
    patient.breaks("no record", &[(Severity::Error, Name::Dns, "elbws apply SPEC")], |_| ());
    let theirs = APPLICATION.replace("name: chat", "name: other");
    super::assert_findings(
        &patient.examined_as(&theirs),
        "somebody else's record, and a certificate for another name",
        &[
            (Severity::Error, Name::Dns, "elbws apply SPEC --adopt"),
            (Severity::Error, Name::CertificateName, "certificate.domain"),
        ],
    );
    let nowhere = APPLICATION.replace("example.com, name: chat", "example.org, name: chat");
    super::assert_findings(
        &patient.examined_as(&nowhere),
        "no zone, and a certificate for another name",
        &[
            (Severity::Error, Name::Dns, "aws route53 create-hosted-zone --name example.org"),
            (Severity::Error, Name::CertificateName, "certificate.domain"),
        ],
    );
}

#[test]
fn a_sound_network_stack_has_no_finding_and_breaks_are_found() {
    use Severity::{Error, Warning};
    const APPLY: &str = "elbws apply SPEC";
    let patient = Patient::built(World::furnish("us-east-1"), NETWORK);
    patient.has("sound", &[]);
    patient.breaks("no header", &[(Error, Name::ProxyHeader, APPLY)], |world| {
        modify(world, "TargetGroup", &arn(world, "TargetGroup"), "proxy_protocol_v2.enabled", "false");
    });
    patient.breaks("idle 60 at 80", &[(Error, Name::PingInterval, APPLY)], |world| {
        modify(world, "Listener", &listener(world, 80), "tcp.idle_timeout.seconds", "60");
    });
    patient.breaks("idle 20 min at 80", &[(Warning, Name::IdleTimeout, APPLY)], |world| {
        modify(world, "Listener", &listener(world, 80), "tcp.idle_timeout.seconds", "1200");
    });
    let (one, two) = (patient.world.fill("${one}"), patient.world.fill("${two}"));
    patient.breaks("a target less", &[(Warning, Name::Zone, APPLY)], |world| {
        let group = arn(world, "TargetGroup");
        modify(world, "LoadBalancer", &arn(world, "LoadBalancer"), "load_balancing.cross_zone.enabled", "false");
        modify(world, "TargetGroup", &group, "deregistration_delay.timeout_seconds", "0");
        modify(world, "TargetGroup", &group, "deregistration_delay.connection_termination.enabled", "false");
        world.account.elbv2(&format!(
            "Action=DeregisterTargets&TargetGroupArn={group}&Targets.member.1.Id={two}&Targets.member.1.Port=80"
        ));
    });
    patient.world.account.ec2(&format!("Action=StopInstances&InstanceId.1={one}"));
    patient.world.account.ec2("Action=DescribeInstances");
    let start: &'static str = format!("aws ec2 start-instances --instance-ids {one}").leak();
    patient.has("a stopped instance", &[(Error, Name::Instance, start), (Error, Name::Target, start)]);
}
