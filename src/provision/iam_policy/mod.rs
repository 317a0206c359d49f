//! Stack → the IAM policy that its `plan`, `apply`, `deploy`, `status`, `doctor` and `destroy` need; pure.
//!
//! Least by action, and by resource where the service can tell one from another: by name, by the stack's tags, or
//! by what is asked for. Sources: the service authorization reference's pages on Elastic Load Balancing (and V2),
//! EC2, EC2 Auto Scaling, Certificate Manager, IAM, Route 53, Systems Manager and S3.

mod auto_scaling;
mod certificates;
mod classic;
mod proxy;
mod security_groups;
mod v2;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::resource::{DesiredBalancer, STACK_TAG, Stack};

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyDocument {
    version: &'static str,
    /// What is allowed; nothing is denied.
    pub statement: Vec<Statement>,
}

/// What is allowed, on which resources, under which condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: &'static str,
    /// `service:Action`, sorted.
    pub action: BTreeSet<String>,
    resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, String>>,
}

impl PolicyDocument {
    /// Returns every action that is allowed anywhere.
    #[must_use]
    pub fn actions(&self) -> BTreeSet<&str> {
        self.statement.iter().flat_map(|statement| &statement.action).map(String::as_str).collect()
    }
}

/// Returns the policy of a stack in `region`; in any region where none is named.
#[must_use]
pub fn policy(stack: &Stack, region: Option<&str>) -> PolicyDocument {
    let place = Place { region: region.unwrap_or("*") };
    let mut statement = vec![reads(stack)];
    statement.extend(match &stack.load_balancer {
        DesiredBalancer::Classic(balancer) => classic::statements(stack, balancer, place),
        DesiredBalancer::V2(balancer) => v2::statements(stack, balancer, place),
    });
    statement.extend(security_groups::statements(stack, place));
    statement.extend(certificates::statements(stack, place));
    statement.extend(auto_scaling::statement(stack, place));
    statement.extend(stack.dns.iter().flat_map(|_| v2::record_statements()));
    statement.extend(stack.proxy.iter().flat_map(|proxy| proxy::statements(stack, proxy, place)));
    statement.push(
        allow("ServiceLinkedRole", "iam", &["CreateServiceLinkedRole"])
            .on(["arn:aws:iam::*:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing".to_owned()])
            .when("StringEquals", "iam:AWSServiceName", "elasticloadbalancing.amazonaws.com"),
    );
    PolicyDocument { version: "2012-10-17", statement }
}

/// What is only read; these actions know no resources.
fn reads(stack: &Stack) -> Statement {
    let mut reads = allow(
        "Read",
        "ec2",
        &[
            "DescribeInstances",
            "DescribeNetworkAcls",
            "DescribeRouteTables",
            "DescribeSecurityGroupRules",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "DescribeVpcs",
        ],
    );
    // What the security group waits for before it is deleted.
    reads = reads.and("ec2", &["DescribeNetworkInterfaces"]);
    reads = match &stack.load_balancer {
        DesiredBalancer::Classic(_) => reads.and("elasticloadbalancing", classic::READS),
        DesiredBalancer::V2(_) => reads.and("elasticloadbalancing", v2::READS),
    };
    reads = reads.and("acm", certificates::ACM_READS).and("iam", certificates::IAM_READS);
    if stack.instances.auto_scaling_group.is_some() {
        reads = reads.and("autoscaling", auto_scaling::READS);
    }
    if stack.dns.is_some() {
        reads = reads.and("route53", v2::RECORD_READS);
    }
    if stack.proxy.is_some() { reads.and("ssm", proxy::READS) } else { reads }
}

/// Where resources are.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    region: &'a str,
}

impl Place<'_> {
    /// The ARN of a service's resource here, in whatever account the caller is.
    fn arn(self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:*:{resource}", self.region)
    }
}

fn allow(sid: &'static str, service: &str, actions: &[&str]) -> Statement {
    let statement = Statement {
        sid,
        effect: "Allow",
        action: BTreeSet::new(),
        resource: vec!["*".to_owned()],
        condition: BTreeMap::new(),
    };
    statement.and(service, actions)
}

impl Statement {
    fn and(mut self, service: &str, actions: &[&str]) -> Self {
        self.action.extend(actions.iter().map(|action| format!("{service}:{action}")));
        self
    }

    fn on(mut self, resources: impl IntoIterator<Item = String>) -> Self {
        self.resource = resources.into_iter().collect();
        self
    }

    fn when(mut self, operator: &'static str, key: &str, value: &str) -> Self {
        self.condition.entry(operator).or_default().insert(key.to_owned(), value.to_owned());
        self
    }

    /// Only on what carries the stack's tag.
    fn of(self, stack: &Stack) -> Self {
        self.when("StringEquals", &format!("aws:ResourceTag/{STACK_TAG}"), &stack.name)
    }

    /// Only with the stack's tag put on what is made.
    fn tagging(self, stack: &Stack) -> Self {
        self.when("StringEquals", &format!("aws:RequestTag/{STACK_TAG}"), &stack.name)
    }
}
