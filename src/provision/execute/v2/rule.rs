//! The rules of a listener.

use tokio::time::Instant;

use super::is_new;
use crate::provision::aws::elbv2::{self, LISTENER_NOT_FOUND, RULE_NOT_FOUND};
use crate::provision::aws::retry::{DELETED_RULE, NEW_LISTENER, NEW_TARGET_GROUP};
use crate::provision::execute::failure::ExecuteError;
use crate::provision::execute::operation::{Run, absent_is_done};
use crate::provision::plan::Reference;
use crate::provision::plan::v2::NewAction;
use crate::provision::resource::Tags;
use crate::provision::resource::v2::Condition;

/// A rule to create.
pub(super) struct NewRule<'a> {
    pub(super) priority: u16,
    pub(super) conditions: &'a [Condition],
    pub(super) action: &'a NewAction,
    pub(super) tags: &'a Tags,
}

impl Run<'_> {
    /// Creates a rule; one with the same priority, conditions and action is the one to create.
    ///
    /// A priority that is in use although no rule shows it is one that a rule has just left. One that another rule
    /// has, made since the plan was, is an error: any other priority would be another order than was planned.
    pub(super) async fn create_rule(
        &self,
        listener: &Reference,
        new: NewRule<'_>,
    ) -> Result<(), ExecuteError> {
        let listener_arn = self.identifier(listener)?;
        let action = self.action(new.action)?;
        let mut rules = vec![NEW_TARGET_GROUP];
        if is_new(listener) {
            rules.push(NEW_LISTENER);
        }
        let create = || {
            elbv2::create_rule(self.clients, &listener_arn, new.priority, new.conditions, &action, new.tags)
        };
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let Err(error) = self.patience.retry(&rules, create).await else { return Ok(()) };
            if !error.is("PriorityInUse") {
                return Err(error.into());
            }
            let found = elbv2::rules(self.clients, &listener_arn).await?;
            match found.iter().find(|found| found.priority == new.priority) {
                Some(found) if found.conditions == new.conditions && found.action == action => return Ok(()),
                Some(_) => return Err(ExecuteError::OtherRule { priority: new.priority }),
                None if start.elapsed() + pause > DELETED_RULE => return Err(error.into()),
                None => {}
            }
            if !self.patience.wait(&mut pause, &error.to_string()).await {
                return Err(error.into());
            }
        }
    }

    pub(super) async fn modify_rule(
        &self,
        arn: &str,
        conditions: &[Condition],
        action: &NewAction,
    ) -> Result<(), ExecuteError> {
        let action = self.action(action)?;
        let modify = || elbv2::modify_rule(self.clients, arn, conditions, &action);
        Ok(self.patience.retry(&[NEW_TARGET_GROUP], modify).await?)
    }

    pub(super) async fn delete_rule(&self, arn: &str) -> Result<(), ExecuteError> {
        let deleted = elbv2::delete_rule(self.clients, arn).await;
        Ok(absent_is_done(deleted, &[RULE_NOT_FOUND, LISTENER_NOT_FOUND])?)
    }
}
