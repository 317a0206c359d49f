//! Security groups and their rules.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::failure::ExecuteError;
use super::operation::{Run, absent_is_done};
use crate::provision::aws::AwsError;
use crate::provision::aws::ec2::{self, Condition, Interface, NewGroup};
use crate::provision::aws::retry::{FOREIGN_USE, INTERFACES_GO, NEW_GROUP};
use crate::provision::plan::{NewRule, NewRuleSource, Reference};
use crate::provision::resource::{RESOURCE_TAG, RuleSource, STACK_TAG, Tags};

const DUPLICATE_GROUP: &str = "InvalidGroup.Duplicate";
const DUPLICATE_RULE: &str = "InvalidPermission.Duplicate";
const GROUP_GONE: &str = "InvalidGroup.NotFound";
/// A rule, or its group, is gone already.
const RULE_GONE: &[&str] = &["InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound", GROUP_GONE];
const IN_USE: &[&str] = &["DependencyViolation", "InvalidGroup.InUse"];

/// What keeps a security group from being deleted.
enum Use {
    /// Interfaces of a deleted load balancer, which go by themselves, or nothing that can be named.
    Passing(String),
    /// What someone must remove.
    Foreign(Vec<String>),
}

impl Run<'_> {
    /// Creates a security group and returns its id; takes the one of that name where it is the stack's.
    pub(super) async fn create_security_group(&self, new: NewGroup<'_>) -> Result<String, ExecuteError> {
        let error = match ec2::create_security_group(self.clients, new).await {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        if !error.is(DUPLICATE_GROUP) {
            return Err(error.into());
        }
        let conditions = [Condition::new("group-name", [new.name]), Condition::new("vpc-id", [new.vpc])];
        let found = ec2::security_groups(self.clients, &conditions).await?;
        match found.into_iter().next() {
            Some(group) if same_owner(&group.tags, new.tags) => Ok(group.id),
            Some(group) => {
                Err(ExecuteError::OtherSecurityGroup { name: group.name, id: group.id, vpc: group.vpc })
            }
            None => Err(error.into()),
        }
    }

    pub(super) async fn authorize_ingress(
        &self,
        group: &Reference,
        rules: &[NewRule],
        tags: &Tags,
    ) -> Result<(), ExecuteError> {
        let id = self.identifier(group)?;
        let rules = rules
            .iter()
            .map(|rule| {
                let source = match &rule.source {
                    NewRuleSource::Cidr(range) => RuleSource::Cidr(range.clone()),
                    NewRuleSource::Group(source) => RuleSource::Group(self.identifier(source)?),
                };
                Ok((rule.port, source))
            })
            .collect::<Result<Vec<_>, ExecuteError>>()?;
        match self.authorize(&id, &rules, tags).await {
            // One that is there fails all of them: the others are still to be added.
            Err(error) if error.is(DUPLICATE_RULE) => {
                for rule in &rules {
                    let one = std::slice::from_ref(rule);
                    absent_is_done(self.authorize(&id, one, tags).await, &[DUPLICATE_RULE])?;
                }
                Ok(())
            }
            result => Ok(result?),
        }
    }

    async fn authorize(&self, id: &str, rules: &[(u16, RuleSource)], tags: &Tags) -> Result<(), AwsError> {
        let authorize = || ec2::authorize_ingress(self.clients, id, rules, tags);
        self.patience.retry(&[NEW_GROUP], authorize).await
    }

    pub(super) async fn revoke_ingress(
        &self,
        group: &str,
        rules: &BTreeSet<String>,
    ) -> Result<(), ExecuteError> {
        let rules: Vec<_> = rules.iter().cloned().collect();
        match ec2::revoke_ingress(self.clients, group, &rules).await {
            // One that is gone fails all of them: the others are still to be removed.
            Err(error) if error.is_any(RULE_GONE) && rules.len() > 1 => {
                for rule in &rules {
                    let one = std::slice::from_ref(rule);
                    absent_is_done(ec2::revoke_ingress(self.clients, group, one).await, RULE_GONE)?;
                }
                Ok(())
            }
            result => Ok(absent_is_done(result, RULE_GONE)?),
        }
    }

    /// Waits until the load balancers that had the group have let go of it, then deletes it. What must be
    /// removed by someone is waited for only as long as a rule that was just revoked may still show.
    pub(super) async fn delete_security_group(&self, id: &str) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        let foreign_use = pause * FOREIGN_USE;
        let mut foreign_since = None;
        loop {
            let Some(hold) = self.try_to_delete(id).await? else { return Ok(()) };
            let reason = match hold {
                Use::Passing(reason) => {
                    foreign_since = None;
                    reason
                }
                Use::Foreign(users) => {
                    let since = *foreign_since.get_or_insert_with(Instant::now);
                    if since.elapsed() + pause > foreign_use {
                        return Err(ExecuteError::GroupInUse { id: id.to_owned(), users });
                    }
                    users.join(", ")
                }
            };
            if start.elapsed() + pause > INTERFACES_GO {
                return Err(self.still_in_use(id, INTERFACES_GO));
            }
            let reason = format!("security group {id} is still used by {reason}");
            if !self.patience.wait(&mut pause, &reason).await {
                return Err(self.still_in_use(id, start.elapsed()));
            }
        }
    }

    #[allow(clippy::unused_self, reason = "reads as a part of the wait")]
    fn still_in_use(&self, id: &str, waited: Duration) -> ExecuteError {
        ExecuteError::GroupStillInUse { id: id.to_owned(), minutes: waited.as_secs() / 60 }
    }

    /// Deletes the group, or says what it is used by.
    async fn try_to_delete(&self, id: &str) -> Result<Option<Use>, ExecuteError> {
        let interfaces = ec2::interfaces(self.clients, id).await?;
        if let Some(hold) = use_by(&interfaces) {
            return Ok(Some(hold));
        }
        let error = match ec2::delete_security_group(self.clients, id).await {
            Ok(()) => return Ok(None),
            Err(error) if error.is(GROUP_GONE) => return Ok(None),
            Err(error) => error,
        };
        if !error.is_any(IN_USE) {
            return Err(error.into());
        }
        let users = self.referring_rules(id).await?;
        Ok(Some(if users.is_empty() { Use::Passing(error.to_string()) } else { Use::Foreign(users) }))
    }

    /// Describes the rules of other groups that admit whatever has this one.
    async fn referring_rules(&self, id: &str) -> Result<Vec<String>, ExecuteError> {
        let conditions = [Condition::new("ip-permission.group-id", [id])];
        let groups = ec2::security_groups(self.clients, &conditions).await?;
        let others: Vec<_> = groups.into_iter().map(|group| group.id).filter(|other| other != id).collect();
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let rules = ec2::ingress_rules(self.clients, &[Condition::new("group-id", others)]).await?;
        Ok(rules
            .into_iter()
            .filter(|rule| rule.source == RuleSource::Group(id.to_owned()))
            .map(|rule| format!("rule {} of security group {}", rule.id, rule.group))
            .collect())
    }
}

fn use_by(interfaces: &[Interface]) -> Option<Use> {
    let name = |interface: &Interface| match &interface.instance {
        Some(instance) => format!("network interface {} of {instance}", interface.id),
        None => format!("network interface {} ({})", interface.id, interface.description),
    };
    let foreign: Vec<_> =
        interfaces.iter().filter(|interface| !interface.of_load_balancer).map(name).collect();
    if !foreign.is_empty() {
        return Some(Use::Foreign(foreign));
    }
    interfaces.first().map(|interface| Use::Passing(name(interface)))
}

fn same_owner(a: &Tags, b: &Tags) -> bool {
    [STACK_TAG, RESOURCE_TAG].iter().all(|key| a.0.get(*key) == b.0.get(*key))
}
