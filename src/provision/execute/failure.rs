//! Why a step failed.

use std::io;
use std::path::PathBuf;

use super::aftermath::Aftermath;
use crate::provision::aws::{AwsError, TargetHealth};
use crate::provision::install::ProgramError;
use crate::provision::resource::ResourceKey;

/// Why a step, or the wait for instances, failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// AWS refused a call or did not answer.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// A PEM file cannot be read.
    #[error("cannot read {}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A PEM file holds no certificate.
    #[error("{} holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A PEM file holds no private key.
    #[error("{} holds no private key in PEM form", path.display())]
    NoPrivateKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate's file holds another certificate than when the plan was made.
    #[error("{} has changed since the plan was made", path.display())]
    FileChanged {
        /// The file.
        path: PathBuf,
    },
    /// A server certificate of this name holds another certificate.
    #[error("IAM has another server certificate called {name}")]
    OtherServerCertificate {
        /// Its name.
        name: String,
    },
    /// A security group of this name is there and is not the stack's.
    #[error("{vpc} has a security group called {name} ({id}) that is not this stack's")]
    OtherSecurityGroup {
        /// Its name.
        name: String,
        /// Its id.
        id: String,
        /// Its VPC.
        vpc: String,
    },
    /// A security group cannot be deleted since something that is not the stack's refers to it.
    #[error("security group {id} is still used by {}", users.join(", "))]
    GroupInUse {
        /// The group.
        id: String,
        /// What uses it.
        users: Vec<String>,
    },
    /// A security group is still in use after all the time that AWS should need.
    #[error("security group {id} is still in use after {} minutes", minutes)]
    GroupStillInUse {
        /// The group.
        id: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// A load balancer of this name is there with other settings.
    #[error("load balancer {name} was created by someone else meanwhile")]
    LoadBalancerExists {
        /// Its name.
        name: String,
    },
    /// A load balancer could not be made.
    #[error("AWS could not make load balancer {name}: {reason}")]
    LoadBalancerFailed {
        /// Its name.
        name: String,
        /// AWS's words.
        reason: String,
    },
    /// A load balancer is not active after all the time that AWS should need.
    #[error("load balancer {name} is still being provisioned after {minutes} minutes")]
    StillProvisioning {
        /// Its name.
        name: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// A deleted load balancer still shows after all the time that AWS should need.
    #[error("load balancer {name} is still being deleted after {minutes} minutes")]
    StillThere {
        /// Its name.
        name: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// A load balancer may not be deleted.
    #[error("load balancer {name} is protected from deletion")]
    DeletionProtected {
        /// Its name.
        name: String,
    },
    /// A load balancer that a record is to lead to is gone.
    #[error("there is no load balancer {name} any more")]
    NoLoadBalancer {
        /// Its name or ARN.
        name: String,
    },
    /// A target group of this name is there and is not the stack's, or is another one.
    #[error("there is another target group called {name}")]
    OtherTargetGroup {
        /// Its name.
        name: String,
    },
    /// A listener with other settings was made on this port since the plan was.
    #[error("another listener on port {port} was created by someone else meanwhile")]
    OtherListener {
        /// The port.
        port: u16,
    },
    /// Another rule with this priority was made since the plan was.
    #[error("another rule with the priority {priority} was created by someone else meanwhile")]
    OtherRule {
        /// The priority.
        priority: u16,
    },
    /// A DNS record is not served everywhere after all the time that AWS should need.
    #[error("the record {name} is not served everywhere after {minutes} minutes")]
    RecordPending {
        /// The record's name.
        name: String,
        /// How long it was waited for.
        minutes: u64,
    },
    /// A policy of this name is there with other content.
    #[error("load balancer {name} has another policy called {policy}")]
    OtherPolicy {
        /// The load balancer.
        name: String,
        /// The policy.
        policy: String,
    },
    /// The plan refers to a resource that none of its finished steps has made.
    #[error("the plan has made no {0}")]
    Unresolved(ResourceKey),
    /// The wait was cancelled.
    #[error("interrupted")]
    Interrupted,
    /// Instances are not in service in time.
    #[error("not in service after {seconds} s: {}", describe(targets))]
    NotInService {
        /// How long it was waited for.
        seconds: u64,
        /// The targets that are not, each with what the load balancer says.
        targets: Vec<Unhealthy>,
    },
    /// The script did not install the proxy on an instance.
    #[error("{instance}: {}{}", aftermath.words(status), quoted(output))]
    NotInstalled {
        /// The instance.
        instance: String,
        /// What it was left with.
        aftermath: Aftermath,
        /// How the command ended, in SSM's words.
        status: String,
        /// The end of what the script wrote.
        output: String,
    },
    /// Nothing was heard of a script on an instance.
    #[error("{instance} does not say how the script ended, after {seconds} s")]
    NoAnswer {
        /// The instance.
        instance: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The load balancer does not find an instance healthy, though the proxy on it answers.
    #[error("the proxy runs on {instance}, but after {seconds} s {}", describe(targets))]
    NotHealthy {
        /// The instance.
        instance: String,
        /// How long it was waited for.
        seconds: u64,
        /// What is said of it.
        targets: Vec<Unhealthy>,
    },
    /// A proxy does not serve with the PROXY header and without it.
    #[error("the proxy on {instance} cannot do without the PROXY header: {why}")]
    NotOptional {
        /// The instance.
        instance: String,
        /// What it says instead.
        why: String,
    },
    /// Connections still begin as they did before the load balancer was switched.
    #[error("after {seconds} s connections to {instance} {why}")]
    NotSwitched {
        /// The instance.
        instance: String,
        /// How long it was waited for.
        seconds: u64,
        /// How they begin.
        why: String,
    },
    /// No script can be made for an instance.
    #[error("{instance} cannot be told where the program is")]
    Program {
        /// The instance.
        instance: String,
        /// Why.
        #[source]
        error: ProgramError,
    },
    /// There is nothing to wait for.
    #[error("load balancer {name} has no registered instances")]
    NothingRegistered {
        /// The load balancer.
        name: String,
    },
}

/// What a script wrote, each line marked as its.
fn quoted(output: &str) -> String {
    output.lines().flat_map(|line| ["\n    | ", line]).collect()
}

/// A target that is not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The name of its target group in AWS; none with a Classic load balancer.
    pub group: Option<String>,
    /// An instance's id; in a target group with the port, `i-0123456789abcdef0:80`.
    pub id: String,
    /// `OutOfService`, `Unknown` or `NotRegistered`; of a target group `initial`, `unhealthy`, `unused` …
    pub state: String,
    /// Why, in words.
    pub reason: Option<String>,
}

impl From<TargetHealth> for Unhealthy {
    fn from(found: TargetHealth) -> Self {
        let reason = found.words();
        Self { group: None, id: found.target.to_string(), state: found.state, reason }
    }
}

impl ExecuteError {
    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(error) => error.hint(),
            Self::FileChanged { .. } => Some("plan again".to_owned()),
            Self::OtherSecurityGroup { id, .. } => {
                Some(format!("delete {id}, or give the load balancer another name"))
            }
            Self::GroupInUse { .. } => Some("remove what uses it, then run again".to_owned()),
            Self::GroupStillInUse { .. } => Some("run again later: it goes on from there".to_owned()),
            Self::LoadBalancerExists { .. } | Self::OtherListener { .. } | Self::OtherRule { .. } => {
                Some("plan again to see what differs".to_owned())
            }
            Self::StillProvisioning { .. } | Self::StillThere { .. } | Self::RecordPending { .. } => {
                Some("run again later: it goes on from there".to_owned())
            }
            Self::DeletionProtected { .. } => Some(
                "set `deletion_protection: false` in the spec's load_balancer, apply that, and run again"
                    .to_owned(),
            ),
            Self::OtherTargetGroup { name } => Some(format!("delete the target group {name}")),
            Self::LoadBalancerFailed { name, .. } => Some(format!("delete {name}, and run again")),
            Self::OtherPolicy { policy, .. } => Some(format!("plan again, or delete the policy {policy}")),
            Self::OtherServerCertificate { name } => Some(format!("delete the server certificate {name}")),
            Self::NotInService { .. } => {
                Some("check the health check's target on the instances and their security groups".to_owned())
            }
            Self::NotInstalled { .. } => Some(
                "the instances that were not reached keep what they run: mend it, and run it again".to_owned(),
            ),
            Self::NoAnswer { instance, .. } => Some(format!(
                "look at `aws ssm list-command-invocations --instance-id {instance}`, and run it again"
            )),
            Self::NotHealthy { .. } => Some(
                "check the health check's target and the security groups, then run it again: an instance that runs the \
                 proxy already is left alone"
                    .to_owned(),
            ),
            Self::NotOptional { .. } => Some(
                "nothing was switched: see `elbws status`, and whether the clocks of the instance and of this machine agree, \
                 then run it again"
                    .to_owned(),
            ),
            Self::NotSwitched { .. } => Some(
                "visitors are served as long as the header is optional, for an hour at most: run it again within that time"
                    .to_owned(),
            ),
            Self::NothingRegistered { .. } => {
                Some("select running instances in `instances` of the spec".to_owned())
            }
            Self::ReadFile { .. }
            | Self::NoCertificate { .. }
            | Self::NoPrivateKey { .. }
            | Self::Program { .. }
            | Self::NoLoadBalancer { .. }
            | Self::Unresolved(_)
            | Self::Interrupted => None,
        }
    }
}

fn describe(targets: &[Unhealthy]) -> String {
    let texts: Vec<_> = targets
        .iter()
        .map(|target| {
            let group = target.group.as_ref().map(|group| format!(" in {group}")).unwrap_or_default();
            let reason = target.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{}{group} is {}{reason}", target.id, target.state)
        })
        .collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_wrote_is_shown() {
        let error = ExecuteError::NotInstalled {
            instance: "i-1".to_owned(),
            aftermath: Aftermath::RolledBack,
            status: "Failed".to_owned(),
            output: "one\ntwo".to_owned(),
        };
        assert_eq!(
            error.to_string(),
            "i-1: the new proxy does not serve: it was rolled back, and the previous one serves\n    | one\n    | two"
        );
    }
}
