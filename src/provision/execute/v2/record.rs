//! The DNS records that lead visitors to a load balancer.

use std::time::Duration;

use tokio::time::Instant;

use crate::provision::aws::retry::{Pace, RECORD_SPREADS};
use crate::provision::aws::route53::{self, AliasRecord};
use crate::provision::aws::{elb, elbv2};
use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::Run;
use crate::provision::plan::v2::{AliasTarget, NewRecord};
use crate::provision::resource::v2::Record;

/// How long who has asked the local AWS may take to connect.
const JUST_ASKED: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Writes the records, all types in one change, and waits until every server has it.
    pub(super) async fn upsert_record(
        &self,
        record: &NewRecord,
        replaces: &[Record],
    ) -> Result<(), ExecuteError> {
        let (target, target_zone) = self.alias_target(&record.target).await?;
        let records: Vec<AliasRecord> = record
            .kinds
            .iter()
            .map(|kind| AliasRecord {
                name: record.name.clone(),
                kind: kind.clone(),
                target: target.clone(),
                target_zone: target_zone.clone(),
                weight: record.weight,
                set_identifier: record.set_identifier.clone(),
            })
            .collect();
        let change = route53::upsert_records(self.clients, &record.zone, &records, replaces).await?;
        self.await_in_sync(&change, &record.name).await
    }

    /// Returns a load balancer's DNS name and the zone that it is part of.
    async fn alias_target(&self, target: &AliasTarget) -> Result<(String, String), ExecuteError> {
        let (name, found) = match target {
            AliasTarget::Classic(name) => (name.clone(), elb::alias_target(self.clients, name).await?),
            AliasTarget::V2(reference) => {
                let arn = self.identifier(reference)?;
                let found = elbv2::load_balancer_by_arn(self.clients, &arn).await?;
                (arn, found.map(|found| (found.dns_name, found.canonical_zone)))
            }
        };
        found.ok_or(ExecuteError::NoLoadBalancer { name })
    }

    /// Deletes the record if it is there as it was planned; one that has come to lead elsewhere is left alone.
    pub(super) async fn delete_record(&self, record: &Record) -> Result<(), ExecuteError> {
        let mut tries = 0;
        loop {
            match route53::delete_record(self.clients, record).await {
                Ok(Some(change)) => return self.await_in_sync(&change, &record.name).await,
                Ok(None) => return Ok(()),
                // It was changed between the look and the change: look again.
                Err(error) if error.is(route53::INVALID_CHANGE) && tries < 2 => tries += 1,
                Err(error) if error.is(route53::NO_SUCH_ZONE) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn await_in_sync(&self, change: &str, name: &str) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        while !route53::is_in_sync(self.clients, change).await? {
            if start.elapsed() + pause > RECORD_SPREADS {
                let minutes = RECORD_SPREADS.as_secs() / 60;
                return Err(ExecuteError::RecordPending { name: name.to_owned(), minutes });
            }
            let reason = format!("not every server of Route 53 has the record {name} yet");
            if !self.patience.wait(&mut pause, &reason).await {
                return Err(ExecuteError::Interrupted);
            }
        }
        Ok(())
    }

    /// Waits until resolvers have forgotten what a record said. No resolver remembers what an AWS on this machine
    /// says: there only who has just asked it is waited for.
    pub(super) async fn await_resolvers(&self, name: &str, seconds: u32) -> Result<(), ExecuteError> {
        let mut pause = Duration::from_secs(seconds.into());
        if self.clients.pace() == Pace::LOCAL {
            pause = pause.min(JUST_ASKED);
        }
        let seconds = pause.as_secs();
        let reason = format!("resolvers may remember the old record {name} for {seconds} s");
        if self.patience.wait(&mut pause, &reason).await { Ok(()) } else { Err(ExecuteError::Interrupted) }
    }
}
