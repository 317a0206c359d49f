//! What an Application or a Network load balancer and its DNS records take.

use super::{Place, Statement, allow};
use crate::provision::resource::Stack;
use crate::provision::resource::v2::{DesiredLoadBalancer, Family};

pub(super) const READS: &[&str] = &[
    "DescribeListenerAttributes",
    "DescribeListenerCertificates",
    "DescribeListeners",
    "DescribeLoadBalancerAttributes",
    "DescribeLoadBalancers",
    "DescribeRules",
    "DescribeTags",
    "DescribeTargetGroupAttributes",
    "DescribeTargetGroups",
    "DescribeTargetHealth",
];
pub(super) const RECORD_READS: &[&str] = &["ListHostedZonesByName"];

/// On the load balancer, its listeners and their rules, all of which have its name in their ARNs.
const WRITES: &[&str] = &[
    "AddListenerCertificates",
    "AddTags",
    "CreateListener",
    "CreateLoadBalancer",
    "CreateRule",
    "DeleteListener",
    "DeleteLoadBalancer",
    "DeleteRule",
    "ModifyListener",
    "ModifyListenerAttributes",
    "ModifyLoadBalancerAttributes",
    "ModifyRule",
    "RemoveListenerCertificates",
    "RemoveTags",
    "SetIpAddressType",
    "SetRulePriorities",
    "SetSecurityGroups",
    "SetSubnets",
];
const GROUP_WRITES: &[&str] = &[
    "AddTags",
    "CreateTargetGroup",
    "DeleteTargetGroup",
    "DeregisterTargets",
    "ModifyTargetGroup",
    "ModifyTargetGroupAttributes",
    "RegisterTargets",
    "RemoveTags",
];

pub(super) fn statements(stack: &Stack, balancer: &DesiredLoadBalancer, place: Place<'_>) -> Vec<Statement> {
    let service = "elasticloadbalancing";
    let family = match balancer.family {
        Family::Application => "app",
        Family::Network => "net",
    };
    let arn = |kind: &str, name: &str| place.arn(service, &format!("{kind}/{family}/{name}/*"));
    let name = &balancer.name;
    vec![
        allow("LoadBalancer", service, WRITES).on([
            arn("loadbalancer", name),
            arn("listener", name),
            arn("listener-rule", name),
        ]),
        allow("FormerLoadBalancer", service, &["DeleteLoadBalancer", "DeleteListener", "DeleteRule"])
            .on([arn("loadbalancer", "*"), arn("listener", "*"), arn("listener-rule", "*")])
            .of(stack),
        // Their names begin with the stack's, as far as there is room for it.
        allow("TargetGroups", service, GROUP_WRITES)
            .on([place.arn(service, &format!("targetgroup/{}*", group_prefix(&stack.name)))]),
    ]
}

/// What the names of a stack's target groups certainly begin with: AWS ends a name at 32 characters, of which a
/// hash and its hyphen take eleven.
fn group_prefix(stack: &str) -> &str {
    stack.get(..21).unwrap_or(stack).trim_end_matches('-')
}

pub(super) fn record_statements() -> Vec<Statement> {
    vec![
        // The zone's id is known to AWS alone.
        allow("Records", "route53", &["ChangeResourceRecordSets", "ListResourceRecordSets"])
            .on(["arn:aws:route53:::hostedzone/*".to_owned()]),
        allow("RecordChanges", "route53", &["GetChange"]).on(["arn:aws:route53:::change/*".to_owned()]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_of_stacks_are_cut_as_those_of_target_groups_are() {
        assert_eq!(group_prefix("chat"), "chat");
        let longest = "a-stack-of-24-characters";
        assert_eq!(longest.len(), 24);
        assert!(longest.starts_with(group_prefix(longest)));
    }
}
