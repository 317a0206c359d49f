//! Actions and conditions, to and from the SDK's types.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action as ApiAction, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig,
    HostHeaderConditionConfig, PathPatternConditionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum, RuleCondition, TargetGroupStickinessConfig, TargetGroupTuple,
};

use crate::provision::aws::AwsError;
use crate::provision::resource::v2::{Action, Condition, Forward};

/// Reads what is done with a request. Several actions are one of authentication and what follows it.
pub(super) fn action_from(found: Option<Vec<ApiAction>>) -> Action {
    let mut found = found.unwrap_or_default();
    let kinds = || found.iter().map(|action| kind_of(action).to_owned()).collect::<Vec<_>>().join(", ");
    if found.len() != 1 {
        return Action::Other(kinds());
    }
    let other = Action::Other(kinds());
    let Some(only) = found.pop() else { return other };
    match kind_of(&only) {
        "forward" => Action::Forward(forward_from(only)),
        "redirect" => only.redirect_config.map_or(other, redirect_from),
        "fixed-response" => only.fixed_response_config.map_or(other, fixed_response_from),
        _ => other,
    }
}

fn kind_of(action: &ApiAction) -> &str {
    action.r#type.as_ref().map_or("nothing", ActionTypeEnum::as_str)
}

fn forward_from(action: ApiAction) -> Forward {
    let (groups, stickiness) = match action.forward_config {
        Some(config) => (config.target_groups.unwrap_or_default(), config.target_group_stickiness_config),
        None => (Vec::new(), None),
    };
    let mut groups: Vec<(String, u16)> = groups
        .into_iter()
        .filter_map(|group| {
            let weight = group.weight.and_then(|weight| u16::try_from(weight).ok());
            Some((group.target_group_arn?, weight.unwrap_or(1)))
        })
        .collect();
    if groups.is_empty() {
        groups.extend(action.target_group_arn.map(|arn| (arn, 1)));
    }
    if let [(_, weight)] = groups.as_mut_slice() {
        *weight = 1;
    }
    Forward {
        groups: groups.into_iter().collect(),
        stickiness: stickiness
            .filter(|stickiness| stickiness.enabled == Some(true))
            .and_then(|stickiness| stickiness.duration_seconds)
            .and_then(|seconds| u32::try_from(seconds).ok()),
    }
}

fn redirect_from(found: RedirectActionConfig) -> Action {
    Action::Redirect {
        protocol: found.protocol.unwrap_or_else(|| "#{protocol}".to_owned()),
        host: found.host.unwrap_or_else(|| "#{host}".to_owned()),
        port: found.port.unwrap_or_else(|| "#{port}".to_owned()),
        path: found.path.unwrap_or_else(|| "/#{path}".to_owned()),
        query: found.query.unwrap_or_else(|| "#{query}".to_owned()),
        status: match found.status_code {
            Some(RedirectActionStatusCodeEnum::Http302) => 302,
            _ => 301,
        },
    }
}

fn fixed_response_from(found: FixedResponseActionConfig) -> Action {
    Action::FixedResponse {
        status: found.status_code.and_then(|status| status.parse().ok()).unwrap_or_default(),
        content_type: found.content_type,
        body: found.message_body,
    }
}

/// Returns the action as AWS takes it; the groups of a forward are ARNs.
pub(super) fn action_to(action: &Action, operation: &'static str) -> Result<ApiAction, AwsError> {
    let built = ApiAction::builder();
    let built = match action {
        Action::Forward(forward) => forward_to(built, forward),
        Action::Redirect { protocol, host, port, path, query, status } => {
            let code = match status {
                302 => RedirectActionStatusCodeEnum::Http302,
                _ => RedirectActionStatusCodeEnum::Http301,
            };
            let config = RedirectActionConfig::builder()
                .protocol(protocol)
                .host(host)
                .port(port)
                .path(path)
                .query(query)
                .status_code(code)
                .build();
            built.r#type(ActionTypeEnum::Redirect).redirect_config(config)
        }
        Action::FixedResponse { status, content_type, body } => {
            let config = FixedResponseActionConfig::builder()
                .status_code(status.to_string())
                .set_content_type(content_type.clone())
                .set_message_body(body.clone())
                .build();
            built.r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config)
        }
        Action::Other(kind) => {
            return Err(super::malformed(operation, format!("an action `{kind}` cannot be made")));
        }
    };
    Ok(built.build())
}

fn forward_to(
    built: aws_sdk_elasticloadbalancingv2::types::builders::ActionBuilder,
    forward: &Forward,
) -> aws_sdk_elasticloadbalancingv2::types::builders::ActionBuilder {
    let built = built.r#type(ActionTypeEnum::Forward);
    if let (1, None, Some(arn)) = (forward.groups.len(), forward.stickiness, forward.groups.keys().next()) {
        return built.target_group_arn(arn);
    }
    let groups = forward
        .groups
        .iter()
        .map(|(arn, weight)| {
            TargetGroupTuple::builder().target_group_arn(arn).weight(i32::from(*weight)).build()
        })
        .collect();
    let stickiness = TargetGroupStickinessConfig::builder()
        .enabled(forward.stickiness.is_some())
        .set_duration_seconds(forward.stickiness.map(super::request::signed))
        .build();
    // One that is off is left out: Network load balancers refuse to hear of it.
    let stickiness = forward.stickiness.map(|_| stickiness);
    built.forward_config(
        ForwardActionConfig::builder()
            .set_target_groups(Some(groups))
            .set_target_group_stickiness_config(stickiness)
            .build(),
    )
}

/// Reads the conditions of a rule, sorted.
pub(super) fn conditions_from(found: Option<Vec<RuleCondition>>) -> Vec<Condition> {
    let mut conditions: Vec<_> = found.unwrap_or_default().into_iter().map(condition_from).collect();
    conditions.sort();
    conditions
}

fn condition_from(found: RuleCondition) -> Condition {
    let field = found.field.clone().unwrap_or_default();
    let patterns = match field.as_str() {
        "path-pattern" => found
            .path_pattern_config
            .as_ref()
            .map(|config| (config.values.clone(), config.regex_values.clone())),
        "host-header" => found
            .host_header_config
            .as_ref()
            .map(|config| (config.values.clone(), config.regex_values.clone())),
        _ => return Condition::Other(described(&field, &found)),
    };
    let (values, regexes) = patterns.unwrap_or((None, None));
    let has_regexes =
        [regexes, found.regex_values.clone()].into_iter().flatten().any(|list| !list.is_empty());
    if has_regexes {
        return Condition::Other(described(&field, &found));
    }
    let values: BTreeSet<String> =
        values.filter(|values| !values.is_empty()).or(found.values).unwrap_or_default().into_iter().collect();
    if field == "path-pattern" {
        Condition::Path(values)
    } else {
        Condition::Host(values.iter().map(|value| value.to_ascii_lowercase()).collect())
    }
}

/// Describes a condition that elbws never makes, so that two different ones differ.
fn described(field: &str, found: &RuleCondition) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(found.values.iter().flatten().cloned());
    words.extend(found.regex_values.iter().flatten().cloned());
    if let Some(config) = &found.http_header_config {
        words.extend(config.http_header_name.clone());
        words.extend(config.values.iter().flatten().cloned());
    }
    if let Some(config) = &found.query_string_config {
        words.extend(config.values.iter().flatten().map(|pair| {
            format!(
                "{}={}",
                pair.key.as_deref().unwrap_or_default(),
                pair.value.as_deref().unwrap_or_default()
            )
        }));
    }
    if let Some(config) = &found.http_request_method_config {
        words.extend(config.values.iter().flatten().cloned());
    }
    if let Some(config) = &found.source_ip_config {
        words.extend(config.values.iter().flatten().cloned());
    }
    if let Some(config) = &found.path_pattern_config {
        words.extend(config.regex_values.iter().flatten().cloned());
    }
    if let Some(config) = &found.host_header_config {
        words.extend(config.regex_values.iter().flatten().cloned());
    }
    format!("{field} {}", words.join(" ")).trim_end().to_owned()
}

/// Returns the conditions as AWS takes them.
pub(super) fn conditions_to(
    conditions: &[Condition],
    operation: &'static str,
) -> Result<Vec<RuleCondition>, AwsError> {
    conditions
        .iter()
        .map(|condition| {
            let built = RuleCondition::builder();
            Ok(match condition {
                Condition::Path(values) => built.field("path-pattern").path_pattern_config(
                    PathPatternConditionConfig::builder()
                        .set_values(Some(values.iter().cloned().collect()))
                        .build(),
                ),
                Condition::Host(values) => built.field("host-header").host_header_config(
                    HostHeaderConditionConfig::builder()
                        .set_values(Some(values.iter().cloned().collect()))
                        .build(),
                ),
                Condition::Other(kind) => {
                    return Err(super::malformed(operation, format!("a condition `{kind}` cannot be made")));
                }
            }
            .build())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_action_that_is_made_reads_back_as_itself() {
        let group = |name: &str| format!("arn:aws:elasticloadbalancing:::targetgroup/{name}/1");
        let actions = [
            Action::Forward(Forward { groups: BTreeMap::from([(group("a"), 1)]), stickiness: None }),
            Action::Forward(Forward { groups: BTreeMap::from([(group("a"), 1)]), stickiness: Some(60) }),
            Action::Forward(Forward {
                groups: BTreeMap::from([(group("a"), 90), (group("b"), 0)]),
                stickiness: None,
            }),
            Action::Redirect {
                protocol: "HTTPS".to_owned(),
                host: "#{host}".to_owned(),
                port: "443".to_owned(),
                path: "/#{path}".to_owned(),
                query: "#{query}".to_owned(),
                status: 302,
            },
            Action::FixedResponse { status: 404, content_type: None, body: Some("no".to_owned()) },
        ];
        for action in actions {
            let sent = action_to(&action, "CreateRule").unwrap();
            assert_eq!(action_from(Some(vec![sent])), action);
        }
        assert!(action_to(&Action::Other("authenticate-oidc".to_owned()), "CreateRule").is_err());
    }

    #[test]
    fn what_is_never_made_is_told_apart() {
        let authenticate = ApiAction::builder().r#type(ActionTypeEnum::AuthenticateOidc).build();
        let forward = ApiAction::builder().r#type(ActionTypeEnum::Forward).target_group_arn("a").build();
        let found = action_from(Some(vec![authenticate, forward]));
        assert_eq!(found, Action::Other("authenticate-oidc, forward".to_owned()));
        let header = |value: &str| {
            let config = aws_sdk_elasticloadbalancingv2::types::HttpHeaderConditionConfig::builder();
            let config = config.http_header_name("X-A").values(value).build();
            RuleCondition::builder().field("http-header").http_header_config(config).build()
        };
        assert_ne!(conditions_from(Some(vec![header("1")])), conditions_from(Some(vec![header("2")])));
    }

    #[test]
    fn conditions_read_back_sorted_and_hosts_in_lower_case() {
        let wanted = vec![
            Condition::Path(BTreeSet::from(["/ws/*".to_owned()])),
            Condition::Host(BTreeSet::from(["a.example.com".to_owned()])),
        ];
        let mut sent = conditions_to(&wanted, "CreateRule").unwrap();
        sent.reverse();
        assert_eq!(conditions_from(Some(sent)), wanted);
        // The older form of a condition, with its values beside its field.
        let old = RuleCondition::builder().field("host-header").values("A.example.com").build();
        assert_eq!(conditions_from(Some(vec![old])), wanted[1..]);
    }
}
