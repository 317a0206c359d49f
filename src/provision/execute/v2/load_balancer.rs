//! The load balancer itself.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::is_new;
use crate::provision::aws::elbv2::{self, Attributes};
use crate::provision::aws::retry::{
    DETACHED_SUBNET, NEW_GROUP_AT_ELB, NEW_GROUP_AT_ELB_V2, NEW_LOAD_BALANCER, PROVISIONING, Rule,
};
use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::{Run, absent_is_done};
use crate::provision::plan::Reference;
use crate::provision::plan::v2::NewLoadBalancer;
use crate::provision::resource::v2::{LoadBalancerState, SubnetAddress};

/// A security group just created, which is refused in either of two ways.
const NEW_GROUP: &[Rule] = &[NEW_GROUP_AT_ELB, NEW_GROUP_AT_ELB_V2];

impl Run<'_> {
    /// Creates a load balancer, waits until it is active and returns its ARN; takes the one of that name where it
    /// is the stack's.
    pub(super) async fn create_v2_load_balancer(
        &self,
        new: &NewLoadBalancer,
    ) -> Result<String, ExecuteError> {
        let wanted = elbv2::NewLoadBalancer {
            name: &new.name,
            family: new.family,
            scheme: new.scheme,
            address_type: new.address_type,
            subnets: &new.subnets,
            security_groups: self.identifiers(&new.security_groups)?,
            tags: &new.tags,
        };
        let create = || elbv2::create_load_balancer(self.clients, &wanted);
        let arn = match self.patience.retry(NEW_GROUP, create).await {
            Err(error) if error.is("DuplicateLoadBalancerName") => self.made_before(new).await?,
            made => made?,
        };
        self.await_active(&arn, &new.name).await?;
        Ok(arn)
    }

    /// Finds the load balancer that an earlier try has made.
    async fn made_before(&self, new: &NewLoadBalancer) -> Result<String, ExecuteError> {
        let exists = || ExecuteError::LoadBalancerExists { name: new.name.clone() };
        let found = elbv2::load_balancer(self.clients, &new.name).await?.ok_or_else(exists)?;
        let tags = elbv2::tags_of(self.clients, &found.arn).await?;
        let is_same = found.family == new.family
            && found.scheme == new.scheme
            && found.subnets.keys().eq(new.subnets.keys())
            && tags.owner().is_some()
            && tags.owner() == new.tags.owner();
        if is_same { Ok(found.arn) } else { Err(exists()) }
    }

    async fn await_active(&self, arn: &str, name: &str) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let state = elbv2::load_balancer_by_arn(self.clients, arn).await?.map(|found| found.state);
            let reason = match state {
                Some(LoadBalancerState::Active | LoadBalancerState::ActiveImpaired) => return Ok(()),
                Some(LoadBalancerState::Failed(reason)) => {
                    return Err(ExecuteError::LoadBalancerFailed { name: name.to_owned(), reason });
                }
                Some(LoadBalancerState::Provisioning) => format!("load balancer {name} is being provisioned"),
                None => format!("load balancer {name} does not show yet"),
            };
            if start.elapsed() + pause > PROVISIONING {
                let minutes = PROVISIONING.as_secs() / 60;
                return Err(ExecuteError::StillProvisioning { name: name.to_owned(), minutes });
            }
            if !self.patience.wait(&mut pause, &reason).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Deletes a load balancer and waits until it no longer shows, so that its name is free.
    pub(super) async fn delete_v2_load_balancer(&self, arn: &str, name: &str) -> Result<(), ExecuteError> {
        match elbv2::delete_load_balancer(self.clients, arn).await {
            Err(error)
                if error.is("OperationNotPermitted")
                    && error.message().to_lowercase().contains("deletion protection") =>
            {
                return Err(ExecuteError::DeletionProtected { name: name.to_owned() });
            }
            result => absent_is_done(result, &[elbv2::LOAD_BALANCER_NOT_FOUND])?,
        }
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        while elbv2::load_balancer_by_arn(self.clients, arn).await?.is_some() {
            if start.elapsed() + pause > PROVISIONING {
                let minutes = PROVISIONING.as_secs() / 60;
                return Err(ExecuteError::StillThere { name: name.to_owned(), minutes });
            }
            if !self.patience.wait(&mut pause, &format!("load balancer {name} is being deleted")).await {
                return Err(ExecuteError::Interrupted);
            }
        }
        Ok(())
    }

    pub(super) async fn set_subnets(
        &self,
        load_balancer: &Reference,
        subnets: &BTreeMap<String, Option<SubnetAddress>>,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(load_balancer)?;
        let set = || elbv2::set_subnets(self.clients, &arn, subnets);
        Ok(self.patience.retry(&[DETACHED_SUBNET], set).await?)
    }

    pub(super) async fn set_security_groups(
        &self,
        load_balancer: &Reference,
        groups: &[Reference],
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(load_balancer)?;
        let groups = self.identifiers(groups)?;
        let set = || elbv2::set_security_groups(self.clients, &arn, &groups);
        Ok(self.patience.retry(NEW_GROUP, set).await?)
    }

    pub(super) async fn modify_load_balancer_attributes(
        &self,
        load_balancer: &Reference,
        attributes: &Attributes,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(load_balancer)?;
        let rules: &[Rule] = if is_new(load_balancer) { &[NEW_LOAD_BALANCER] } else { &[] };
        let modify = async |attributes: Attributes| {
            let modify = || elbv2::modify_load_balancer_attributes(self.clients, &arn, &attributes);
            self.patience.retry(rules, modify).await
        };
        Ok(self.modify_attributes(attributes, modify).await?)
    }
}
