//! Tags of anything that has an ARN.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::Tag;
use futures_util::future::try_join_all;

use super::{TARGET_GROUP_NOT_FOUND, failed};
use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::Tags;

/// Of how many resources `DescribeTags` tells in one call.
const TAGS_A_CALL: usize = 20;

/// Reads the tags of one resource by its ARN.
pub(crate) async fn tags_of(clients: &Clients, arn: &str) -> Result<Tags, AwsError> {
    Ok(tags(clients, &[arn.to_owned()]).await?.remove(arn).unwrap_or_default())
}

/// Reads the tags of resources by ARN, twenty a call.
pub(super) async fn tags(clients: &Clients, arns: &[String]) -> Result<BTreeMap<String, Tags>, AwsError> {
    let calls = arns.chunks(TAGS_A_CALL).map(|arns| async move {
        let output = clients
            .elbv2()
            .describe_tags()
            .set_resource_arns(Some(arns.to_vec()))
            .send()
            .await
            .map_err(failed("DescribeTags"))?;
        Ok(output.tag_descriptions.unwrap_or_default())
    });
    let found = try_join_all(calls).await?;
    Ok(found
        .into_iter()
        .flatten()
        .filter_map(|description| {
            let tags = description.tags.unwrap_or_default();
            let tags = tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
            Some((description.resource_arn?, tags.collect()))
        })
        .collect())
}

/// The same, one a call, without those of groups that are gone.
pub(super) async fn tags_one_by_one(
    clients: &Clients,
    arns: &[String],
) -> Result<BTreeMap<String, Tags>, AwsError> {
    let mut found = BTreeMap::new();
    for arn in arns {
        match tags(clients, std::slice::from_ref(arn)).await {
            Err(error) if error.is(TARGET_GROUP_NOT_FOUND) => {}
            one => found.extend(one?),
        }
    }
    Ok(found)
}

pub(crate) async fn add_tags(clients: &Clients, arn: &str, tags: &Tags) -> Result<(), AwsError> {
    let call = clients.elbv2().add_tags().resource_arns(arn).set_tags(tags_to(tags));
    call.send().await.map_err(failed("AddTags")).map(drop)
}

pub(crate) async fn remove_tags(
    clients: &Clients,
    arn: &str,
    keys: &BTreeSet<String>,
) -> Result<(), AwsError> {
    let keys = keys.iter().cloned().collect();
    let call = clients.elbv2().remove_tags().resource_arns(arn).set_tag_keys(Some(keys));
    call.send().await.map_err(failed("RemoveTags")).map(drop)
}

/// Returns the tags as AWS takes them with what is created; none where there are none.
pub(super) fn tags_to(tags: &Tags) -> Option<Vec<Tag>> {
    let tags: Vec<_> =
        tags.0.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    (!tags.is_empty()).then_some(tags)
}
