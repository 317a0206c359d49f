//! Application and Network load balancers: Elastic Load Balancing, 2015-12-01.

mod action;
mod health;
mod observed;
mod read;
mod request;
mod tags;
mod write;

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::error::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Failure, Service, error};

pub use health::TargetHealth;
pub(crate) use health::target_health;
pub(crate) use read::{
    complete, complete_target_groups, load_balancer, load_balancer_by_arn, load_balancer_listeners, rules,
    target_group, target_groups,
};
pub(crate) use tags::{add_tags, remove_tags, tags_of};
pub(crate) use write::{
    ListenerSettings, NewLoadBalancer, NewTargetGroup, add_listener_certificates, create_listener,
    create_load_balancer, create_rule, create_target_group, delete_listener, delete_load_balancer,
    delete_rule, delete_target_group, deregister_targets, modify_listener, modify_listener_attributes,
    modify_load_balancer_attributes, modify_rule, modify_target_group, modify_target_group_attributes,
    register_targets, remove_listener_certificates, set_address_type, set_rule_priorities,
    set_security_groups, set_subnets,
};

/// There is no such load balancer.
pub(crate) const LOAD_BALANCER_NOT_FOUND: &str = "LoadBalancerNotFound";
/// There is no such listener.
pub(crate) const LISTENER_NOT_FOUND: &str = "ListenerNotFound";
/// There is no such rule.
pub(crate) const RULE_NOT_FOUND: &str = "RuleNotFound";
/// There is no such target group.
pub(crate) const TARGET_GROUP_NOT_FOUND: &str = "TargetGroupNotFound";

/// Attributes by AWS's keys.
pub(crate) type Attributes = BTreeMap<String, String>;

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::ElbV2, operation)
}

fn malformed(operation: &'static str, text: impl Into<String>) -> AwsError {
    AwsError { service: Service::ElbV2, operation, failure: Failure::Malformed(text.into()) }
}
