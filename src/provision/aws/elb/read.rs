//! What is read of Classic load balancers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancing::types::{
    ListenerDescription, LoadBalancerAttributes, LoadBalancerDescription, PolicyDescription,
};

use super::{LOAD_BALANCER_NOT_FOUND, failed};
use crate::provision::aws::{AwsError, Clients, Failure, Service};
use crate::provision::resource::{
    AccessLogs, Attributes, HealthCheck, Listener, LoadBalancer, Policy, PolicyKind, Protocol, Scheme, Tags,
};

/// What a load balancer says of one of its instances.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct InstanceHealth {
    /// `i-…`.
    pub id: String,
    /// `InService`, `OutOfService` or `Unknown`.
    pub state: String,
    /// `ELB` or `Instance`, whoever is the cause; none where AWS says `N/A`.
    pub reason_code: Option<String>,
    /// The reason in words; none where AWS says `N/A`.
    pub description: Option<String>,
}

impl InstanceHealth {
    /// Says whether the instance gets connections.
    #[must_use]
    pub fn in_service(&self) -> bool {
        self.state == "InService"
    }
}

/// Reads the load balancer called `name`, whole: four calls, three of them at the same time.
pub(crate) async fn load_balancer(clients: &Clients, name: &str) -> Result<Option<LoadBalancer>, AwsError> {
    match description(clients, name).await? {
        Some(found) => complete(clients, found).await,
        None => Ok(None),
    }
}

/// Reads the attributes, policies and tags of a load balancer, at the same time; none where it was deleted
/// meanwhile.
pub(crate) async fn complete(
    clients: &Clients,
    mut found: LoadBalancer,
) -> Result<Option<LoadBalancer>, AwsError> {
    let name = &found.name;
    let rest = tokio::try_join!(attributes(clients, name), policies(clients, name), tags(clients, name));
    match rest {
        Ok((attributes, policies, tags)) => {
            found.attributes = attributes;
            found.policies = policies;
            found.tags = tags;
            Ok(Some(found))
        }
        Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads what `DescribeLoadBalancers` alone says of one: all but its attributes, policies and tags.
pub(crate) async fn description(clients: &Clients, name: &str) -> Result<Option<LoadBalancer>, AwsError> {
    let answer = clients
        .elb()
        .describe_load_balancers()
        .load_balancer_names(name)
        .send()
        .await
        .map_err(failed("DescribeLoadBalancers"));
    let descriptions = match answer {
        Ok(output) => output.load_balancer_descriptions.unwrap_or_default(),
        Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Another name than the one asked for is an answer about something else.
    descriptions
        .into_iter()
        .find(|found| found.load_balancer_name.as_deref() == Some(name))
        .map(load_balancer_from)
        .transpose()
}

/// Reads where an alias record of a load balancer leads: its DNS name and the zone that this is part of.
pub(crate) async fn alias_target(
    clients: &Clients,
    name: &str,
) -> Result<Option<(String, String)>, AwsError> {
    let output = clients.elb().describe_load_balancers().load_balancer_names(name).send().await;
    let found = match output.map_err(failed("DescribeLoadBalancers")) {
        Ok(output) => output.load_balancer_descriptions.unwrap_or_default(),
        Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = found.into_iter().find(|found| found.load_balancer_name.as_deref() == Some(name));
    Ok(found.and_then(|found| Some((found.dns_name?, found.canonical_hosted_zone_name_id?))))
}

/// Lists the names of at most `limit` load balancers, sorted, and says whether there are more.
pub(crate) async fn load_balancer_names(
    clients: &Clients,
    limit: usize,
) -> Result<(Vec<String>, bool), AwsError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let page = clients
            .elb()
            .describe_load_balancers()
            .page_size(400)
            .set_marker(marker)
            .send()
            .await
            .map_err(failed("DescribeLoadBalancers"))?;
        let found = page.load_balancer_descriptions.unwrap_or_default();
        names.extend(found.into_iter().filter_map(|found| found.load_balancer_name));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() || names.len() > limit {
            break;
        }
    }
    names.sort();
    let more = names.len() > limit || marker.is_some();
    names.truncate(limit);
    Ok((names, more))
}

/// Reads all policies of a load balancer by name.
pub(crate) async fn policies(clients: &Clients, name: &str) -> Result<BTreeMap<String, Policy>, AwsError> {
    let output = clients
        .elb()
        .describe_load_balancer_policies()
        .load_balancer_name(name)
        .send()
        .await
        .map_err(failed("DescribeLoadBalancerPolicies"))?;
    let policies = output.policy_descriptions.unwrap_or_default().into_iter().map(policy_from);
    Ok(policies.map(|policy| (policy.name.clone(), policy)).collect())
}

/// Reads what a load balancer says of its instances, sorted by id.
pub(crate) async fn instance_health(clients: &Clients, name: &str) -> Result<Vec<InstanceHealth>, AwsError> {
    let output = clients
        .elb()
        .describe_instance_health()
        .load_balancer_name(name)
        .send()
        .await
        .map_err(failed("DescribeInstanceHealth"))?;
    let mut states: Vec<_> = output
        .instance_states
        .unwrap_or_default()
        .into_iter()
        .map(|state| InstanceHealth {
            id: state.instance_id.unwrap_or_default(),
            state: state.state.unwrap_or_else(|| "Unknown".to_owned()),
            reason_code: state.reason_code.filter(|code| code != "N/A"),
            description: state.description.filter(|text| text != "N/A"),
        })
        .collect();
    states.sort();
    Ok(states)
}

async fn attributes(clients: &Clients, name: &str) -> Result<Attributes, AwsError> {
    let output = clients
        .elb()
        .describe_load_balancer_attributes()
        .load_balancer_name(name)
        .send()
        .await
        .map_err(failed("DescribeLoadBalancerAttributes"))?;
    Ok(attributes_from(
        output.load_balancer_attributes.unwrap_or_else(|| LoadBalancerAttributes::builder().build()),
    ))
}

async fn tags(clients: &Clients, name: &str) -> Result<Tags, AwsError> {
    let output = clients
        .elb()
        .describe_tags()
        .load_balancer_names(name)
        .send()
        .await
        .map_err(failed("DescribeTags"))?;
    let descriptions = output.tag_descriptions.unwrap_or_default();
    Ok(descriptions
        .into_iter()
        .filter(|description| description.load_balancer_name.as_deref() == Some(name))
        .flat_map(|description| description.tags.unwrap_or_default())
        .map(|tag| (tag.key, tag.value.unwrap_or_default()))
        .collect())
}

fn load_balancer_from(found: LoadBalancerDescription) -> Result<LoadBalancer, AwsError> {
    let listeners = found
        .listener_descriptions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|description| listener_from(description).transpose())
        .map(|listener| listener.map(|listener| (listener.port, listener)))
        .collect::<Result<_, _>>()?;
    let backend_policies = found
        .backend_server_descriptions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|backend| {
            let port = backend.instance_port.and_then(|port| u16::try_from(port).ok())?;
            let mut policies = backend.policy_names.filter(|names| !names.is_empty())?;
            policies.sort();
            Some((port, policies))
        })
        .collect();
    let health_check = found.health_check;
    Ok(LoadBalancer {
        name: found.load_balancer_name.unwrap_or_default(),
        dns_name: found.dns_name.unwrap_or_default(),
        scheme: match found.scheme.as_deref() {
            Some("internal") => Scheme::Internal,
            _ => Scheme::InternetFacing,
        },
        vpc: found.vpc_id.filter(|vpc| !vpc.is_empty()),
        subnets: set(found.subnets),
        security_groups: set(found.security_groups),
        listeners,
        policies: BTreeMap::new(),
        backend_policies,
        attributes: attributes_from(LoadBalancerAttributes::builder().build()),
        health_check: HealthCheck {
            target: health_check.as_ref().map(|check| check.target.clone()).unwrap_or_default(),
            interval: health_check.as_ref().map_or(0, |check| unsigned(check.interval)),
            timeout: health_check.as_ref().map_or(0, |check| unsigned(check.timeout)),
            healthy_threshold: health_check.as_ref().map_or(0, |check| unsigned(check.healthy_threshold)),
            unhealthy_threshold: health_check.as_ref().map_or(0, |check| unsigned(check.unhealthy_threshold)),
        },
        instances: found
            .instances
            .unwrap_or_default()
            .into_iter()
            .filter_map(|instance| instance.instance_id)
            .collect(),
        tags: Tags::default(),
    })
}

fn listener_from(description: ListenerDescription) -> Result<Option<Listener>, AwsError> {
    let Some(listener) = description.listener else { return Ok(None) };
    let protocol = protocol_from(&listener.protocol)?;
    let instance_protocol = match &listener.instance_protocol {
        Some(name) => protocol_from(name)?,
        None => protocol,
    };
    let mut policies = description.policy_names.unwrap_or_default();
    policies.sort();
    Ok(Some(Listener {
        port: port_from(listener.load_balancer_port)?,
        protocol,
        instance_port: port_from(listener.instance_port)?,
        instance_protocol,
        certificate: listener.ssl_certificate_id.filter(|arn| !arn.is_empty()),
        policies,
    }))
}

fn policy_from(description: PolicyDescription) -> Policy {
    let type_name = description.policy_type_name.unwrap_or_default();
    let is_ssl = type_name == PolicyKind::SslNegotiation.as_api();
    let attributes = description
        .policy_attribute_descriptions
        .unwrap_or_default()
        .into_iter()
        .filter_map(|attribute| Some((attribute.attribute_name?, attribute.attribute_value?)))
        .filter(|(name, _)| !is_ssl || name == "Reference-Security-Policy")
        .collect();
    Policy { name: description.policy_name.unwrap_or_default(), type_name, attributes }
}

fn attributes_from(found: LoadBalancerAttributes) -> Attributes {
    Attributes {
        idle_timeout: found.connection_settings.map_or(60, |settings| unsigned(Some(settings.idle_timeout))),
        connection_draining: found
            .connection_draining
            .filter(|draining| draining.enabled)
            .map(|draining| draining.timeout.map_or(300, |timeout| unsigned(Some(timeout)))),
        cross_zone: found.cross_zone_load_balancing.is_some_and(|cross_zone| cross_zone.enabled),
        access_logs: found.access_log.filter(|log| log.enabled).map(|log| AccessLogs {
            bucket: log.s3_bucket_name.unwrap_or_default(),
            prefix: log.s3_bucket_prefix.unwrap_or_default(),
            interval: log.emit_interval.and_then(|minutes| u16::try_from(minutes).ok()).unwrap_or(60),
        }),
    }
}

fn protocol_from(name: &str) -> Result<Protocol, AwsError> {
    Protocol::from_api(name).ok_or_else(|| malformed(format!("unknown protocol `{name}`")))
}

fn port_from(port: i32) -> Result<u16, AwsError> {
    u16::try_from(port).map_err(|_| malformed(format!("{port} is no port")))
}

fn malformed(text: String) -> AwsError {
    AwsError { service: Service::Elb, operation: "DescribeLoadBalancers", failure: Failure::Malformed(text) }
}

fn unsigned(number: impl Into<Option<i32>>) -> u32 {
    number.into().and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

fn set(list: Option<Vec<String>>) -> BTreeSet<String> {
    list.unwrap_or_default().into_iter().collect()
}
