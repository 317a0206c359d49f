//! What the load balancer's own security group and the rules on the instances' groups take.

use super::{Place, Statement, allow};
use crate::provision::resource::{Admission, Stack};

const RULES: &[&str] = &["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"];

pub(super) fn statements(stack: &Stack, place: Place<'_>) -> Vec<Statement> {
    let arn = |kind: &str| place.arn("ec2", &format!("{kind}/*"));
    let (group, rule) = (|| arn("security-group"), || arn("security-group-rule"));
    let mut statements = vec![
        allow("SecurityGroupInVpc", "ec2", &["CreateSecurityGroup"]).on([arn("vpc")]),
        allow("NewSecurityGroup", "ec2", &["CreateSecurityGroup"]).on([group()]).tagging(stack),
        allow("TagNewSecurityGroup", "ec2", &["CreateTags"]).on([group()]).tagging(stack).when(
            "StringEquals",
            "ec2:CreateAction",
            "CreateSecurityGroup",
        ),
        allow("OwnSecurityGroup", "ec2", &["CreateTags", "DeleteSecurityGroup", "DeleteTags"])
            .on([group()])
            .of(stack),
        allow("TagNewRules", "ec2", &["CreateTags"]).on([rule()]).when(
            "StringEquals",
            "ec2:CreateAction",
            "AuthorizeSecurityGroupIngress",
        ),
        allow("OwnRules", "ec2", RULES).on([group()]).of(stack),
        allow("Rules", "ec2", RULES).on([rule()]),
    ];
    match stack.admission {
        // Which groups the instances are in is seen when they are.
        Admission::Managed => statements.push(allow("InstanceRules", "ec2", RULES).on([group()])),
        Admission::Unmanaged => {}
    }
    statements
}
