//! The load balancer, its listeners, policies, subnets and instances.

use std::collections::{BTreeMap, BTreeSet};

use super::failure::ExecuteError;
use super::operation::{Run, absent_is_done};
use crate::provision::aws::elb::{self, NewLoadBalancer};
use crate::provision::aws::retry::{
    DELETED_LISTENER, DETACHED_SUBNET, NEW_CERTIFICATE, NEW_GROUP_AT_ELB, NEW_INSTANCE, NEW_POLICY,
};
use crate::provision::plan::{NewListener, Reference};
use crate::provision::resource::{Listener, Policy, PolicyKind, Scheme, Tags};

/// How many instances are registered or deregistered by one call.
const INSTANCES_A_CALL: usize = 100;

/// A load balancer to create.
pub(super) struct Creation<'a> {
    pub(super) name: &'a str,
    pub(super) scheme: Scheme,
    pub(super) subnets: &'a BTreeSet<String>,
    pub(super) security_groups: &'a [Reference],
    pub(super) listeners: &'a [NewListener],
    pub(super) tags: &'a Tags,
}

impl Run<'_> {
    /// Creates a load balancer; one with the same settings is the one to create, says AWS.
    pub(super) async fn create_load_balancer(&self, new: Creation<'_>) -> Result<(), ExecuteError> {
        let name = new.name;
        let new = NewLoadBalancer {
            name,
            scheme: new.scheme,
            subnets: new.subnets,
            security_groups: self.identifiers(new.security_groups)?,
            listeners: self.listeners(new.listeners)?,
            tags: new.tags,
        };
        let create = || elb::create_load_balancer(self.clients, &new);
        let rules = [NEW_CERTIFICATE, DETACHED_SUBNET, NEW_GROUP_AT_ELB];
        match self.patience.retry(&rules, create).await {
            Err(error) if error.is("DuplicateLoadBalancerName") => {
                Err(ExecuteError::LoadBalancerExists { name: name.to_owned() })
            }
            result => Ok(result?),
        }
    }

    pub(super) async fn apply_security_groups(
        &self,
        name: &str,
        groups: &[Reference],
    ) -> Result<(), ExecuteError> {
        let groups = self.identifiers(groups)?;
        let apply = || elb::apply_security_groups(self.clients, name, &groups);
        Ok(self.patience.retry(&[NEW_GROUP_AT_ELB], apply).await?)
    }

    pub(super) async fn attach_subnets(
        &self,
        name: &str,
        subnets: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let attach = || elb::attach_subnets(self.clients, name, subnets);
        Ok(self.patience.retry(&[DETACHED_SUBNET], attach).await?)
    }

    pub(super) async fn detach_subnets(
        &self,
        name: &str,
        subnets: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let error = match elb::detach_subnets(self.clients, name, subnets).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_done = match elb::description(self.clients, name).await? {
            Some(found) => found.subnets.is_disjoint(subnets),
            None => true,
        };
        if is_done { Ok(()) } else { Err(error.into()) }
    }

    /// Creates listeners; one with the same settings is the one to create, says AWS.
    pub(super) async fn create_listeners(
        &self,
        name: &str,
        listeners: &[NewListener],
    ) -> Result<(), ExecuteError> {
        let listeners: Vec<Listener> = self.listeners(listeners)?;
        let create = || elb::create_listeners(self.clients, name, &listeners);
        Ok(self.patience.retry(&[NEW_CERTIFICATE, DELETED_LISTENER], create).await?)
    }

    pub(super) async fn set_listener_certificate(
        &self,
        name: &str,
        port: u16,
        certificate: &Reference,
    ) -> Result<(), ExecuteError> {
        let certificate = self.identifier(certificate)?;
        let set = || elb::set_listener_certificate(self.clients, name, port, &certificate);
        Ok(self.patience.retry(&[NEW_CERTIFICATE], set).await?)
    }

    /// Creates a policy; one of the same name, type and attributes is the one to create.
    pub(super) async fn create_policy(
        &self,
        name: &str,
        policy: &str,
        kind: PolicyKind,
        attributes: &BTreeMap<String, String>,
    ) -> Result<(), ExecuteError> {
        let error = match elb::create_policy(self.clients, name, policy, kind, attributes).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !error.is("DuplicatePolicyName") {
            return Err(error.into());
        }
        match elb::policies(self.clients, name).await?.get(policy) {
            Some(found) if is_same(found, kind, attributes) => Ok(()),
            _ => Err(ExecuteError::OtherPolicy { name: name.to_owned(), policy: policy.to_owned() }),
        }
    }

    pub(super) async fn set_listener_policies(
        &self,
        name: &str,
        port: u16,
        policies: &[String],
    ) -> Result<(), ExecuteError> {
        let set = || elb::set_listener_policies(self.clients, name, port, policies);
        Ok(self.patience.retry(&[NEW_POLICY], set).await?)
    }

    pub(super) async fn set_backend_policies(
        &self,
        name: &str,
        port: u16,
        policies: &[String],
    ) -> Result<(), ExecuteError> {
        let set = || elb::set_backend_policies(self.clients, name, port, policies);
        Ok(self.patience.retry(&[NEW_POLICY], set).await?)
    }

    pub(super) async fn register_instances(
        &self,
        name: &str,
        instances: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let instances: Vec<_> = instances.iter().cloned().collect();
        for chunk in instances.chunks(INSTANCES_A_CALL) {
            let register = || elb::register_instances(self.clients, name, chunk);
            self.patience.retry(&[NEW_INSTANCE], register).await?;
        }
        Ok(())
    }

    pub(super) async fn deregister_instances(
        &self,
        name: &str,
        instances: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let instances: Vec<_> = instances.iter().cloned().collect();
        for chunk in instances.chunks(INSTANCES_A_CALL) {
            match elb::deregister_instances(self.clients, name, chunk).await {
                // One that is unknown by now fails all of them: the others are still to be removed.
                Err(error) if error.is("InvalidInstance") => {
                    for instance in chunk {
                        let one = std::slice::from_ref(instance);
                        let result = elb::deregister_instances(self.clients, name, one).await;
                        absent_is_done(result, &["InvalidInstance"])?;
                    }
                }
                result => absent_is_done(result, &[elb::LOAD_BALANCER_NOT_FOUND])?,
            }
        }
        Ok(())
    }
}

/// Says whether a policy is of this type with these attributes, whose values compare without case.
fn is_same(found: &Policy, kind: PolicyKind, attributes: &BTreeMap<String, String>) -> bool {
    found.is(kind)
        && attributes.iter().all(|(name, value)| {
            found.attributes.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
        })
}
