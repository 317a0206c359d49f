//! What is changed about Application and Network load balancers: a function per call.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    ListenerAttribute, LoadBalancerAttribute, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, RulePriorityPair,
    TargetGroupAttribute, TargetTypeEnum,
};

use super::action::{action_to, conditions_to};
use super::request::{
    address_type_to, certificates_to, health_check_port, matcher_to, protocol_to, signed, subnets_to,
    targets_to,
};
use super::tags::tags_to;
use super::{Attributes, failed, malformed};
use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::v2::{
    Action, AddressType, Condition, Family, HealthCheck, Protocol, SubnetAddress, Target, TargetKind,
};
use crate::provision::resource::{Scheme, Tags};

/// A load balancer to create.
#[derive(Debug, Clone)]
pub(crate) struct NewLoadBalancer<'a> {
    pub(crate) name: &'a str,
    pub(crate) family: Family,
    pub(crate) scheme: Scheme,
    pub(crate) address_type: AddressType,
    pub(crate) subnets: &'a BTreeMap<String, Option<SubnetAddress>>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) tags: &'a Tags,
}

/// A target group to create.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewTargetGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) protocol: Protocol,
    pub(crate) protocol_version: Option<&'a str>,
    pub(crate) port: u16,
    pub(crate) vpc: &'a str,
    pub(crate) kind: TargetKind,
    pub(crate) health_check: &'a HealthCheck,
    pub(crate) tags: &'a Tags,
}

/// What can be set about a listener; its target groups and certificate are ARNs.
#[derive(Debug, Clone)]
pub(crate) struct ListenerSettings<'a> {
    pub(crate) port: u16,
    pub(crate) protocol: Protocol,
    pub(crate) ssl_policy: Option<&'a str>,
    pub(crate) alpn_policy: Option<&'a str>,
    pub(crate) certificate: Option<String>,
    pub(crate) default_action: Action,
}

/// Creates a load balancer and returns its ARN. One with the same settings is the one to create, says AWS.
pub(crate) async fn create_load_balancer(
    clients: &Clients,
    new: &NewLoadBalancer<'_>,
) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateLoadBalancer";
    let call = clients
        .elbv2()
        .create_load_balancer()
        .name(new.name)
        .r#type(match new.family {
            Family::Application => LoadBalancerTypeEnum::Application,
            Family::Network => LoadBalancerTypeEnum::Network,
        })
        .scheme(match new.scheme {
            Scheme::InternetFacing => LoadBalancerSchemeEnum::InternetFacing,
            Scheme::Internal => LoadBalancerSchemeEnum::Internal,
        })
        .ip_address_type(address_type_to(new.address_type))
        .set_security_groups(Some(new.security_groups.clone()))
        .set_tags(tags_to(new.tags));
    let (subnets, mappings) = subnets_to(new.subnets);
    let output =
        call.set_subnets(subnets).set_subnet_mappings(mappings).send().await.map_err(failed(OPERATION))?;
    let made = output.load_balancers.unwrap_or_default().into_iter().find_map(|one| one.load_balancer_arn);
    made.ok_or_else(|| malformed(OPERATION, "the answer names no load balancer"))
}

pub(crate) async fn delete_load_balancer(clients: &Clients, arn: &str) -> Result<(), AwsError> {
    let call = clients.elbv2().delete_load_balancer().load_balancer_arn(arn);
    call.send().await.map_err(failed("DeleteLoadBalancer")).map(drop)
}

/// Replaces the whole set of security groups.
pub(crate) async fn set_security_groups(
    clients: &Clients,
    arn: &str,
    groups: &[String],
) -> Result<(), AwsError> {
    let call = clients.elbv2().set_security_groups().load_balancer_arn(arn);
    let call = call.set_security_groups(Some(groups.to_vec()));
    call.send().await.map_err(failed("SetSecurityGroups")).map(drop)
}

/// Replaces the whole set of subnets.
pub(crate) async fn set_subnets(
    clients: &Clients,
    arn: &str,
    subnets: &BTreeMap<String, Option<SubnetAddress>>,
) -> Result<(), AwsError> {
    let (subnets, mappings) = subnets_to(subnets);
    let call = clients.elbv2().set_subnets().load_balancer_arn(arn);
    let call = call.set_subnets(subnets).set_subnet_mappings(mappings);
    call.send().await.map_err(failed("SetSubnets")).map(drop)
}

pub(crate) async fn set_address_type(
    clients: &Clients,
    arn: &str,
    address_type: AddressType,
) -> Result<(), AwsError> {
    let call = clients.elbv2().set_ip_address_type().load_balancer_arn(arn);
    let call = call.ip_address_type(address_type_to(address_type));
    call.send().await.map_err(failed("SetIpAddressType")).map(drop)
}

pub(crate) async fn modify_load_balancer_attributes(
    clients: &Clients,
    arn: &str,
    attributes: &Attributes,
) -> Result<(), AwsError> {
    let attributes = attributes
        .iter()
        .map(|(key, value)| LoadBalancerAttribute::builder().key(key).value(value).build())
        .collect();
    let call = clients.elbv2().modify_load_balancer_attributes().load_balancer_arn(arn);
    let call = call.set_attributes(Some(attributes));
    call.send().await.map_err(failed("ModifyLoadBalancerAttributes")).map(drop)
}

/// Creates a target group and returns its ARN. One with the same settings is the one to create, says AWS.
pub(crate) async fn create_target_group(
    clients: &Clients,
    new: NewTargetGroup<'_>,
) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateTargetGroup";
    let check = new.health_check;
    let output = clients
        .elbv2()
        .create_target_group()
        .name(new.name)
        .protocol(protocol_to(new.protocol))
        .set_protocol_version(new.protocol_version.map(str::to_owned))
        .port(i32::from(new.port))
        .vpc_id(new.vpc)
        .target_type(match new.kind {
            TargetKind::Instance => TargetTypeEnum::Instance,
            TargetKind::Ip => TargetTypeEnum::Ip,
        })
        .health_check_enabled(true)
        .health_check_protocol(protocol_to(check.protocol))
        .health_check_port(health_check_port(check))
        .set_health_check_path(check.path.clone())
        .health_check_interval_seconds(signed(check.interval))
        .health_check_timeout_seconds(signed(check.timeout))
        .healthy_threshold_count(signed(check.healthy_threshold))
        .unhealthy_threshold_count(signed(check.unhealthy_threshold))
        .set_matcher(matcher_to(check))
        .set_tags(tags_to(new.tags))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    let made = output.target_groups.unwrap_or_default().into_iter().find_map(|one| one.target_group_arn);
    made.ok_or_else(|| malformed(OPERATION, "the answer names no target group"))
}

/// Sets the whole health check; the rest of a target group cannot be changed.
pub(crate) async fn modify_target_group(
    clients: &Clients,
    arn: &str,
    check: &HealthCheck,
) -> Result<(), AwsError> {
    let call = clients
        .elbv2()
        .modify_target_group()
        .target_group_arn(arn)
        .health_check_enabled(true)
        .health_check_protocol(protocol_to(check.protocol))
        .health_check_port(health_check_port(check))
        .set_health_check_path(check.path.clone())
        .health_check_interval_seconds(signed(check.interval))
        .health_check_timeout_seconds(signed(check.timeout))
        .healthy_threshold_count(signed(check.healthy_threshold))
        .unhealthy_threshold_count(signed(check.unhealthy_threshold))
        .set_matcher(matcher_to(check));
    call.send().await.map_err(failed("ModifyTargetGroup")).map(drop)
}

pub(crate) async fn modify_target_group_attributes(
    clients: &Clients,
    arn: &str,
    attributes: &Attributes,
) -> Result<(), AwsError> {
    let attributes = attributes
        .iter()
        .map(|(key, value)| TargetGroupAttribute::builder().key(key).value(value).build())
        .collect();
    let call = clients.elbv2().modify_target_group_attributes().target_group_arn(arn);
    let call = call.set_attributes(Some(attributes));
    call.send().await.map_err(failed("ModifyTargetGroupAttributes")).map(drop)
}

pub(crate) async fn delete_target_group(clients: &Clients, arn: &str) -> Result<(), AwsError> {
    let call = clients.elbv2().delete_target_group().target_group_arn(arn);
    call.send().await.map_err(failed("DeleteTargetGroup")).map(drop)
}

pub(crate) async fn register_targets(
    clients: &Clients,
    arn: &str,
    targets: &[Target],
    zone: Option<&str>,
) -> Result<(), AwsError> {
    let targets = targets_to(targets, zone);
    let call = clients.elbv2().register_targets().target_group_arn(arn).set_targets(Some(targets));
    call.send().await.map_err(failed("RegisterTargets")).map(drop)
}

pub(crate) async fn deregister_targets(
    clients: &Clients,
    arn: &str,
    targets: &[Target],
) -> Result<(), AwsError> {
    let targets = targets_to(targets, None);
    let call = clients.elbv2().deregister_targets().target_group_arn(arn).set_targets(Some(targets));
    call.send().await.map_err(failed("DeregisterTargets")).map(drop)
}

/// Creates a listener and returns its ARN.
pub(crate) async fn create_listener(
    clients: &Clients,
    load_balancer: &str,
    settings: &ListenerSettings<'_>,
    tags: &Tags,
) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateListener";
    let output = clients
        .elbv2()
        .create_listener()
        .load_balancer_arn(load_balancer)
        .port(i32::from(settings.port))
        .protocol(protocol_to(settings.protocol))
        .set_ssl_policy(settings.ssl_policy.map(str::to_owned))
        .set_alpn_policy(settings.alpn_policy.map(|policy| vec![policy.to_owned()]))
        .set_certificates(settings.certificate.as_deref().map(|arn| certificates_to([arn])))
        .default_actions(action_to(&settings.default_action, OPERATION)?)
        .set_tags(tags_to(tags))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    let made = output.listeners.unwrap_or_default().into_iter().find_map(|one| one.listener_arn);
    made.ok_or_else(|| malformed(OPERATION, "the answer names no listener"))
}

/// Sets everything about a listener, in place.
///
/// What its protocol does not have is left out: where HTTPS becomes HTTP, a certificate or a policy, even an empty
/// one, is a `ValidationError`. ALPN is switched off by the policy `None`.
pub(crate) async fn modify_listener(
    clients: &Clients,
    arn: &str,
    settings: &ListenerSettings<'_>,
) -> Result<(), AwsError> {
    const OPERATION: &str = "ModifyListener";
    let alpn =
        (settings.protocol == Protocol::Tls).then(|| vec![settings.alpn_policy.unwrap_or("None").to_owned()]);
    let call = clients
        .elbv2()
        .modify_listener()
        .listener_arn(arn)
        .port(i32::from(settings.port))
        .protocol(protocol_to(settings.protocol))
        .set_ssl_policy(settings.ssl_policy.map(str::to_owned))
        .set_alpn_policy(alpn)
        .set_certificates(settings.certificate.as_deref().map(|arn| certificates_to([arn])))
        .default_actions(action_to(&settings.default_action, OPERATION)?);
    call.send().await.map_err(failed(OPERATION)).map(drop)
}

pub(crate) async fn modify_listener_attributes(
    clients: &Clients,
    arn: &str,
    attributes: &Attributes,
) -> Result<(), AwsError> {
    let attributes = attributes
        .iter()
        .map(|(key, value)| ListenerAttribute::builder().key(key).value(value).build())
        .collect();
    let call = clients.elbv2().modify_listener_attributes().listener_arn(arn);
    let call = call.set_attributes(Some(attributes));
    call.send().await.map_err(failed("ModifyListenerAttributes")).map(drop)
}

pub(crate) async fn delete_listener(clients: &Clients, arn: &str) -> Result<(), AwsError> {
    let call = clients.elbv2().delete_listener().listener_arn(arn);
    call.send().await.map_err(failed("DeleteListener")).map(drop)
}

/// Adds certificates to those that a listener chooses from by SNI.
pub(crate) async fn add_listener_certificates(
    clients: &Clients,
    arn: &str,
    certificates: &[String],
) -> Result<(), AwsError> {
    let certificates = certificates_to(certificates.iter().map(String::as_str));
    let call = clients.elbv2().add_listener_certificates().listener_arn(arn);
    let call = call.set_certificates(Some(certificates));
    call.send().await.map_err(failed("AddListenerCertificates")).map(drop)
}

pub(crate) async fn remove_listener_certificates(
    clients: &Clients,
    arn: &str,
    certificates: &[String],
) -> Result<(), AwsError> {
    let certificates = certificates_to(certificates.iter().map(String::as_str));
    let call = clients.elbv2().remove_listener_certificates().listener_arn(arn);
    let call = call.set_certificates(Some(certificates));
    call.send().await.map_err(failed("RemoveListenerCertificates")).map(drop)
}

/// Creates a rule and returns its ARN; the groups of a forward are ARNs.
pub(crate) async fn create_rule(
    clients: &Clients,
    listener: &str,
    priority: u16,
    conditions: &[Condition],
    action: &Action,
    tags: &Tags,
) -> Result<String, AwsError> {
    const OPERATION: &str = "CreateRule";
    let output = clients
        .elbv2()
        .create_rule()
        .listener_arn(listener)
        .priority(i32::from(priority))
        .set_conditions(Some(conditions_to(conditions, OPERATION)?))
        .actions(action_to(action, OPERATION)?)
        .set_tags(tags_to(tags))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    let made = output.rules.unwrap_or_default().into_iter().find_map(|one| one.rule_arn);
    made.ok_or_else(|| malformed(OPERATION, "the answer names no rule"))
}

/// Sets a rule's conditions and action, in place.
pub(crate) async fn modify_rule(
    clients: &Clients,
    arn: &str,
    conditions: &[Condition],
    action: &Action,
) -> Result<(), AwsError> {
    const OPERATION: &str = "ModifyRule";
    let call = clients
        .elbv2()
        .modify_rule()
        .rule_arn(arn)
        .set_conditions(Some(conditions_to(conditions, OPERATION)?))
        .actions(action_to(action, OPERATION)?);
    call.send().await.map_err(failed(OPERATION)).map(drop)
}

/// Sets the priorities of rules, all in one call.
pub(crate) async fn set_rule_priorities(
    clients: &Clients,
    priorities: &BTreeMap<String, u16>,
) -> Result<(), AwsError> {
    let pairs = priorities
        .iter()
        .map(|(arn, priority)| {
            RulePriorityPair::builder().rule_arn(arn).priority(i32::from(*priority)).build()
        })
        .collect();
    let call = clients.elbv2().set_rule_priorities().set_rule_priorities(Some(pairs));
    call.send().await.map_err(failed("SetRulePriorities")).map(drop)
}

pub(crate) async fn delete_rule(clients: &Clients, arn: &str) -> Result<(), AwsError> {
    let call = clients.elbv2().delete_rule().rule_arn(arn);
    call.send().await.map_err(failed("DeleteRule")).map(drop)
}
