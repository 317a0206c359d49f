//! Classic Elastic Load Balancing, 2012-06-01.

mod read;
mod write;

use aws_sdk_elasticloadbalancing::error::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Service, error};

pub use read::InstanceHealth;
pub(crate) use read::{
    alias_target, complete, description, instance_health, load_balancer, load_balancer_names, policies,
};
pub(crate) use write::{
    NewLoadBalancer, add_tags, apply_security_groups, attach_subnets, configure_health_check,
    create_listeners, create_load_balancer, create_policy, delete_listeners, delete_load_balancer,
    delete_policy, deregister_instances, detach_subnets, modify_attributes, register_instances, remove_tags,
    set_backend_policies, set_listener_certificate, set_listener_policies,
};

/// There is no such load balancer.
pub(crate) const LOAD_BALANCER_NOT_FOUND: &str = "LoadBalancerNotFound";

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Elb, operation)
}
