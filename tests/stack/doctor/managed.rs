//! Whether Systems Manager reaches the instances that the proxy is to be installed on. No agent ever registers in this
//! account, whose instances run no scripts; tests/deploy has those that do.

use elbws::doctor::{Name, Severity};

use super::{Patient, assert_findings, revoke, right};
use crate::world::World;

const CLASSIC: &str = r#"
stack: ws-chat
network: { subnets: ["${subnet-a}", "${subnet-b}"] }
instances: { ids: ["${one}"] }
certificate: { domain: chat.example.com }
load_balancer: { type: classic }
"#;
const DEPLOY: &str = "proxy: { deploy: { via: ssm, bucket: my-artifacts } }\n";

#[test]
fn what_an_instance_lacks_is_named_before_and_after_the_stack_is_built() {
    let text = format!("{CLASSIC}{DEPLOY}");
    let patient = Patient::not_built(World::furnish("us-east-1"), CLASSIC);
    let named = |when: &str, fix: &'static str, built: bool| {
        let mut expected = vec![(Severity::Error, Name::SystemsManager, fix)];
        if !built {
            expected.push((Severity::Error, Name::LoadBalancer, "elbws apply SPEC"));
        }
        let diagnosis = patient.examined_as(&text);
        assert_findings(&diagnosis, when, &expected);
        diagnosis
    };
    named("not built", "aws ec2 associate-iam-instance-profile --instance-id i-", false);
    patient.apply();
    let diagnosis = named("built", "aws ec2 associate-iam-instance-profile --instance-id i-", true);
    // The rest of the stack is as it should be, and is said to be.
    assert_eq!(right(&diagnosis, Name::Spec), ["stack: AWS has what the spec describes"]);

    let form = "Action=AssociateIamInstanceProfile&InstanceId=${one}&IamInstanceProfile.Name=ws-chat";
    patient.world.account.ec2(&patient.world.fill(form));
    named("with a profile", "see that amazon-ssm-agent runs on it, that its role has the policy", true);

    let group = patient.world.fill("${group}");
    revoke(&patient.world, &group, "Egress", None);
    let diagnosis = named("shut in", "aws ec2 authorize-security-group-egress --group-id sg-", true);
    let (_, found) = diagnosis.findings().find(|(check, _)| check.name == Name::SystemsManager).unwrap();
    assert_eq!(
        found.problem,
        format!("its agent has never registered, and no outbound rule of {group} admits port 443")
    );

    // Nobody asks where nothing is to be installed.
    patient.has("without deploy", &[]);
    assert!(right(&patient.examined(), Name::SystemsManager).is_empty());
}
