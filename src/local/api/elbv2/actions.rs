//! Actions of listeners and rules: reading them, holding them against target groups, and describing them.

use std::collections::BTreeSet;

use super::arn::Kind as Arn;
use super::{bounded, invalid_configuration, one_of};
use crate::local::state::elbv2::{
    Action, FixedResponse, Forward, Kind, LoadBalancer, Protocol, ProtocolVersion, Redirect, Region,
    TargetGroup, WeightedGroup,
};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The most target groups in one action.
const MOST_GROUPS: usize = 5;
/// The default quota of target groups of an Application Load Balancer, each counted once.
const MOST_UNIQUE_GROUPS: usize = 100;

/// What an action is for: the listener's protocol and port decide what may be in it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) load_balancer: &'a LoadBalancer,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
}

/// The one action that `name` gives, checked.
pub(super) fn asked_for(
    region: &Region,
    place: Place<'_>,
    params: &Params,
    name: &str,
) -> Result<Action, ApiError> {
    let given = params.structures(name);
    let [params] = given.as_slice() else {
        if given.is_empty() {
            params.required(name)?;
            return Err(ApiError::validation("An action must be specified"));
        }
        // Several are for rules that authenticate first.
        return Err(ApiError::bad_request(
            "InvalidLoadBalancerAction",
            "Exactly one action of type forward, redirect or fixed-response can be specified",
        ));
    };
    let action = parse(params)?;
    check(region, place, &action)?;
    Ok(action)
}

fn parse(params: &Params) -> Result<Action, ApiError> {
    let order = bounded(params, "Order", "actions.1.member.order", [1, 50000])?;
    let words = [
        "forward",
        "authenticate-oidc",
        "authenticate-cognito",
        "redirect",
        "fixed-response",
        "jwt-validation",
    ];
    params.required("Type")?;
    let kind = one_of(params, "Type", "actions.1.member.type", &words)?.unwrap_or_default();
    match kind {
        "forward" => forward(params, order).map(Action::Forward),
        "redirect" => redirect(&params.structure("RedirectConfig"), order).map(Action::Redirect),
        "fixed-response" => {
            fixed_response(&params.structure("FixedResponseConfig"), order).map(Action::FixedResponse)
        }
        other => Err(ApiError::bad_request(
            "InvalidLoadBalancerAction",
            format!("Actions of type '{other}' are not served by the local AWS"),
        )),
    }
}

fn forward(params: &Params, order: Option<u16>) -> Result<Forward, ApiError> {
    let config = params.structure("ForwardConfig");
    let mut groups: Vec<WeightedGroup> = Vec::new();
    for group in config.structures("TargetGroups") {
        let arn = Arn::TargetGroup.required(&group, "TargetGroupArn")?.to_owned();
        let member = "actions.1.member.forwardConfig.targetGroups.1.member.weight";
        let weight = bounded(&group, "Weight", member, [0, 999])?.unwrap_or(1);
        if groups.iter().any(|other| other.arn == arn) {
            let message = format!("The target group '{arn}' can only be specified once in an action");
            return Err(ApiError::validation(message));
        }
        groups.push(WeightedGroup { arn, weight });
    }
    if let Some(arn) = params.get("TargetGroupArn").filter(|arn| !arn.is_empty()) {
        Arn::TargetGroup.check(arn)?;
        match groups.as_slice() {
            [] => groups.push(WeightedGroup { arn: arn.to_owned(), weight: 1 }),
            [only] if only.arn == arn => {}
            [..] => {
                return Err(ApiError::validation(
                    "If you specify both ForwardConfig and TargetGroupArn, they must name the same one target group",
                ));
            }
        }
    }
    if groups.is_empty() {
        return Err(ApiError::validation("A target group must be specified for actions of type 'forward'"));
    }
    if groups.len() > MOST_GROUPS {
        let message = format!("An action can have at most {MOST_GROUPS} target groups");
        return Err(ApiError::validation(message));
    }
    Ok(Forward { order, groups, stickiness: stickiness(&config.structure("TargetGroupStickinessConfig"))? })
}

fn stickiness(params: &Params) -> Result<Option<u32>, ApiError> {
    let seconds = params.integer("DurationSeconds")?;
    if params.boolean("Enabled")? != Some(true) {
        return Ok(None);
    }
    let valid = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    match valid.filter(|seconds| (1..=604_800).contains(seconds)) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(ApiError::validation(
            "Target group stickiness duration must be between '1' and '604800' inclusive",
        )),
    }
}

fn redirect(params: &Params, order: Option<u16>) -> Result<Redirect, ApiError> {
    let component = |name: &str, least: usize, default: &str| {
        let value = params.get(name).unwrap_or(default);
        let length = value.chars().count();
        if length < least || length > 128 {
            let message = format!("The redirect {} must have {least} to 128 characters", name.to_lowercase());
            return Err(ApiError::validation(message));
        }
        Ok(value.to_owned())
    };
    let member = "actions.1.member.redirectConfig.protocol";
    let protocol = one_of(params, "Protocol", member, &["HTTP", "HTTPS", "#{protocol}"])?;
    let port = component("Port", 1, "#{port}")?;
    if port != "#{port}" && !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(ApiError::validation(format!("The redirect port '{port}' is not valid")));
    }
    let path = component("Path", 1, "/#{path}")?;
    if !path.starts_with('/') {
        return Err(ApiError::validation(format!("The redirect path '{path}' must begin with a slash")));
    }
    params.required("StatusCode")?;
    let member = "actions.1.member.redirectConfig.statusCode";
    let status = match one_of(params, "StatusCode", member, &["HTTP_301", "HTTP_302"])? {
        Some("HTTP_302") => 302,
        Some(_) | None => 301,
    };
    Ok(Redirect {
        order,
        protocol: protocol.unwrap_or("#{protocol}").to_owned(),
        host: component("Host", 1, "#{host}")?,
        port,
        path,
        query: component("Query", 0, "#{query}")?,
        status,
    })
}

fn fixed_response(params: &Params, order: Option<u16>) -> Result<FixedResponse, ApiError> {
    let status = params.required("StatusCode")?;
    let valid = matches!(status.as_bytes(), [b'2' | b'4' | b'5', b'0'..=b'9', b'0'..=b'9']);
    let Some(code) = status.parse().ok().filter(|_| valid) else {
        let member = "actions.1.member.fixedResponseConfig.statusCode";
        let constraint = r"Member must satisfy regular expression pattern: ^(2|4|5)\d\d$";
        return Err(ApiError::constraint(Some(status), member, constraint));
    };
    let body = params.get("MessageBody").filter(|body| !body.is_empty());
    if body.is_some_and(|body| body.chars().count() > 1024) {
        let member = "actions.1.member.fixedResponseConfig.messageBody";
        let constraint = "Member must have length less than or equal to 1024";
        return Err(ApiError::constraint(body, member, constraint));
    }
    let content_type = params.get("ContentType").filter(|content_type| !content_type.is_empty());
    let known = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];
    if let Some(other) = content_type.filter(|content_type| !known.contains(content_type)) {
        let message = format!("The content type '{other}' must be one of '{}'", known.join(", "));
        return Err(ApiError::validation(message));
    }
    Ok(FixedResponse {
        order,
        status: code,
        content_type: content_type.map(str::to_owned),
        body: body.map(str::to_owned),
    })
}

/// Holds an action against where it is to be: another port or protocol of the listener may make it invalid.
pub(super) fn check(region: &Region, place: Place<'_>, action: &Action) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::bad_request("InvalidLoadBalancerAction", message));
    match action {
        Action::Forward(forward) => check_forward(region, place, forward),
        Action::Redirect(_) | Action::FixedResponse(_) if place.load_balancer.kind == Kind::Network => {
            invalid(format!("Only forward actions are supported for protocol '{}'", place.protocol.name()))
        }
        Action::Redirect(redirect) => {
            if place.protocol == Protocol::Https && redirect.protocol == "HTTP" {
                return invalid("HTTPS cannot be redirected to HTTP".to_owned());
            }
            let same_protocol = ["#{protocol}", place.protocol.name()].contains(&redirect.protocol.as_str());
            let same_port = redirect.port == "#{port}" || redirect.port == place.port.to_string();
            if same_protocol && same_port && redirect.host == "#{host}" && redirect.path == "/#{path}" {
                return invalid(
                    "The redirect configuration is not valid because it creates a loop.".to_owned(),
                );
            }
            Ok(())
        }
        Action::FixedResponse(_) => Ok(()),
    }
}

fn check_forward(region: &Region, place: Place<'_>, forward: &Forward) -> Result<(), ApiError> {
    let load_balancer = place.load_balancer;
    let mut groups: Vec<&TargetGroup> = Vec::new();
    for WeightedGroup { arn, .. } in &forward.groups {
        let missing =
            || ApiError::bad_request("TargetGroupNotFound", format!("Target group '{arn}' not found"));
        groups.push(region.target_groups.get(arn).ok_or_else(missing)?);
    }
    let foreign = |group: &&&TargetGroup| group.vpc_id != load_balancer.vpc_id;
    if let Some(group) = groups.iter().find(foreign) {
        return Err(invalid_configuration(format!(
            "Target group '{}' is in a different VPC than load balancer '{}'",
            group.arn, load_balancer.arn
        )));
    }
    refuse_all(
        &groups,
        |group| !fits(place.protocol, group.protocol),
        |arns| {
            let message =
                format!("The listener and the following target groups have incompatible protocols: {arns}");
            ApiError::bad_request("IncompatibleProtocols", message)
        },
    )?;
    let grpc = |group: &&&TargetGroup| group.protocol_version == Some(ProtocolVersion::Grpc);
    if place.protocol == Protocol::Http && groups.iter().any(|group| grpc(&group)) {
        return Err(invalid_configuration(
            "Listener protocol 'HTTP' is not supported with a target group with the protocol-version 'GRPC'",
        ));
    }
    let mut unique: BTreeSet<&str> = load_balancer.target_groups().collect();
    let present = unique.len();
    unique.extend(groups.iter().map(|group| group.arn.as_str()));
    let more = unique.len() > present.max(MOST_UNIQUE_GROUPS);
    if load_balancer.kind == Kind::Application && more {
        let message = format!(
            "The maximum number of target groups has been reached on load balancer '{}'",
            load_balancer.arn
        );
        return Err(ApiError::bad_request("TooManyUniqueTargetGroupsPerLoadBalancer", message));
    }
    let elsewhere =
        |group: &TargetGroup| region.users_of(&group.arn).any(|user| user.arn != load_balancer.arn);
    refuse_all(&groups, elsewhere, |arns| {
        let message = format!(
            "The following target groups cannot be associated with more than one load balancer: {arns}"
        );
        ApiError::bad_request("TargetGroupAssociationLimit", message)
    })
}

fn refuse_all(
    groups: &[&TargetGroup],
    wrong: impl Fn(&TargetGroup) -> bool,
    refusal: impl Fn(String) -> ApiError,
) -> Result<(), ApiError> {
    let wrong: Vec<String> =
        groups.iter().filter(|group| wrong(group)).map(|group| format!("'{}'", group.arn)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(refusal(wrong.join(", "))) }
}

/// Which listeners forward to which groups
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html>).
fn fits(listener: Protocol, group: Protocol) -> bool {
    match listener {
        Protocol::Http | Protocol::Https => group.is_application(),
        Protocol::Tcp => matches!(group, Protocol::Tcp | Protocol::TcpUdp),
        Protocol::Tls => matches!(group, Protocol::Tcp | Protocol::Tls),
        Protocol::Udp => matches!(group, Protocol::Udp | Protocol::TcpUdp),
        Protocol::TcpUdp => group == Protocol::TcpUdp,
    }
}

/// An action as it is described. A forward to one group names it in both places.
pub(super) fn members(action: &Action) -> Members {
    match action {
        Action::Forward(forward) => {
            let only = match forward.groups.as_slice() {
                [only] => Some(&only.arn),
                [] | [_, ..] => None,
            };
            let groups = forward
                .groups
                .iter()
                .map(|group| Members::new().text("TargetGroupArn", &group.arn).text("Weight", group.weight));
            let stickiness = Members::new()
                .text("Enabled", forward.stickiness.is_some())
                .optional("DurationSeconds", forward.stickiness);
            let config = Members::new()
                .structures("TargetGroups", "member", groups)
                .structure("TargetGroupStickinessConfig", stickiness);
            Members::new()
                .text("Type", "forward")
                .optional("TargetGroupArn", only)
                .optional("Order", forward.order)
                .structure("ForwardConfig", config)
        }
        Action::Redirect(redirect) => {
            let config = Members::new()
                .text("Protocol", &redirect.protocol)
                .text("Port", &redirect.port)
                .text("Host", &redirect.host)
                .text("Path", &redirect.path)
                .text("Query", &redirect.query)
                .text("StatusCode", format!("HTTP_{}", redirect.status));
            Members::new()
                .text("Type", "redirect")
                .optional("Order", redirect.order)
                .structure("RedirectConfig", config)
        }
        Action::FixedResponse(response) => {
            let config = Members::new()
                .optional("MessageBody", response.body.as_ref())
                .text("StatusCode", response.status)
                .optional("ContentType", response.content_type.as_ref());
            Members::new()
                .text("Type", "fixed-response")
                .optional("Order", response.order)
                .structure("FixedResponseConfig", config)
        }
    }
}
