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
