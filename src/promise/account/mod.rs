//! AWS's own side: whether it has what the spec describes, and whether instances are in service.

mod classic;
mod record;
mod v2;

use std::time::Instant;

use super::cause::Cause;
use super::promised::To;
use super::{Name, Outcome, PromiseError, Run};
use crate::provision::aws::Clients;
use crate::provision::observe::observe;
use crate::provision::plan::{Adoption, Change, PlanError, ProxyOn, ProxyState, plan, proxy_states};
use crate::provision::resource::{
    Certificate, CertificateSource, DesiredBalancer, Kind, LoadBalancerType, Stack, v2 as resource_v2,
};

/// What AWS says of a stack.
#[derive(Debug)]
pub(super) struct Facts {
    /// The load balancer's name.
    pub(super) name: String,
    /// The name that it answers at.
    pub(super) dns_name: String,
    pub(super) kind: LoadBalancerType,
    balancer: Balancer,
    certificates: Vec<Certificate>,
    records: Vec<resource_v2::Record>,
    /// What the next apply would change, or why it cannot tell; without the proxy on the instances.
    drift: Result<Vec<Change>, Vec<PlanError>>,
    /// The proxy on each instance that it is to be installed on.
    proxies: Vec<ProxyOn>,
}

/// What is known of the load balancer, by the API that tells it.
#[derive(Debug)]
enum Balancer {
    Classic(classic::Classic),
    V2(v2::V2),
}

impl Facts {
    pub(super) async fn read(clients: &Clients, stack: &Stack) -> Result<Self, PromiseError> {
        let observed = Box::pin(observe(clients, stack)).await?;
        let name = stack.load_balancer.name();
        let missing =
            || PromiseError::NoLoadBalancer { name: name.to_owned(), region: observed.region.clone() };
        let (dns_name, balancer) = match &stack.load_balancer {
            DesiredBalancer::Classic(_) => {
                let found = observed.load_balancer(name).ok_or_else(missing)?;
                let facts = classic::Classic::read(clients, found.clone()).await?;
                (found.dns_name.clone(), Balancer::Classic(facts))
            }
            DesiredBalancer::V2(desired) => {
                let found = observed.v2_load_balancer(name).filter(|found| found.family == desired.family);
                let found = found.ok_or_else(missing)?;
                let facts = v2::V2::read(clients, desired, found.clone(), &observed.target_groups).await?;
                (found.dns_name.clone(), Balancer::V2(facts))
            }
        };
        let drift = plan(&stack.without_proxy(), &observed, Adoption::Refuse).map(|plan| plan.changes);
        let proxies = proxy_states(stack, &observed);
        Ok(Self {
            name: name.to_owned(),
            dns_name,
            kind: stack.load_balancer.kind(),
            balancer,
            certificates: observed.certificates,
            records: observed.records,
            drift,
            proxies,
        })
    }

    /// The name that visitors ask for: that of the record, else that of the certificate.
    pub(super) fn host(&self, stack: &Stack) -> String {
        let of_spec = stack.certificate.as_ref().and_then(|source| self.domain(source));
        let of_record = stack.dns.as_ref().map(|record| record.name.as_str());
        match of_record.or(of_spec) {
            // Any name below it will do.
            Some(domain) => domain.replacen("*.", "www.", 1),
            None => self.dns_name.clone(),
        }
    }

    /// The names that visitors may ask for besides, each of a certificate of its own.
    pub(super) fn additional_hosts(&self, stack: &Stack) -> Vec<String> {
        let domains = stack.additional_certificates.iter().filter_map(|source| self.domain(source));
        domains.map(|domain| domain.replacen("*.", "www.", 1)).collect()
    }

    /// The first domain that a certificate is for.
    fn domain<'a>(&'a self, source: &'a CertificateSource) -> Option<&'a str> {
        match source {
            CertificateSource::Domain(domain) => Some(domain),
            CertificateSource::Files(files) => files.domains.first().map(String::as_str),
            CertificateSource::Arn(arn) => {
                let found = self.certificates.iter().find(|found| found.arn == *arn)?;
                found.domains.first().map(String::as_str)
            }
        }
    }

    /// Whether the load balancer has a listener on a port.
    pub(super) fn has_listener(&self, port: u16) -> bool {
        match &self.balancer {
            Balancer::Classic(classic) => classic.has_listener(port),
            Balancer::V2(v2) => v2.has_listener(port),
        }
    }

    /// Whether the load balancer sends a PROXY header there.
    pub(super) fn sends_header(&self, to: &To) -> bool {
        match (&self.balancer, to) {
            (Balancer::Classic(classic), To::Port(port)) => classic.sends_header(*port),
            (Balancer::V2(v2), To::Groups(groups)) => v2.sends_header(groups),
            (Balancer::Classic(_), To::Groups(_)) | (Balancer::V2(_), To::Port(_)) => false,
        }
    }

    /// Whether anybody there gets connections; also where nobody needs to.
    pub(super) fn any_in_service(&self, to: &To) -> bool {
        match (&self.balancer, to) {
            (Balancer::V2(v2), To::Groups(groups)) => v2.any_in_service(groups),
            (Balancer::Classic(classic), _) => classic.any_in_service(),
            (Balancer::V2(_), To::Port(_)) => true,
        }
    }

    /// The protocol version of a target group that a listener forwards to and that can carry no WebSocket.
    pub(super) fn other_version(&self, port: u16) -> Option<&str> {
        match &self.balancer {
            Balancer::Classic(_) => None,
            Balancer::V2(v2) => v2.other_version(port),
        }
    }

    /// Whether security groups lack a rule of the spec's.
    pub(super) fn lacks_rules(&self) -> bool {
        let changes = self.drift.as_ref().map_or(&[][..], Vec::as_slice);
        changes.iter().any(|change| matches!(change.resource.kind, Kind::SecurityGroup | Kind::Admission))
    }

    /// Checks what needs no visitor; it was read from `begun` on.
    pub(super) fn check(&self, stack: &Stack, begun: Instant, run: &mut Run<'_>) {
        run.push(Name::Stack, &"", begun, self.stack());
        match &self.balancer {
            Balancer::Classic(classic) => {
                run.push(Name::Targets, &"", begun, classic.targets(self.lacks_rules()));
            }
            Balancer::V2(v2) => {
                for (group, outcome) in v2.targets(self.lacks_rules()) {
                    run.push(Name::Targets, &group, begun, outcome);
                }
            }
        }
        if let Some(desired) = &stack.dns {
            let outcome = record::check(desired, &self.records, &self.dns_name);
            run.push(Name::Record, &desired.name, begun, outcome);
        }
    }

    fn stack(&self) -> Outcome {
        let mend = "`elbws plan SPEC` shows it field by field, `elbws apply SPEC` mends it";
        let differing: Vec<String> = self.proxies.iter().filter_map(difference).collect();
        match &self.drift {
            Ok(changes) if changes.is_empty() && !differing.is_empty() => Outcome::Broken {
                error: differing.join("; "),
                causes: vec![Cause::new(
                    "the proxy was not deployed since, or the instance is new",
                    "`elbws deploy SPEC`",
                )],
            },
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
}

/// What is to be said of the proxy on an instance, if it is not as the spec has it.
fn difference(proxy: &ProxyOn) -> Option<String> {
    let instance = &proxy.instance;
    match &proxy.state {
        ProxyState::AsDesired => None,
        ProxyState::Missing => Some(format!("there is no elbws-proxy on {instance}")),
        ProxyState::Unmanaged(lack) => Some(format!("SSM cannot reach {instance}: {lack}")),
        ProxyState::Differs(fields) => {
            let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
            Some(format!("the proxy on {instance} differs from the spec's in {}", paths.join(", ")))
        }
    }
}

/// What is to be said of a rule that is missing.
pub(super) fn cause_of_rules() -> Cause {
    Cause::new(
        "a security group lacks a rule of the spec's",
        "`elbws apply SPEC` adds it (instances.manage_security_group: true)",
    )
}
