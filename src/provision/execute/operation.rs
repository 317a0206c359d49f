//! One operation of a plan, as calls.

use std::collections::BTreeMap;

use super::failure::ExecuteError;
use super::load_balancer::Creation;
use crate::provision::aws::retry::Patience;
use crate::provision::aws::{AwsError, Clients, acm, ec2, elb, iam};
use crate::provision::plan::{NewListener, Operation, Reference, TagChange};
use crate::provision::resource::{Listener, ResourceKey};

/// What an operation runs with.
pub(super) struct Run<'a> {
    pub(super) clients: &'a Clients,
    pub(super) patience: Patience<'a>,
    /// Tells what the user should know and that stops nothing.
    pub(super) warn: &'a (dyn Fn(&str) + Send + Sync),
    /// The identifiers of what earlier steps have made.
    pub(super) outputs: BTreeMap<ResourceKey, String>,
}

impl Operation {
    /// Returns the resource whose identifier the operation puts out.
    pub(super) fn output(&self) -> Option<&ResourceKey> {
        match self {
            Self::V2(operation) => operation.output(),
            Self::ImportCertificate { key, .. } | Self::CreateSecurityGroup { key, .. } => Some(key),
            Self::Proxy(_)
            | Self::TagCertificate { .. }
            | Self::DeleteCertificate { .. }
            | Self::AuthorizeIngress { .. }
            | Self::RevokeIngress { .. }
            | Self::TagSecurityGroup { .. }
            | Self::DeleteSecurityGroup { .. }
            | Self::CreateLoadBalancer { .. }
            | Self::DeleteLoadBalancer { .. }
            | Self::TagLoadBalancer { .. }
            | Self::ApplySecurityGroups { .. }
            | Self::AttachSubnets { .. }
            | Self::DetachSubnets { .. }
            | Self::CreateListeners { .. }
            | Self::DeleteListeners { .. }
            | Self::SetListenerCertificate { .. }
            | Self::CreatePolicy { .. }
            | Self::DeletePolicy { .. }
            | Self::SetListenerPolicies { .. }
            | Self::SetBackendPolicies { .. }
            | Self::ModifyAttributes { .. }
            | Self::ConfigureHealthCheck { .. }
            | Self::RegisterInstances { .. }
            | Self::AwaitInService { .. }
            | Self::AttachGroup { .. }
            | Self::DetachGroup { .. }
            | Self::DeregisterInstances { .. } => None,
        }
    }
}

impl Run<'_> {
    /// Runs the operation and returns the identifier of what it makes, if AWS chooses one.
    #[allow(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(super) async fn operation(&self, operation: &Operation) -> Result<Option<String>, ExecuteError> {
        let clients = self.clients;
        match operation {
            Operation::V2(operation) => return Box::pin(self.v2(operation)).await,
            Operation::Proxy(operation) => Box::pin(self.proxy(operation)).await?,
            Operation::ImportCertificate { files, over, iam, tags, .. } => {
                return self.import_certificate(files, over.as_deref(), iam.as_ref(), tags).await.map(Some);
            }
            Operation::TagCertificate { arn, tags } => self.tag_certificate(arn, tags).await?,
            Operation::DeleteCertificate { arn } => self.delete_certificate(arn).await?,
            Operation::CreateSecurityGroup { name, description, vpc, tags, .. } => {
                let new = ec2::NewGroup { name, description, vpc, tags };
                return self.create_security_group(new).await.map(Some);
            }
            Operation::AuthorizeIngress { group, rules, tags } => {
                self.authorize_ingress(group, rules, tags).await?;
            }
            Operation::RevokeIngress { group, rules } => self.revoke_ingress(group, rules).await?,
            Operation::TagSecurityGroup { id, tags } => {
                if !tags.set.0.is_empty() {
                    ec2::create_tags(clients, id, &tags.set).await?;
                }
                if !tags.remove.is_empty() {
                    ec2::delete_tags(clients, id, &tags.remove).await?;
                }
            }
            Operation::DeleteSecurityGroup { id } => self.delete_security_group(id).await?,
            Operation::CreateLoadBalancer { name, scheme, subnets, security_groups, listeners, tags } => {
                self.create_load_balancer(Creation {
                    name,
                    scheme: *scheme,
                    subnets,
                    security_groups,
                    listeners,
                    tags,
                })
                .await?;
            }
            Operation::DeleteLoadBalancer { name } => {
                absent_is_done(
                    elb::delete_load_balancer(clients, name).await,
                    &[elb::LOAD_BALANCER_NOT_FOUND],
                )?;
            }
            Operation::TagLoadBalancer { name, tags } => self.tag_load_balancer(name, tags).await?,
            Operation::ApplySecurityGroups { name, security_groups } => {
                self.apply_security_groups(name, security_groups).await?;
            }
            Operation::AttachSubnets { name, subnets } => self.attach_subnets(name, subnets).await?,
            Operation::DetachSubnets { name, subnets } => self.detach_subnets(name, subnets).await?,
            Operation::CreateListeners { name, listeners } => self.create_listeners(name, listeners).await?,
            Operation::DeleteListeners { name, ports } => {
                absent_is_done(
                    elb::delete_listeners(clients, name, ports).await,
                    &[elb::LOAD_BALANCER_NOT_FOUND, "ListenerNotFound"],
                )?;
            }
            Operation::SetListenerCertificate { name, port, certificate } => {
                self.set_listener_certificate(name, *port, certificate).await?;
            }
            Operation::CreatePolicy { name, policy, kind, attributes } => {
                self.create_policy(name, policy, *kind, attributes).await?;
            }
            Operation::DeletePolicy { name, policy } => {
                absent_is_done(
                    elb::delete_policy(clients, name, policy).await,
                    &[elb::LOAD_BALANCER_NOT_FOUND, "PolicyNotFound"],
                )?;
            }
            Operation::SetListenerPolicies { name, port, policies } => {
                self.set_listener_policies(name, *port, policies).await?;
            }
            Operation::SetBackendPolicies { name, port, policies } => {
                self.set_backend_policies(name, *port, policies).await?;
            }
            Operation::ModifyAttributes { name, attributes } => {
                elb::modify_attributes(clients, name, attributes).await?;
            }
            Operation::ConfigureHealthCheck { name, health_check } => {
                elb::configure_health_check(clients, name, health_check).await?;
            }
            Operation::RegisterInstances { name, instances } => {
                self.register_instances(name, instances).await?;
            }
            Operation::AwaitInService { name, instances } => self.await_in_service(name, instances).await?,
            Operation::AttachGroup { group, to } => self.attach_group(group, to).await?,
            Operation::DetachGroup { group, from, settled } => {
                self.detach_group(group, from, *settled).await?;
            }
            Operation::DeregisterInstances { name, instances } => {
                self.deregister_instances(name, instances).await?;
            }
        }
        Ok(None)
    }

    /// Returns the identifier that a reference stands for.
    pub(super) fn identifier(&self, reference: &Reference) -> Result<String, ExecuteError> {
        match reference {
            Reference::Existing(identifier) => Ok(identifier.clone()),
            Reference::Planned(key) => {
                self.outputs.get(key).cloned().ok_or_else(|| ExecuteError::Unresolved(key.clone()))
            }
        }
    }

    pub(super) fn identifiers(&self, references: &[Reference]) -> Result<Vec<String>, ExecuteError> {
        references.iter().map(|reference| self.identifier(reference)).collect()
    }

    pub(super) fn listeners(&self, new: &[NewListener]) -> Result<Vec<Listener>, ExecuteError> {
        new.iter()
            .map(|new| {
                Ok(Listener {
                    port: new.port,
                    protocol: new.protocol,
                    instance_port: new.instance_port,
                    instance_protocol: new.instance_protocol,
                    certificate: new
                        .certificate
                        .as_ref()
                        .map(|certificate| self.identifier(certificate))
                        .transpose()?,
                    policies: Vec::new(),
                })
            })
            .collect()
    }

    async fn tag_load_balancer(&self, name: &str, tags: &TagChange) -> Result<(), ExecuteError> {
        if !tags.set.0.is_empty() {
            elb::add_tags(self.clients, name, &tags.set).await?;
        }
        if !tags.remove.is_empty() {
            elb::remove_tags(self.clients, name, &tags.remove).await?;
        }
        Ok(())
    }

    async fn tag_certificate(&self, arn: &str, tags: &TagChange) -> Result<(), ExecuteError> {
        let (set, remove) = (!tags.set.0.is_empty(), !tags.remove.is_empty());
        if arn.contains(":server-certificate/") {
            let name = iam::name_in(arn);
            if set {
                iam::add_tags(self.clients, name, &tags.set).await?;
            }
            if remove {
                iam::remove_tags(self.clients, name, &tags.remove).await?;
            }
        } else {
            if set {
                acm::add_tags(self.clients, arn, &tags.set).await?;
            }
            if remove {
                acm::remove_tags(self.clients, arn, &tags.remove).await?;
            }
        }
        Ok(())
    }
}

/// Takes the absence of what was to be removed, which one of `codes` says, for success.
pub(super) fn absent_is_done(result: Result<(), AwsError>, codes: &[&str]) -> Result<(), AwsError> {
    match result {
        Err(error) if error.is_any(codes) => Ok(()),
        result => result,
    }
}
