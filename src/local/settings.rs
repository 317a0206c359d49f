//! How the local AWS is set to answer, and changes of that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings that change how operations answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Settings {
    /// A running instance with nothing behind it counts as healthy.
    pub(crate) assume_healthy: bool,
    /// For so long after its import or upload a certificate does not exist for load balancers.
    #[serde(rename = "certificate_visibility_delay_ms", serialize_with = "milliseconds")]
    pub(crate) certificate_visibility_delay: Duration,
    /// For so long after it was sent a command has no invocations for clients.
    #[serde(rename = "command_visibility_delay_ms", serialize_with = "milliseconds")]
    pub(crate) command_visibility_delay: Duration,
    /// What is added to a port of a load balancer or an instance to get the one on this machine.
    pub(crate) port_offset: u16,
    /// How many Classic load balancers a region may have; AWS's default is 20.
    pub(crate) load_balancer_quota: u16,
    /// How long an Application or Network Load Balancer is being provisioned.
    #[serde(rename = "load_balancer_provisioning_ms", serialize_with = "milliseconds")]
    pub(crate) provisioning: Duration,
    /// Between two health checks, in place of what the load balancer is configured to.
    #[serde(rename = "health_check_interval_ms", serialize_with = "optional_milliseconds")]
    pub(crate) health_check_interval: Option<Duration>,
    /// Whether traffic and health checks need rules that admit them.
    pub(crate) enforce_security_groups: bool,
}

fn milliseconds<S: serde::Serializer>(delay: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn optional_milliseconds<S: serde::Serializer>(
    interval: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match interval {
        Some(interval) => milliseconds(interval, serializer),
        None => serializer.serialize_none(),
    }
}

/// A change of settings.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    assume_healthy: Option<bool>,
    certificate_visibility_delay_ms: Option<u64>,
    command_visibility_delay_ms: Option<u64>,
    load_balancer_quota: Option<u16>,
    load_balancer_provisioning_ms: Option<u64>,
    /// 0 goes back to what each load balancer is configured to.
    health_check_interval_ms: Option<u64>,
    enforce_security_groups: Option<bool>,
}

impl Settings {
    /// Changes what a change of settings names.
    pub(crate) fn change(&mut self, change: SettingsChange) {
        if let Some(assume_healthy) = change.assume_healthy {
            self.assume_healthy = assume_healthy;
        }
        if let Some(delay) = change.certificate_visibility_delay_ms {
            self.certificate_visibility_delay = Duration::from_millis(delay);
        }
        if let Some(delay) = change.command_visibility_delay_ms {
            self.command_visibility_delay = Duration::from_millis(delay);
        }
        if let Some(quota) = change.load_balancer_quota {
            self.load_balancer_quota = quota;
        }
        if let Some(duration) = change.load_balancer_provisioning_ms {
            self.provisioning = Duration::from_millis(duration);
        }
        if let Some(interval) = change.health_check_interval_ms {
            self.health_check_interval = (interval > 0).then(|| Duration::from_millis(interval));
        }
        if let Some(enforce) = change.enforce_security_groups {
            self.enforce_security_groups = enforce;
        }
    }
}
