//! Breaks of the network, and stacks that are not there yet.

use elbws::doctor::{Name, Outcome, Severity};

use super::Patient;
use crate::account::between;
use crate::world::World;

const CLASSIC: &str = r#"
stack: ws-chat
network: { subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}"] }
certificate: { domain: chat.example.com }
load_balancer: { type: classic }
"#;

#[test]
fn a_stack_that_is_not_built_is_said_to_be() {
    for kind in ["classic", "application", "network"] {
        let text = CLASSIC.replace("classic", kind);
        let patient = Patient::not_built(World::furnish("us-east-1"), &text);
        patient.has(kind, &[(Severity::Error, Name::LoadBalancer, "elbws apply SPEC")]);
        patient.apply();
        patient.has("built", &[]);
    }
}

#[test]
fn what_may_not_be_read_is_said_and_no_finding() {
    let patient = Patient::built(World::furnish("us-east-1"), CLASSIC);
    for (operation, name) in
        [("DescribeNetworkAcls", Name::NetworkAcl), ("DescribeRouteTables", Name::InternetRoute)]
    {
        patient.world.account.faults(&format!(
            r#"{{"operation":"{operation}","every":true,"effect":{{"error":{{"code":"UnauthorizedOperation","status":403,"message":"You are not authorized to perform this operation."}}}}}}"#
        ));
        let diagnosis = patient.examined();
        super::assert_findings(&diagnosis, operation, &[]);
        let unchecked = diagnosis.checks.iter().any(|check| {
            check.name == name
                && matches!(&check.outcome, Outcome::Unchecked(reason) if reason.contains("not authorized"))
        });
        assert!(unchecked, "{:#?}", diagnosis.checks);
        patient.world.account.no_faults();
    }
}

#[test]
fn subnets_without_room_or_a_way_to_the_internet_are_found() {
    let world = World::furnish("us-east-1");
    let id = |body: &str, open: &str| between(body, open, "<").to_owned();
    let vpc = id(&world.account.ec2("Action=CreateVpc&CidrBlock=10.30.0.0/16"), "<vpcId>");
    let gateway = id(&world.account.ec2("Action=CreateInternetGateway"), "<internetGatewayId>");
    world.account.ec2(&format!("Action=AttachInternetGateway&InternetGatewayId={gateway}&VpcId={vpc}"));
    let subnet = world
        .account
        .ec2(&format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.30.1.0/28&AvailabilityZone=us-east-1a"));
    let subnet = id(&subnet, "<subnetId>");
    let instance = world.account.ec2(&format!(
        "Action=RunInstances&ImageId=ami-0123456789abcdef0&MinCount=1&MaxCount=1&SubnetId={subnet}"
    ));
    let instance = id(&instance, "<instanceId>");
    world.account.ec2("Action=DescribeInstances");
    let text = format!(
        "stack: ws-small\nnetwork: {{ vpc: {vpc}, subnets: [{subnet}] }}\ninstances: {{ ids: [{instance}] }}\n\
         certificate: {{ domain: chat.example.com }}\nload_balancer: {{ type: classic }}\n"
    );
    let patient = Patient::built(world, &text);
    patient.has(
        "a small private subnet",
        &[
            (Severity::Warning, Name::FreeAddresses, "network.subnets"),
            (Severity::Error, Name::InternetRoute, "aws ec2 create-route --route-table-id rtb-"),
        ],
    );
}

#[test]
fn network_acls_that_drop_answers_are_found() {
    let patient = Patient::built(World::furnish("us-east-1"), CLASSIC);
    let ec2 = |form: &str| patient.world.account.ec2(form);
    let acl = patient.world.fill("${vpc}").replacen("vpc-", "acl-", 1);
    let entry = |action: &str, number: u16, egress: bool, rest: &str| {
        ec2(&format!(
            "Action={action}NetworkAclEntry&NetworkAclId={acl}&RuleNumber={number}&Egress={egress}{rest}"
        ));
    };
    let allow = |ports: (u16, u16)| {
        format!(
            "&Protocol=tcp&RuleAction=allow&CidrBlock=0.0.0.0/0&PortRange.From={}&PortRange.To={}",
            ports.0, ports.1
        )
    };
    // Linux's own ephemeral ports are not enough: load balancers and visitors use more.
    entry("Replace", 100, true, &allow((32768, 60999)));
    entry("Create", 110, true, &allow((80, 80)));
    entry("Create", 120, true, &allow((8081, 8081)));
    let found = patient.examined();
    let command: &'static str = format!("aws ec2 create-network-acl-entry --network-acl-id {acl}").leak();
    let error = (Severity::Error, Name::NetworkAcl, command);
    super::assert_findings(&found, "answers are dropped", &[error, error]);
    for (_, finding) in found.findings().filter(|(check, _)| check.name == Name::NetworkAcl) {
        assert!(finding.problem.contains("answers to visitors in 0.0.0.0/0"), "{finding:?}");
        assert!(!finding.problem.contains("port 80 "), "{finding:?}");
    }
    entry("Create", 130, true, &allow((1024, 65535)));
    patient.has("an entry more", &[]);
    entry(
        "Create",
        50,
        false,
        "&Protocol=6&RuleAction=deny&CidrBlock=0.0.0.0/0&PortRange.From=443&PortRange.To=443",
    );
    patient.has("443 is denied", &[error, error]);
    entry("Delete", 50, false, "");
    patient.has("no longer", &[]);
}
