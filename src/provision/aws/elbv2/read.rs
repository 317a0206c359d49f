//! What is read of Application and Network load balancers: their listeners, rules and target groups.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;

use super::health::{TargetHealth, target_health};
use super::observed::{listener_from, load_balancer_from, rule_from, target_group_from};
use super::tags::{tags, tags_one_by_one};
use super::{
    Attributes, LISTENER_NOT_FOUND, LOAD_BALANCER_NOT_FOUND, RULE_NOT_FOUND, TARGET_GROUP_NOT_FOUND, failed,
};
use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::v2::{Listener, LoadBalancer, Protocol, Rule, TargetGroup};

/// How often a load balancer that changes while it is read is read again.
const READS: u32 = 3;
/// The answer where a listener of this protocol, or this region, has no listener attributes.
const NO_LISTENER_ATTRIBUTES: &[&str] =
    &["InvalidConfigurationRequest", "ValidationError", "InvalidAction", "UnsupportedOperation"];

/// Reads one page after the other into a list.
macro_rules! pages {
    ($operation:literal, $call:expr, $items:ident) => {{
        let mut found = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = $call.set_marker(marker).send().await.map_err(failed($operation))?;
            found.extend(page.$items.unwrap_or_default());
            marker = page.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break found;
            }
        }
    }};
}

/// Reads what `DescribeLoadBalancers` alone says of the one called `name`.
pub(crate) async fn load_balancer(clients: &Clients, name: &str) -> Result<Option<LoadBalancer>, AwsError> {
    let sent = clients.elbv2().describe_load_balancers().names(name).send().await;
    let found = match sent.map_err(failed("DescribeLoadBalancers")) {
        Ok(output) => output.load_balancers.unwrap_or_default(),
        Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Another name than the one asked for is an answer about something else.
    let found = found.into_iter().find(|found| found.load_balancer_name.as_deref() == Some(name));
    Ok(found.and_then(load_balancer_from))
}

/// Reads what `DescribeLoadBalancers` alone says of the one with this ARN.
pub(crate) async fn load_balancer_by_arn(
    clients: &Clients,
    arn: &str,
) -> Result<Option<LoadBalancer>, AwsError> {
    let sent = clients.elbv2().describe_load_balancers().load_balancer_arns(arn).send().await;
    let found = match sent.map_err(failed("DescribeLoadBalancers")) {
        Ok(output) => output.load_balancers.unwrap_or_default(),
        Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = found.into_iter().find(|found| found.load_balancer_arn.as_deref() == Some(arn));
    Ok(found.and_then(load_balancer_from))
}

/// Reads the attributes, the tags and the listeners of a load balancer; none where it was deleted meanwhile.
///
/// That is three calls and for each listener up to three more: its rules, certificates and attributes; and one
/// for the tags of every 20 listeners and rules. Where a listener or a rule goes meanwhile, all is read again.
pub(crate) async fn complete(
    clients: &Clients,
    mut found: LoadBalancer,
) -> Result<Option<LoadBalancer>, AwsError> {
    let arns = [found.arn.clone()];
    let mut tries = 0;
    loop {
        let rest = tokio::try_join!(
            load_balancer_attributes(clients, &found.arn),
            whole_listeners(clients, &found.arn),
            tags(clients, &arns),
        );
        match rest {
            Ok((attributes, listeners, mut tags)) => {
                found.attributes = attributes;
                found.listeners = listeners;
                found.tags = tags.remove(&found.arn).unwrap_or_default();
                return Ok(Some(found));
            }
            Err(error) if error.is(LOAD_BALANCER_NOT_FOUND) => return Ok(None),
            Err(error) if error.is_any(&[LISTENER_NOT_FOUND, RULE_NOT_FOUND]) && tries < READS => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn load_balancer_attributes(clients: &Clients, arn: &str) -> Result<Attributes, AwsError> {
    let output = clients
        .elbv2()
        .describe_load_balancer_attributes()
        .load_balancer_arn(arn)
        .send()
        .await
        .map_err(failed("DescribeLoadBalancerAttributes"))?;
    Ok(pairs(output.attributes, |found| (found.key, found.value)))
}

/// Reads what `DescribeListeners` alone says of a load balancer's listeners, by port.
pub(crate) async fn load_balancer_listeners(
    clients: &Clients,
    arn: &str,
) -> Result<BTreeMap<u16, Listener>, AwsError> {
    let found = pages!(
        "DescribeListeners",
        clients.elbv2().describe_listeners().load_balancer_arn(arn).page_size(400),
        listeners
    );
    Ok(found.into_iter().filter_map(listener_from).collect())
}

async fn whole_listeners(clients: &Clients, arn: &str) -> Result<BTreeMap<u16, Listener>, AwsError> {
    let listeners = load_balancer_listeners(clients, arn).await?;
    let whole = listeners
        .into_iter()
        .map(|(port, listener)| async move { Ok((port, whole_listener(clients, listener).await?)) });
    let mut listeners: BTreeMap<u16, Listener> = try_join_all(whole).await?.into_iter().collect();
    let arns: Vec<String> = listeners
        .values()
        .flat_map(|listener| {
            std::iter::once(&listener.arn).chain(listener.rules.iter().map(|rule| &rule.arn))
        })
        .cloned()
        .collect();
    let mut tags = tags(clients, &arns).await?;
    for listener in listeners.values_mut() {
        listener.tags = tags.remove(&listener.arn).unwrap_or_default();
        for rule in &mut listener.rules {
            rule.tags = tags.remove(&rule.arn).unwrap_or_default();
        }
    }
    Ok(listeners)
}

async fn whole_listener(clients: &Clients, mut listener: Listener) -> Result<Listener, AwsError> {
    let arn = listener.arn.as_str();
    let protocol = Protocol::from_aws(&listener.protocol);
    let of_http = matches!(protocol, Some(Protocol::Http | Protocol::Https));
    let (rules, certificates, attributes) = tokio::try_join!(
        async { if of_http { rules(clients, arn).await } else { Ok(Vec::new()) } },
        async {
            let secure = protocol.is_some_and(Protocol::is_secure);
            if secure { additional_certificates(clients, arn).await } else { Ok(BTreeSet::new()) }
        },
        async {
            // A TLS listener has none, and asking for them is an error.
            let some = of_http || protocol == Some(Protocol::Tcp);
            if some { listener_attributes(clients, arn).await } else { Ok(Attributes::new()) }
        },
    )?;
    listener.rules = rules;
    listener.additional_certificates =
        certificates.into_iter().filter(|found| listener.certificate.as_ref() != Some(found)).collect();
    listener.attributes = attributes;
    Ok(listener)
}

/// Reads the rules of a listener by ascending priority, without the default one and without tags.
pub(crate) async fn rules(clients: &Clients, listener: &str) -> Result<Vec<Rule>, AwsError> {
    let found = pages!(
        "DescribeRules",
        clients.elbv2().describe_rules().listener_arn(listener).page_size(400),
        rules
    );
    let mut rules: Vec<_> = found.into_iter().filter_map(rule_from).collect();
    rules.sort_by_key(|rule| rule.priority);
    Ok(rules)
}

async fn additional_certificates(clients: &Clients, listener: &str) -> Result<BTreeSet<String>, AwsError> {
    let found = pages!(
        "DescribeListenerCertificates",
        clients.elbv2().describe_listener_certificates().listener_arn(listener).page_size(400),
        certificates
    );
    Ok(found
        .into_iter()
        .filter(|certificate| certificate.is_default != Some(true))
        .filter_map(|certificate| certificate.certificate_arn)
        .collect())
}

async fn listener_attributes(clients: &Clients, listener: &str) -> Result<Attributes, AwsError> {
    let sent = clients.elbv2().describe_listener_attributes().listener_arn(listener).send().await;
    match sent.map_err(failed("DescribeListenerAttributes")) {
        Ok(output) => Ok(pairs(output.attributes, |found| (found.key, found.value))),
        Err(error) if error.is_any(NO_LISTENER_ATTRIBUTES) => Ok(Attributes::new()),
        Err(error) => Err(error),
    }
}

/// Reads what `DescribeTargetGroups` alone says of the one called `name`.
pub(crate) async fn target_group(clients: &Clients, name: &str) -> Result<Option<TargetGroup>, AwsError> {
    let sent = clients.elbv2().describe_target_groups().names(name).send().await;
    let found = match sent.map_err(failed("DescribeTargetGroups")) {
        Ok(output) => output.target_groups.unwrap_or_default(),
        Err(error) if error.is(TARGET_GROUP_NOT_FOUND) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = found.into_iter().find(|found| found.target_group_name.as_deref() == Some(name));
    Ok(found.and_then(target_group_from))
}

/// Reads what `DescribeTargetGroups` alone says of all there are: a call for every 400 of the region.
pub(crate) async fn target_groups(clients: &Clients) -> Result<Vec<TargetGroup>, AwsError> {
    let found = pages!(
        "DescribeTargetGroups",
        clients.elbv2().describe_target_groups().page_size(400),
        target_groups
    );
    Ok(found.into_iter().filter_map(target_group_from).collect())
}

/// Reads the attributes and targets of those of the groups whose tags are as `ours` wants them; the others are
/// left out, as are those that were deleted meanwhile.
///
/// That is a call for the tags of every 20, and two for each that is kept.
pub(crate) async fn complete_target_groups(
    clients: &Clients,
    groups: Vec<TargetGroup>,
    ours: impl Fn(&TargetGroup) -> bool,
) -> Result<Vec<TargetGroup>, AwsError> {
    let arns: Vec<String> = groups.iter().map(|group| group.arn.clone()).collect();
    let mut tags = match tags(clients, &arns).await {
        // One that is gone fails the call for twenty: then each is asked for alone.
        Err(error) if error.is(TARGET_GROUP_NOT_FOUND) => tags_one_by_one(clients, &arns).await?,
        tags => tags?,
    };
    let kept = groups.into_iter().filter_map(|mut group| {
        group.tags = tags.remove(&group.arn)?;
        ours(&group).then_some(group)
    });
    let whole = try_join_all(kept.map(|group| complete_target_group(clients, group))).await?;
    let mut whole: Vec<_> = whole.into_iter().flatten().collect();
    whole.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(whole)
}

async fn complete_target_group(
    clients: &Clients,
    mut group: TargetGroup,
) -> Result<Option<TargetGroup>, AwsError> {
    let rest =
        tokio::try_join!(target_group_attributes(clients, &group.arn), target_health(clients, &group.arn));
    match rest {
        Ok((attributes, health)) => {
            group.attributes = attributes;
            for found in health.into_iter().filter(TargetHealth::is_registered) {
                if found.is_healthy() {
                    group.healthy.insert(found.target.clone());
                }
                group.targets.insert(found.target);
            }
            Ok(Some(group))
        }
        Err(error) if error.is(TARGET_GROUP_NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn target_group_attributes(clients: &Clients, arn: &str) -> Result<Attributes, AwsError> {
    let output = clients
        .elbv2()
        .describe_target_group_attributes()
        .target_group_arn(arn)
        .send()
        .await
        .map_err(failed("DescribeTargetGroupAttributes"))?;
    Ok(pairs(output.attributes, |found| (found.key, found.value)))
}

fn pairs<T>(
    found: Option<Vec<T>>,
    pair: impl Fn(T) -> (Option<String>, Option<String>),
) -> BTreeMap<String, String> {
    found
        .unwrap_or_default()
        .into_iter()
        .map(pair)
        .filter_map(|(key, value)| Some((key?, value.unwrap_or_default())))
        .collect()
}
