//! What a Classic load balancer takes.

use super::{Place, Statement, allow};
use crate::provision::resource::{DesiredLoadBalancer, Stack};

pub(super) const READS: &[&str] = &[
    "DescribeInstanceHealth",
    "DescribeLoadBalancerAttributes",
    "DescribeLoadBalancerPolicies",
    "DescribeLoadBalancers",
    "DescribeTags",
];
const WRITES: &[&str] = &[
    "AddTags",
    "ApplySecurityGroupsToLoadBalancer",
    "AttachLoadBalancerToSubnets",
    "ConfigureHealthCheck",
    "CreateLoadBalancer",
    "CreateLoadBalancerListeners",
    "CreateLoadBalancerPolicy",
    "DeleteLoadBalancer",
    "DeleteLoadBalancerListeners",
    "DeleteLoadBalancerPolicy",
    "DeregisterInstancesFromLoadBalancer",
    "DetachLoadBalancerFromSubnets",
    "ModifyLoadBalancerAttributes",
    "RegisterInstancesWithLoadBalancer",
    "RemoveTags",
    "SetLoadBalancerListenerSSLCertificate",
    "SetLoadBalancerPoliciesForBackendServer",
    "SetLoadBalancerPoliciesOfListener",
];

pub(super) fn statements(stack: &Stack, balancer: &DesiredLoadBalancer, place: Place<'_>) -> Vec<Statement> {
    let service = "elasticloadbalancing";
    let arn = |name: &str| place.arn(service, &format!("loadbalancer/{name}"));
    vec![
        allow("LoadBalancer", service, WRITES).on([arn(&balancer.name)]),
        allow("FormerLoadBalancer", service, &["DeleteLoadBalancer"]).on([arn("*")]).of(stack),
    ]
}
