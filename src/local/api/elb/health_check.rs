//! `ConfigureHealthCheck`, and the grammar of its target.

use super::{Context, named, required_bounded};
use crate::local::state::elb::HealthCheck;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

const LONGEST_PATH: usize = 1024;

/// `ConfigureHealthCheck`.
pub(super) fn configure(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let given = params.structure("HealthCheck");
    if given.is_empty() {
        return Err(ApiError::constraint(None, "healthCheck", "Member must not be null"));
    }
    let Some(target) = given.get("Target") else {
        return Err(ApiError::constraint(None, "healthCheck.target", "Member must not be null"));
    };
    let check = HealthCheck {
        target: checked_target(target)?,
        interval: required_bounded(&given, "Interval", "healthCheck.interval", [5, 300])?,
        timeout: required_bounded(&given, "Timeout", "healthCheck.timeout", [2, 60])?,
        unhealthy_threshold: required_bounded(
            &given,
            "UnhealthyThreshold",
            "healthCheck.unhealthyThreshold",
            [2, 10],
        )?,
        healthy_threshold: required_bounded(
            &given,
            "HealthyThreshold",
            "healthCheck.healthyThreshold",
            [2, 10],
        )?,
    };
    if check.timeout >= check.interval {
        return Err(ApiError::validation("HealthCheck timeout must be less than interval"));
    }
    let load_balancer = named(&mut context.here().elb, params)?;
    load_balancer.health_check = check;
    let check = &load_balancer.health_check;
    let answer = Members::new()
        .text("Target", &check.target)
        .text("Interval", check.interval)
        .text("Timeout", check.timeout)
        .text("UnhealthyThreshold", check.unhealthy_threshold)
        .text("HealthyThreshold", check.healthy_threshold);
    Ok(Members::new().structure("HealthCheck", answer))
}

/// `TCP:port`, `SSL:port`, `HTTP:port/path` or `HTTPS:port/path`; the protocol reads back in upper case.
fn checked_target(target: &str) -> Result<String, ApiError> {
    let (protocol, rest) = target.split_once(':').unwrap_or((target, ""));
    let protocol = protocol.to_ascii_uppercase();
    let (port, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    match protocol.as_str() {
        "HTTP" | "HTTPS" if path.is_empty() => {
            return Err(ApiError::validation(format!(
                "HealthCheck HTTP Target must specify a port followed by a path that begins with a slash. e.g. {protocol}:80/ping/this/path"
            )));
        }
        "TCP" | "SSL" if !path.is_empty() => {
            let message =
                format!("HealthCheck {protocol} Target must specify a port only. e.g. {protocol}:80");
            return Err(ApiError::validation(message));
        }
        "HTTP" | "HTTPS" | "TCP" | "SSL" => {}
        _ => {
            let message = "HealthCheck Target must begin with one of HTTP, TCP, HTTPS, SSL";
            return Err(ApiError::validation(message));
        }
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(ApiError::validation("HealthCheck Target port must be between 1 and 65535"));
    }
    if path.encode_utf16().count() > LONGEST_PATH {
        let message = format!("HealthCheck HTTP Target path cannot be longer than {LONGEST_PATH} characters");
        return Err(ApiError::validation(message));
    }
    Ok(format!("{protocol}:{rest}"))
}

#[cfg(test)]
mod tests {
    use super::checked_target;

    #[test]
    fn targets_follow_the_grammar() {
        for (target, expected) in [
            ("tcp:80", Some("TCP:80")),
            ("SSL:443", Some("SSL:443")),
            ("HTTP:8081/healthz", Some("HTTP:8081/healthz")),
            ("https:443/", Some("HTTPS:443/")),
            ("HTTP:80/a:b/c", Some("HTTP:80/a:b/c")),
            ("HTTP:80", None),
            ("TCP:80/path", None),
            ("UDP:80", None),
            ("TCP", None),
            ("TCP:", None),
            ("TCP:+80", None),
            ("TCP:0", None),
            ("TCP:65536", None),
            ("HTTP:/path", None),
            ("", None),
        ] {
            assert_eq!(checked_target(target).ok().as_deref(), expected, "{target}");
        }
        assert!(checked_target(&format!("HTTP:80/{}", "x".repeat(1023))).is_ok());
        assert!(checked_target(&format!("HTTP:80/{}", "x".repeat(1024))).is_err());
    }
}
