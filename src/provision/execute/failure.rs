//! Why a step failed.

use std::io;
use std::path::PathBuf;

use crate::provision::aws::AwsError;
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
    /// Calls for Application and Network load balancers.
    #[error("application and network load balancers cannot be built yet")]
    Unsupported,
    /// The wait was cancelled.
    #[error("interrupted")]
    Interrupted,
    /// Instances are not in service in time.
    #[error("not in service after {seconds} s: {}", describe(targets))]
    NotInService {
        /// How long it was waited for.
        seconds: u64,
        /// The instances that are not, each with what the load balancer says.
        targets: Vec<Unhealthy>,
    },
    /// There is nothing to wait for.
    #[error("load balancer {name} has no registered instances")]
    NothingRegistered {
        /// The load balancer.
        name: String,
    },
}

/// An instance that is not in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// Its id.
    pub id: String,
    /// `OutOfService`, `Unknown` or `NotRegistered`.
    pub state: String,
    /// Why, in words.
    pub reason: Option<String>,
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
            Self::LoadBalancerExists { .. } => Some("plan again to see what differs".to_owned()),
            Self::OtherPolicy { policy, .. } => Some(format!("plan again, or delete the policy {policy}")),
            Self::OtherServerCertificate { name } => Some(format!("delete the server certificate {name}")),
            Self::NotInService { .. } => {
                Some("check the health check's target on the instances and their security groups".to_owned())
            }
            Self::NothingRegistered { .. } => {
                Some("select running instances in `instances` of the spec".to_owned())
            }
            Self::ReadFile { .. }
            | Self::NoCertificate { .. }
            | Self::NoPrivateKey { .. }
            | Self::Unresolved(_)
            | Self::Unsupported
            | Self::Interrupted => None,
        }
    }
}

fn describe(targets: &[Unhealthy]) -> String {
    let texts: Vec<_> = targets
        .iter()
        .map(|target| match &target.reason {
            Some(reason) => format!("{} is {} ({reason})", target.id, target.state),
            None => format!("{} is {}", target.id, target.state),
        })
        .collect();
    texts.join("; ")
}
