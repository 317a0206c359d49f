//! Health checks of target groups: defaults by protocol, and what is refused in them.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html>.

use super::{bounded, one_of};
use crate::local::state::elbv2::{HealthCheck, Protocol, ProtocolVersion, TargetGroup};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;

const LONGEST_PATH: usize = 1024;

/// The health check that a create asks for.
pub(super) fn of_new(
    params: &Params,
    group: Protocol,
    version: Option<ProtocolVersion>,
) -> Result<HealthCheck, ApiError> {
    let protocol = protocol(params, group)?.unwrap_or(if group.is_application() {
        Protocol::Http
    } else {
        Protocol::Tcp
    });
    let check = HealthCheck {
        protocol,
        port: None,
        path: None,
        interval: 30,
        timeout: match (group.is_application(), protocol) {
            (true, _) => 5,
            (false, Protocol::Http) => 6,
            (false, _) => 10,
        },
        healthy_threshold: 5,
        unhealthy_threshold: 2,
        matcher: None,
    };
    read(check, params, group, version)
}

/// The health check of a group with what a request changes.
pub(super) fn changed(group: &TargetGroup, params: &Params) -> Result<HealthCheck, ApiError> {
    let mut check = group.health_check.clone();
    if let Some(protocol) = protocol(params, group.protocol)? {
        check.protocol = protocol;
    }
    read(check, params, group.protocol, group.protocol_version)
}

fn read(
    mut check: HealthCheck,
    params: &Params,
    group: Protocol,
    version: Option<ProtocolVersion>,
) -> Result<HealthCheck, ApiError> {
    if params.boolean("HealthCheckEnabled")? == Some(false) {
        return Err(ApiError::validation("Health checks can only be disabled for targets of type 'lambda'"));
    }
    match params.get("HealthCheckPort").filter(|port| !port.is_empty()) {
        None => {}
        Some("traffic-port") => check.port = None,
        Some(port) => {
            let Some(number) = port.parse::<u16>().ok().filter(|port| *port > 0) else {
                let message = format!(
                    "Health check port '{port}' must be either 'traffic-port' or in the range 1-65535"
                );
                return Err(ApiError::validation(message));
            };
            check.port = Some(number);
        }
    }
    let number = |name: &str, member: &str, bounds, present| {
        bounded(params, name, member, bounds).map(|given| given.unwrap_or(present))
    };
    check.interval =
        number("HealthCheckIntervalSeconds", "healthCheckIntervalSeconds", [5, 300], check.interval)?;
    check.timeout =
        number("HealthCheckTimeoutSeconds", "healthCheckTimeoutSeconds", [2, 120], check.timeout)?;
    check.healthy_threshold =
        number("HealthyThresholdCount", "healthyThresholdCount", [2, 10], check.healthy_threshold)?;
    check.unhealthy_threshold =
        number("UnhealthyThresholdCount", "unhealthyThresholdCount", [2, 10], check.unhealthy_threshold)?;
    if check.timeout >= check.interval {
        let message = format!(
            "Health check timeout '{}' must be smaller than the interval '{}'",
            check.timeout, check.interval
        );
        return Err(ApiError::validation(message));
    }
    request(&mut check, params, group, version)?;
    Ok(check)
}

/// What the check asks for and what passes, where it speaks HTTP.
fn request(
    check: &mut HealthCheck,
    params: &Params,
    group: Protocol,
    version: Option<ProtocolVersion>,
) -> Result<(), ApiError> {
    let path = params.get("HealthCheckPath").filter(|path| !path.is_empty());
    let matcher = params.structure("Matcher");
    let (http, grpc) = (matcher.get("HttpCode"), matcher.get("GrpcCode"));
    let codes = http.or(grpc).filter(|codes| !codes.is_empty());
    if check.protocol == Protocol::Tcp {
        if path.is_some() {
            return Err(ApiError::validation(
                "Health check path cannot be specified for health checks with protocol 'TCP'",
            ));
        }
        if codes.is_some() {
            return Err(ApiError::validation(
                "Health check matcher cannot be specified for health checks with protocol 'TCP'",
            ));
        }
        (check.path, check.matcher) = (None, None);
        return Ok(());
    }
    let is_grpc = version == Some(ProtocolVersion::Grpc);
    if is_grpc && http.is_some() || !is_grpc && grpc.is_some() {
        return Err(ApiError::validation(
            "A gRPC code is for target groups with protocol version 'GRPC', and an HTTP code for the others",
        ));
    }
    if let Some(path) = path {
        if !path.starts_with('/') || path.chars().count() > LONGEST_PATH {
            let message = format!(
                "Health check path '{path}' must begin with a '/' character and be no longer than {LONGEST_PATH}"
            );
            return Err(ApiError::validation(message));
        }
        check.path = Some(path.to_owned());
    }
    let (default_path, default_codes, range) = match (is_grpc, group.is_application()) {
        (true, _) => ("/AWS.ALB/healthcheck", "12", [0, 99]),
        (false, true) => ("/", "200", [200, 499]),
        (false, false) => ("/", "200-399", [200, 599]),
    };
    if let Some(codes) = codes {
        if !are_codes(codes, range) {
            let message = format!(
                "Health check matcher '{codes}' must be values or ranges between {} and {}",
                range[0], range[1]
            );
            return Err(ApiError::validation(message));
        }
        check.matcher = Some(codes.to_owned());
    }
    check.path.get_or_insert_with(|| default_path.to_owned());
    check.matcher.get_or_insert_with(|| default_codes.to_owned());
    Ok(())
}

fn protocol(params: &Params, group: Protocol) -> Result<Option<Protocol>, ApiError> {
    let words = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"];
    let given = one_of(params, "HealthCheckProtocol", "healthCheckProtocol", &words)?;
    let Some(name) = given else { return Ok(None) };
    let admitted = if group.is_application() { ["HTTP", "HTTPS", ""] } else { ["HTTP", "HTTPS", "TCP"] };
    if admitted.contains(&name) {
        return Ok(Protocol::from_name(name));
    }
    let message = format!(
        "Health check protocol '{name}' is not supported for target groups with protocol '{}'",
        group.name()
    );
    Err(ApiError::validation(message))
}

/// `200`, `200,202` or `200-299`, or a list of these.
fn are_codes(codes: &str, [least, most]: [u16; 2]) -> bool {
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| (least..=most).contains(code));
    codes.split(',').all(|part| match part.split_once('-') {
        None => code(part).is_some(),
        Some((from, to)) => matches!((code(from), code(to)), (Some(from), Some(to)) if from <= to),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_values_and_ranges() {
        for (codes, expected) in [
            ("200", true),
            ("200,202", true),
            ("200-299,301", true),
            ("200-499", true),
            ("200-500", false),
            ("199", false),
            ("299-200", false),
            ("200,", false),
            ("ok", false),
            ("", false),
        ] {
            assert_eq!(are_codes(codes, [200, 499]), expected, "{codes}");
        }
    }
}
