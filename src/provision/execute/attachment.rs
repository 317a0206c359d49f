//! Attaching an Auto Scaling group to what registers its instances, and detaching it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::ExecuteError;
use super::operation::Run;
use crate::provision::aws::retry::NEW_TRAFFIC_SOURCE;
use crate::provision::aws::{AwsError, autoscaling};
use crate::provision::plan::AttachmentPoint;

/// How long AWS may take to deregister a group's instances: their connections have time to end, an hour at most.
const DEREGISTERED_WITHIN: Duration = Duration::from_mins(65);

/// The same with its identifier.
enum Place {
    LoadBalancer(String),
    TargetGroup(String),
}

impl Run<'_> {
    pub(super) async fn attach_group(&self, group: &str, to: &AttachmentPoint) -> Result<(), ExecuteError> {
        let place = self.place(to)?;
        let attach = || async {
            match &place {
                Place::LoadBalancer(name) => {
                    autoscaling::attach_load_balancer(self.clients, group, name).await
                }
                Place::TargetGroup(arn) => autoscaling::attach_target_group(self.clients, group, arn).await,
            }
        };
        Ok(self.patience.retry(&[NEW_TRAFFIC_SOURCE], attach).await?)
    }

    /// Detaches a group; one that is gone, or is not attached any more, is detached. Where it is to have `settled`,
    /// waits until AWS has deregistered the group's instances.
    pub(super) async fn detach_group(
        &self,
        group: &str,
        from: &AttachmentPoint,
        settled: bool,
    ) -> Result<(), ExecuteError> {
        let place = self.place(from)?;
        let detached = match &place {
            Place::LoadBalancer(name) => autoscaling::detach_load_balancer(self.clients, group, name).await,
            Place::TargetGroup(arn) => autoscaling::detach_target_group(self.clients, group, arn).await,
        };
        match detached {
            // One code for everything: whether nothing is left to do is to be looked up.
            Err(error) if error.is(autoscaling::INVALID) && !self.is_attached(group, &place).await? => {}
            result => result?,
        }
        if settled { self.await_deregistered(group, &place).await } else { Ok(()) }
    }

    async fn await_deregistered(&self, group: &str, place: &Place) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        while self.is_known(group, place).await? {
            if start.elapsed() > DEREGISTERED_WITHIN {
                (self.warn)(&format!("AWS is still deregistering the instances of {group}: going on"));
                return Ok(());
            }
            let reason = format!("AWS is deregistering the instances of {group}");
            if !self.patience.wait(&mut pause, &reason).await {
                return Err(ExecuteError::Interrupted);
            }
        }
        Ok(())
    }

    /// Whether AWS still describes the attachment, if only as one that ends.
    async fn is_known(&self, group: &str, place: &Place) -> Result<bool, AwsError> {
        let known = match place {
            Place::LoadBalancer(name) => autoscaling::knows_load_balancer(self.clients, group, name).await,
            Place::TargetGroup(arn) => autoscaling::knows_target_group(self.clients, group, arn).await,
        };
        match known {
            Err(error) if error.is(autoscaling::INVALID) => Ok(false),
            known => known,
        }
    }

    async fn is_attached(&self, group: &str, place: &Place) -> Result<bool, AwsError> {
        let (Place::LoadBalancer(identifier) | Place::TargetGroup(identifier)) = place;
        let groups = autoscaling::groups(self.clients, &BTreeSet::from([group.to_owned()])).await?;
        Ok(groups.iter().any(|found| found.is_attached_to(identifier)))
    }

    fn place(&self, point: &AttachmentPoint) -> Result<Place, ExecuteError> {
        Ok(match point {
            AttachmentPoint::LoadBalancer(name) => Place::LoadBalancer(name.clone()),
            AttachmentPoint::TargetGroup(group) => Place::TargetGroup(self.identifier(group)?),
        })
    }
}
