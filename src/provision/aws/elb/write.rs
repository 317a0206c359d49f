//! What is changed about Classic load balancers: a function per call.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::error::BuildError;
use aws_sdk_elasticloadbalancing::types::{
    AccessLog, ConnectionDraining, ConnectionSettings, CrossZoneLoadBalancing, HealthCheck as ApiHealthCheck,
    Instance, Listener as ApiListener, LoadBalancerAttributes, PolicyAttribute, Tag, TagKeyOnly,
};

use super::failed;
use crate::provision::aws::{AwsError, Clients, Failure, Service};
use crate::provision::resource::{Attributes, HealthCheck, Listener, PolicyKind, Scheme, Tags};

/// A load balancer to create.
#[derive(Debug, Clone)]
pub(crate) struct NewLoadBalancer<'a> {
    pub(crate) name: &'a str,
    pub(crate) scheme: Scheme,
    pub(crate) subnets: &'a BTreeSet<String>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) tags: &'a Tags,
}

pub(crate) async fn create_load_balancer(
    clients: &Clients,
    new: &NewLoadBalancer<'_>,
) -> Result<(), AwsError> {
    const OPERATION: &str = "CreateLoadBalancer";
    let tags = tags_to(new.tags, OPERATION)?;
    clients
        .elb()
        .create_load_balancer()
        .load_balancer_name(new.name)
        .set_scheme(match new.scheme {
            Scheme::Internal => Some("internal".to_owned()),
            Scheme::InternetFacing => None,
        })
        .set_subnets(Some(new.subnets.iter().cloned().collect()))
        .set_security_groups(Some(new.security_groups.clone()))
        .set_listeners(Some(listeners_to(&new.listeners, OPERATION)?))
        .set_tags((!tags.is_empty()).then_some(tags))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn delete_load_balancer(clients: &Clients, name: &str) -> Result<(), AwsError> {
    clients
        .elb()
        .delete_load_balancer()
        .load_balancer_name(name)
        .send()
        .await
        .map_err(failed("DeleteLoadBalancer"))
        .map(drop)
}

pub(crate) async fn add_tags(clients: &Clients, name: &str, tags: &Tags) -> Result<(), AwsError> {
    const OPERATION: &str = "AddTags";
    clients
        .elb()
        .add_tags()
        .load_balancer_names(name)
        .set_tags(Some(tags_to(tags, OPERATION)?))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn remove_tags(
    clients: &Clients,
    name: &str,
    keys: &BTreeSet<String>,
) -> Result<(), AwsError> {
    let keys = keys.iter().map(|key| TagKeyOnly::builder().key(key).build()).collect();
    clients
        .elb()
        .remove_tags()
        .load_balancer_names(name)
        .set_tags(Some(keys))
        .send()
        .await
        .map_err(failed("RemoveTags"))
        .map(drop)
}

pub(crate) async fn apply_security_groups(
    clients: &Clients,
    name: &str,
    groups: &[String],
) -> Result<(), AwsError> {
    clients
        .elb()
        .apply_security_groups_to_load_balancer()
        .load_balancer_name(name)
        .set_security_groups(Some(groups.to_vec()))
        .send()
        .await
        .map_err(failed("ApplySecurityGroupsToLoadBalancer"))
        .map(drop)
}

pub(crate) async fn attach_subnets(
    clients: &Clients,
    name: &str,
    subnets: &BTreeSet<String>,
) -> Result<(), AwsError> {
    clients
        .elb()
        .attach_load_balancer_to_subnets()
        .load_balancer_name(name)
        .set_subnets(Some(subnets.iter().cloned().collect()))
        .send()
        .await
        .map_err(failed("AttachLoadBalancerToSubnets"))
        .map(drop)
}

pub(crate) async fn detach_subnets(
    clients: &Clients,
    name: &str,
    subnets: &BTreeSet<String>,
) -> Result<(), AwsError> {
    clients
        .elb()
        .detach_load_balancer_from_subnets()
        .load_balancer_name(name)
        .set_subnets(Some(subnets.iter().cloned().collect()))
        .send()
        .await
        .map_err(failed("DetachLoadBalancerFromSubnets"))
        .map(drop)
}

pub(crate) async fn create_listeners(
    clients: &Clients,
    name: &str,
    listeners: &[Listener],
) -> Result<(), AwsError> {
    const OPERATION: &str = "CreateLoadBalancerListeners";
    clients
        .elb()
        .create_load_balancer_listeners()
        .load_balancer_name(name)
        .set_listeners(Some(listeners_to(listeners, OPERATION)?))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn delete_listeners(
    clients: &Clients,
    name: &str,
    ports: &BTreeSet<u16>,
) -> Result<(), AwsError> {
    clients
        .elb()
        .delete_load_balancer_listeners()
        .load_balancer_name(name)
        .set_load_balancer_ports(Some(ports.iter().map(|port| i32::from(*port)).collect()))
        .send()
        .await
        .map_err(failed("DeleteLoadBalancerListeners"))
        .map(drop)
}

pub(crate) async fn set_listener_certificate(
    clients: &Clients,
    name: &str,
    port: u16,
    certificate: &str,
) -> Result<(), AwsError> {
    clients
        .elb()
        .set_load_balancer_listener_ssl_certificate()
        .load_balancer_name(name)
        .load_balancer_port(i32::from(port))
        .ssl_certificate_id(certificate)
        .send()
        .await
        .map_err(failed("SetLoadBalancerListenerSSLCertificate"))
        .map(drop)
}

pub(crate) async fn create_policy(
    clients: &Clients,
    name: &str,
    policy: &str,
    kind: PolicyKind,
    attributes: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let attributes = attributes
        .iter()
        .map(|(name, value)| PolicyAttribute::builder().attribute_name(name).attribute_value(value).build())
        .collect();
    clients
        .elb()
        .create_load_balancer_policy()
        .load_balancer_name(name)
        .policy_name(policy)
        .policy_type_name(kind.as_api())
        .set_policy_attributes(Some(attributes))
        .send()
        .await
        .map_err(failed("CreateLoadBalancerPolicy"))
        .map(drop)
}

pub(crate) async fn delete_policy(clients: &Clients, name: &str, policy: &str) -> Result<(), AwsError> {
    clients
        .elb()
        .delete_load_balancer_policy()
        .load_balancer_name(name)
        .policy_name(policy)
        .send()
        .await
        .map_err(failed("DeleteLoadBalancerPolicy"))
        .map(drop)
}

/// Replaces the whole set of policies on a listener.
pub(crate) async fn set_listener_policies(
    clients: &Clients,
    name: &str,
    port: u16,
    policies: &[String],
) -> Result<(), AwsError> {
    clients
        .elb()
        .set_load_balancer_policies_of_listener()
        .load_balancer_name(name)
        .load_balancer_port(i32::from(port))
        .set_policy_names(Some(policies.to_vec()))
        .send()
        .await
        .map_err(failed("SetLoadBalancerPoliciesOfListener"))
        .map(drop)
}

/// Replaces the whole set of policies on an instance port.
pub(crate) async fn set_backend_policies(
    clients: &Clients,
    name: &str,
    port: u16,
    policies: &[String],
) -> Result<(), AwsError> {
    clients
        .elb()
        .set_load_balancer_policies_for_backend_server()
        .load_balancer_name(name)
        .instance_port(i32::from(port))
        .set_policy_names(Some(policies.to_vec()))
        .send()
        .await
        .map_err(failed("SetLoadBalancerPoliciesForBackendServer"))
        .map(drop)
}

pub(crate) async fn modify_attributes(
    clients: &Clients,
    name: &str,
    attributes: &Attributes,
) -> Result<(), AwsError> {
    const OPERATION: &str = "ModifyLoadBalancerAttributes";
    let draining = ConnectionDraining::builder()
        .enabled(attributes.connection_draining.is_some())
        // The timeout can be set only while draining is on.
        .set_timeout(attributes.connection_draining.map(signed))
        .build();
    let log = AccessLog::builder().enabled(attributes.access_logs.is_some());
    let log = match &attributes.access_logs {
        Some(logs) => log
            .s3_bucket_name(&logs.bucket)
            .s3_bucket_prefix(&logs.prefix)
            .emit_interval(i32::from(logs.interval)),
        None => log,
    };
    let settings = ConnectionSettings::builder()
        .idle_timeout(signed(attributes.idle_timeout))
        .build()
        .map_err(unbuilt(OPERATION))?;
    let attributes = LoadBalancerAttributes::builder()
        .cross_zone_load_balancing(CrossZoneLoadBalancing::builder().enabled(attributes.cross_zone).build())
        .connection_draining(draining)
        .connection_settings(settings)
        .access_log(log.build())
        .build();
    clients
        .elb()
        .modify_load_balancer_attributes()
        .load_balancer_name(name)
        .load_balancer_attributes(attributes)
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn configure_health_check(
    clients: &Clients,
    name: &str,
    check: &HealthCheck,
) -> Result<(), AwsError> {
    const OPERATION: &str = "ConfigureHealthCheck";
    let check = ApiHealthCheck::builder()
        .target(&check.target)
        .interval(signed(check.interval))
        .timeout(signed(check.timeout))
        .healthy_threshold(signed(check.healthy_threshold))
        .unhealthy_threshold(signed(check.unhealthy_threshold))
        .build()
        .map_err(unbuilt(OPERATION))?;
    clients
        .elb()
        .configure_health_check()
        .load_balancer_name(name)
        .health_check(check)
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn register_instances(
    clients: &Clients,
    name: &str,
    ids: &[String],
) -> Result<(), AwsError> {
    clients
        .elb()
        .register_instances_with_load_balancer()
        .load_balancer_name(name)
        .set_instances(Some(instances_to(ids)))
        .send()
        .await
        .map_err(failed("RegisterInstancesWithLoadBalancer"))
        .map(drop)
}

pub(crate) async fn deregister_instances(
    clients: &Clients,
    name: &str,
    ids: &[String],
) -> Result<(), AwsError> {
    clients
        .elb()
        .deregister_instances_from_load_balancer()
        .load_balancer_name(name)
        .set_instances(Some(instances_to(ids)))
        .send()
        .await
        .map_err(failed("DeregisterInstancesFromLoadBalancer"))
        .map(drop)
}

fn instances_to(ids: &[String]) -> Vec<Instance> {
    ids.iter().map(|id| Instance::builder().instance_id(id).build()).collect()
}

fn listeners_to(listeners: &[Listener], operation: &'static str) -> Result<Vec<ApiListener>, AwsError> {
    listeners
        .iter()
        .map(|listener| {
            ApiListener::builder()
                .load_balancer_port(i32::from(listener.port))
                .protocol(listener.protocol.as_api())
                .instance_port(i32::from(listener.instance_port))
                .instance_protocol(listener.instance_protocol.as_api())
                .set_ssl_certificate_id(listener.certificate.clone())
                .build()
                .map_err(unbuilt(operation))
        })
        .collect()
}

fn tags_to(tags: &Tags, operation: &'static str) -> Result<Vec<Tag>, AwsError> {
    tags.0
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(unbuilt(operation)))
        .collect()
}

fn unbuilt(operation: &'static str) -> impl Fn(BuildError) -> AwsError {
    move |error| AwsError { service: Service::Elb, operation, failure: Failure::Malformed(error.to_string()) }
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
