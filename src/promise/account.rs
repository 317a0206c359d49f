//! AWS's own side: whether it has what the spec describes, and whether instances are in service.

use std::time::Instant;

use super::cause::Cause;
use super::{Name, Outcome, PromiseError, Run};
use crate::provision::aws::{Clients, InstanceHealth};
use crate::provision::observe::{instance_health, observe};
use crate::provision::plan::{Adoption, Change, PlanError, plan};
use crate::provision::resource::{Certificate, Kind, LoadBalancer, Policy, Stack};
use crate::provision::spec::{CertificateSource, Spec};

/// What AWS says of a stack.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) balancer: LoadBalancer,
    health: Vec<InstanceHealth>,
    certificates: Vec<Certificate>,
    /// What the next apply would change, or why it cannot tell.
    drift: Result<Vec<Change>, Vec<PlanError>>,
}

impl Facts {
    pub(super) async fn read(clients: &Clients, stack: &Stack) -> Result<Self, PromiseError> {
        let observed = Box::pin(observe(clients, stack)).await?;
        let name = stack.load_balancer.name();
        let Some(balancer) = observed.load_balancer(name).cloned() else {
            return Err(PromiseError::NoLoadBalancer { name: name.to_owned(), region: observed.region });
        };
        let health = instance_health(clients, name).await?;
        let drift = plan(stack, &observed, Adoption::Refuse).map(|plan| plan.changes);
        Ok(Self { balancer, health, certificates: observed.certificates, drift })
    }

    /// The name that visitors ask for: that of the certificate.
    pub(super) fn host(&self, spec: &Spec) -> String {
        let of_spec = match spec.certificate.as_ref().map(|certificate| &certificate.source) {
            Some(CertificateSource::Domain(domain)) => Some(domain),
            Some(CertificateSource::Arn(_) | CertificateSource::Files(_)) | None => None,
        };
        let served = |found: &&Certificate| {
            self.balancer.listeners.values().any(|listener| listener.certificate.as_ref() == Some(&found.arn))
        };
        let of_listener = || self.certificates.iter().find(served).and_then(|found| found.domains.first());
        match of_spec.or_else(of_listener) {
            // Any name below it will do.
            Some(domain) => domain.replacen("*.", "www.", 1),
            None => self.balancer.dns_name.clone(),
        }
    }

    /// Whether the load balancer sends a PROXY header to an instance port.
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

    /// Whether security groups lack a rule of the spec's.
    pub(super) fn lacks_rules(&self) -> bool {
        let changes = self.drift.as_ref().map_or(&[][..], Vec::as_slice);
        changes.iter().any(|change| matches!(change.resource.kind, Kind::SecurityGroup | Kind::Admission))
    }

    /// Checks what needs no visitor; it was read from `begun` on.
    pub(super) fn check(&self, begun: Instant, run: &mut Run<'_>) {
        run.push(Name::Stack, &"", begun, self.stack());
        run.push(Name::Targets, &"", begun, self.targets());
    }

    fn stack(&self) -> Outcome {
        let mend = "`elbws plan SPEC` shows it field by field, `elbws apply SPEC` mends it";
        match &self.drift {
            Ok(changes) if changes.is_empty() => Outcome::Kept("AWS has what the spec describes".to_owned()),
            Ok(changes) => {
                let resources: Vec<String> =
                    changes.iter().map(|change| change.resource.to_string()).collect();
                Outcome::Broken {
                    error: format!("AWS differs from the spec in {}", resources.join(", ")),
                    causes: vec![Cause::new("it was changed by other means, or not applied since", mend)],
                }
            }
            Err(errors) => {
                let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Outcome::Broken {
                    error: errors.join("; "),
                    causes: vec![Cause::new("the spec cannot be applied as it is", "`elbws plan SPEC`")],
                }
            }
        }
    }

    fn targets(&self) -> Outcome {
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
            let mut causes: Vec<Cause> = Vec::new();
            if self.lacks_rules() {
                causes.push(cause_of_rules());
            }
            for found in &idle {
                let reason = found.description.as_deref().unwrap_or("AWS gives no reason");
                causes.push(Cause::new(
                    format!("{}: {}", found.id, reason.trim_end_matches('.')),
                    "what the health check asks for must answer: load_balancer.health_check, proxy.health",
                ));
            }
            causes
        };
        let error = if serving.is_empty() {
            "no instance is in service".to_owned()
        } else {
            format!("out of service: {}; in service: {}", names(&idle), names(&serving))
        };
        Outcome::Broken { error, causes }
    }
}

/// What is to be said of a rule that is missing.
pub(super) fn cause_of_rules() -> Cause {
    Cause::new(
        "a security group lacks a rule of the spec's",
        "`elbws apply SPEC` adds it (instances.manage_security_group: true)",
    )
}
