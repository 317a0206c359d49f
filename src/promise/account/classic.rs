//! What AWS says of a Classic load balancer and its instances.

use super::cause_of_rules;
use crate::promise::Outcome;
use crate::promise::cause::Cause;
use crate::provision::aws::{AwsError, Clients, InstanceHealth};
use crate::provision::observe::instance_health;
use crate::provision::resource::{LoadBalancer, Policy};

#[derive(Debug)]
pub(super) struct Classic {
    balancer: LoadBalancer,
    health: Vec<InstanceHealth>,
}

impl Classic {
    pub(super) async fn read(clients: &Clients, balancer: LoadBalancer) -> Result<Self, AwsError> {
        let health = instance_health(clients, &balancer.name).await?;
        Ok(Self { balancer, health })
    }

    pub(super) fn has_listener(&self, port: u16) -> bool {
        self.balancer.listeners.contains_key(&port)
    }

    /// Whether an instance port gets a PROXY header.
    pub(super) fn sends_header(&self, instance_port: u16) -> bool {
        let names = self.balancer.backend_policies.get(&instance_port);
        names
            .into_iter()
            .flatten()
            .filter_map(|name| self.balancer.policies.get(name))
            .any(Policy::turns_proxy_protocol_on)
    }

    /// Whether any instance gets connections.
    pub(super) fn any_in_service(&self) -> bool {
        self.health.iter().any(InstanceHealth::in_service)
    }

    pub(super) fn targets(&self, lacks_rules: bool) -> Outcome {
        let (serving, idle): (Vec<_>, Vec<_>) = self.health.iter().partition(|found| found.in_service());
        let names = |list: &[&InstanceHealth]| {
            list.iter().map(|found| found.id.as_str()).collect::<Vec<_>>().join(", ")
        };
        if idle.is_empty() && !serving.is_empty() {
            return Outcome::Kept(format!("in service: {}", names(&serving)));
        }
        let causes = if self.health.is_empty() {
            vec![Cause::new(
                "no instance is registered",
                "instances.ids or instances.tags, then `elbws apply SPEC`",
            )]
        } else {
            let rules = lacks_rules.then(cause_of_rules);
            let reasons = idle.iter().map(|found| {
                let reason = found.description.as_deref().unwrap_or("AWS gives no reason");
                Cause::new(
                    format!("{}: {}", found.id, reason.trim_end_matches('.')),
                    "what the health check asks for must answer: load_balancer.health_check, proxy.health",
                )
            });
            rules.into_iter().chain(reasons).collect()
        };
        let error = if serving.is_empty() {
            "no instance is in service".to_owned()
        } else {
            format!("out of service: {}; in service: {}", names(&idle), names(&serving))
        };
        Outcome::Broken { error, causes }
    }
}
