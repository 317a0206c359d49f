//! What a target group says of its targets.

use aws_sdk_elasticloadbalancingv2::types::TargetHealthDescription;

use super::failed;
use crate::provision::aws::{AwsError, Clients};
use crate::provision::resource::v2::Target;

/// What a target group says of one of its targets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct TargetHealth {
    /// The instance or address, and its port.
    #[serde(flatten)]
    pub target: Target,
    /// `initial`, `healthy`, `unhealthy`, `unused`, `draining`, `unavailable` …
    pub state: String,
    /// `Target.Timeout` and its likes; none for a healthy one.
    pub reason: Option<String>,
    /// The reason in words; none where AWS gives none.
    pub description: Option<String>,
}

impl TargetHealth {
    /// Says whether the target gets requests.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.state == "healthy"
    }

    /// Says whether the target is registered, and is to stay so.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.state != "draining" && self.reason.as_deref() != Some("Target.NotRegistered")
    }

    /// Returns the reason in words, AWS's own or what its code stands for; none for a healthy target.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        if self.is_healthy() {
            return None;
        }
        let known = self.reason.as_deref().and_then(meaning);
        self.description.clone().or_else(|| known.map(str::to_owned)).or_else(|| self.reason.clone())
    }
}

/// Returns what a reason code stands for, in the words of AWS's documentation of `TargetHealth`.
fn meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "Elb.RegistrationInProgress" => "it is being registered",
        "Elb.InitialHealthChecking" => "the first health checks have not ended yet",
        "Elb.InternalError" => "the health checks failed because of an error inside the load balancer",
        "Target.ResponseCodeMismatch" => "the health check was not answered with an expected status",
        "Target.Timeout" => "the health check was not answered in time",
        "Target.FailedHealthChecks" => {
            "the connection of the health check could not be made, or its answer was malformed"
        }
        "Target.NotRegistered" => "it is not registered",
        "Target.NotInUse" => "no listener forwards to its target group, or its zone is not enabled",
        "Target.DeregistrationInProgress" => "it is being deregistered and finishes what is open",
        "Target.InvalidState" => "the instance is stopped or terminated",
        "Target.IpUnusable" => "the address is in use by a load balancer",
        "Target.HealthCheckDisabled" => "health checks are switched off",
        _ => return None,
    })
}

/// Reads what a target group says of its targets, sorted.
pub(crate) async fn target_health(clients: &Clients, arn: &str) -> Result<Vec<TargetHealth>, AwsError> {
    let output = clients
        .elbv2()
        .describe_target_health()
        .target_group_arn(arn)
        .send()
        .await
        .map_err(failed("DescribeTargetHealth"))?;
    let found = output.target_health_descriptions.unwrap_or_default();
    let mut health: Vec<_> = found.into_iter().filter_map(health_from).collect();
    health.sort();
    Ok(health)
}

fn health_from(found: TargetHealthDescription) -> Option<TargetHealth> {
    let target = found.target?;
    let health = found.target_health?;
    Some(TargetHealth {
        target: Target {
            id: target.id?,
            port: target.port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
        },
        state: health.state.map_or_else(|| "unavailable".to_owned(), |state| state.as_str().to_owned()),
        reason: health.reason.map(|reason| reason.as_str().to_owned()),
        description: health.description.filter(|text| !text.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(state: &str, reason: Option<&str>, description: Option<&str>) -> TargetHealth {
        TargetHealth {
            target: Target { id: "i-1".to_owned(), port: 80 },
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            description: description.map(str::to_owned),
        }
    }

    #[test]
    fn a_reason_is_told_in_words() {
        for (found, words) in [
            (health("healthy", None, None), None),
            (
                health("unhealthy", Some("Target.Timeout"), Some("Request timed out")),
                Some("Request timed out"),
            ),
            (
                health("unhealthy", Some("Target.Timeout"), None),
                Some("the health check was not answered in time"),
            ),
            (health("unhealthy", Some("Target.New"), None), Some("Target.New")),
        ] {
            assert_eq!(found.words().as_deref(), words);
        }
    }

    #[test]
    fn a_draining_target_is_no_longer_registered() {
        assert!(health("unused", Some("Target.NotInUse"), None).is_registered());
        assert!(!health("draining", Some("Target.DeregistrationInProgress"), None).is_registered());
        assert!(!health("unused", Some("Target.NotRegistered"), None).is_registered());
    }
}
