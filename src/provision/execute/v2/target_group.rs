//! Target groups and their targets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::is_new;
use crate::provision::aws::elbv2::{self, Attributes, TARGET_GROUP_NOT_FOUND};
use crate::provision::aws::retry::{NEW_TARGET, NEW_TARGET_GROUP, RELEASED_TARGET_GROUP, Rule};
use crate::provision::aws::{AwsError, TargetHealth};
use crate::provision::execute::failure::{ExecuteError, Unhealthy};
use crate::provision::execute::operation::{Run, absent_is_done};
use crate::provision::plan::Reference;
use crate::provision::plan::v2::NewTargetGroup;
use crate::provision::resource::v2::{HealthCheck, Target};

/// How many targets are registered or deregistered by one call.
const TARGETS_A_CALL: usize = 100;
/// The zone of an address that is outside of the target group's VPC.
const OUTSIDE: &str = "all";
/// What AWS may take beyond the deregistration delay.
const DRAIN_MARGIN: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// Creates a target group and returns its ARN; takes the one of that name where it is the stack's.
    pub(super) async fn create_target_group(&self, new: &NewTargetGroup) -> Result<String, ExecuteError> {
        let wanted = elbv2::NewTargetGroup {
            name: &new.name,
            protocol: new.protocol,
            protocol_version: new.protocol_version.as_deref(),
            port: new.port,
            vpc: &new.vpc,
            kind: new.kind,
            health_check: &new.health_check,
            tags: &new.tags,
        };
        match elbv2::create_target_group(self.clients, wanted).await {
            Err(error) if error.is("DuplicateTargetGroupName") => self.group_made_before(new).await,
            made => Ok(made?),
        }
    }

    /// Finds the target group that an earlier try has made; its health check is set anew, since it may be changed
    /// and all else may not.
    async fn group_made_before(&self, new: &NewTargetGroup) -> Result<String, ExecuteError> {
        let other = || ExecuteError::OtherTargetGroup { name: new.name.clone() };
        let found = elbv2::target_group(self.clients, &new.name).await?.ok_or_else(other)?;
        let tags = elbv2::tags_of(self.clients, &found.arn).await?;
        let is_same = found.protocol == new.protocol.as_aws()
            && found.port == new.port
            && found.vpc == new.vpc
            && found.kind == Some(new.kind)
            && tags.owner().is_some()
            && tags.owner() == new.tags.owner();
        if !is_same {
            return Err(other());
        }
        if found.health_check != new.health_check {
            elbv2::modify_target_group(self.clients, &found.arn, &new.health_check).await?;
        }
        Ok(found.arn)
    }

    pub(super) async fn modify_health_check(
        &self,
        group: &Reference,
        check: &HealthCheck,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(group)?;
        let modify = || elbv2::modify_target_group(self.clients, &arn, check);
        Ok(self.patience.retry(while_new(group), modify).await?)
    }

    pub(super) async fn modify_target_group_attributes(
        &self,
        group: &Reference,
        attributes: &Attributes,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(group)?;
        let modify = async |attributes: Attributes| {
            let modify = || elbv2::modify_target_group_attributes(self.clients, &arn, &attributes);
            self.patience.retry(while_new(group), modify).await
        };
        Ok(self.modify_attributes(attributes, modify).await?)
    }

    pub(super) async fn delete_target_group(&self, arn: &str) -> Result<(), ExecuteError> {
        let delete = || elbv2::delete_target_group(self.clients, arn);
        let deleted = self.patience.retry(&[RELEASED_TARGET_GROUP], delete).await;
        Ok(absent_is_done(deleted, &[TARGET_GROUP_NOT_FOUND])?)
    }

    pub(super) async fn register_targets(
        &self,
        group: &Reference,
        targets: &BTreeSet<Target>,
    ) -> Result<(), ExecuteError> {
        let arn = self.identifier(group)?;
        let (addresses, instances): (Vec<Target>, Vec<Target>) =
            targets.iter().cloned().partition(|target| target.id.parse::<IpAddr>().is_ok());
        let mut rules = vec![NEW_TARGET];
        rules.extend(while_new(group));
        for chunk in instances.chunks(TARGETS_A_CALL) {
            let register = || elbv2::register_targets(self.clients, &arn, chunk, None);
            self.patience.retry(&rules, register).await?;
        }
        for address in &addresses {
            self.register_address(&arn, group, address).await?;
        }
        Ok(())
    }

    /// Registers an address. One outside of the VPC is taken only with the zone `all`, and one inside of it only
    /// without: only AWS knows all the VPC's ranges.
    async fn register_address(
        &self,
        arn: &str,
        group: &Reference,
        address: &Target,
    ) -> Result<(), ExecuteError> {
        let one = std::slice::from_ref(address);
        let register = || elbv2::register_targets(self.clients, arn, one, None);
        match self.patience.retry(while_new(group), register).await {
            Err(error) if error.is_any(&["InvalidTarget", "ValidationError"]) => {
                let outside = elbv2::register_targets(self.clients, arn, one, Some(OUTSIDE)).await;
                // The first refusal says more where both are refused.
                outside.map_err(|_| error.into())
            }
            registered => Ok(registered?),
        }
    }

    pub(super) async fn deregister_targets(
        &self,
        group: &str,
        targets: &BTreeSet<Target>,
    ) -> Result<(), ExecuteError> {
        let targets: Vec<Target> = targets.iter().cloned().collect();
        for chunk in targets.chunks(TARGETS_A_CALL) {
            match elbv2::deregister_targets(self.clients, group, chunk).await {
                // One that is unknown by now fails all of them: the others are still to be removed.
                Err(error) if error.is("InvalidTarget") => {
                    for target in chunk {
                        let one = std::slice::from_ref(target);
                        let result = elbv2::deregister_targets(self.clients, group, one).await;
                        absent_is_done(result, &["InvalidTarget"])?;
                    }
                }
                result => absent_is_done(result, &[TARGET_GROUP_NOT_FOUND])?,
            }
        }
        Ok(())
    }

    /// Waits until no target of the group is draining. What AWS should have ended by now is waited for no longer.
    pub(super) async fn await_drained(&self, group: &str, delay: u32) -> Result<(), ExecuteError> {
        let longest = Duration::from_secs(delay.into()) + DRAIN_MARGIN;
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let draining = match self.health(group).await? {
                Some(health) => health.iter().filter(|found| found.state == "draining").count(),
                None => 0,
            };
            if draining == 0 {
                return Ok(());
            }
            if start.elapsed() + pause > longest {
                let seconds = longest.as_secs();
                (self.warn)(&format!("{draining} targets are still draining after {seconds} s: going on"));
                return Ok(());
            }
            if !self.patience.wait(&mut pause, &format!("{draining} targets are draining")).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Waits until each of the groups has a healthy target.
    pub(super) async fn await_healthy(&self, groups: &[Reference], seconds: u32) -> Result<(), ExecuteError> {
        let groups = self.identifiers(groups)?;
        let longest = Duration::from_secs(seconds.into());
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let mut waiting = Vec::new();
            for group in &groups {
                let health = self.health(group).await?.unwrap_or_default();
                if !health.iter().any(TargetHealth::is_healthy) {
                    waiting.push((group.as_str(), health));
                }
            }
            let Some((first, health)) = waiting.first() else { return Ok(()) };
            if start.elapsed() + pause > longest {
                let targets =
                    waiting.into_iter().flat_map(|(_, health)| health).map(Unhealthy::from).collect();
                return Err(ExecuteError::NotInService { seconds: longest.as_secs(), targets });
            }
            let name = first.rsplit('/').nth(1).unwrap_or(first);
            let why = health.iter().find_map(TargetHealth::words);
            let reason = match why {
                Some(why) => format!("target group {name} has no healthy target: {why}"),
                None => format!("target group {name} has no healthy target"),
            };
            if !self.patience.wait(&mut pause, &reason).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Reads what a group says of its targets; none where there is no such group.
    async fn health(&self, group: &str) -> Result<Option<Vec<TargetHealth>>, AwsError> {
        match elbv2::target_health(self.clients, group).await {
            Ok(health) => Ok(Some(health)),
            Err(error) if error.is(TARGET_GROUP_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the rule for a target group that was made in this run.
fn while_new(group: &Reference) -> &'static [Rule] {
    if is_new(group) { &[NEW_TARGET_GROUP] } else { &[] }
}
