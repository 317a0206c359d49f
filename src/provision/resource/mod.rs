//! The resources of a stack: one file per kind, its key and the form in which what is desired and what is
//! observed are compared. No AWS SDK type appears here.

mod attributes;
mod auto_scaling;
mod certificate;
mod health_check;
mod instance;
mod key;
mod listener;
mod load_balancer;
mod network;
mod observed;
pub mod path;
mod policy;
mod proxy;
mod security_group;
mod stack;
mod tags;
pub mod v2;

pub use attributes::{AccessLogs, Attributes};
pub use auto_scaling::AutoScalingGroup;
pub use certificate::{Certificate, CertificateFiles, CertificateStore};
pub use health_check::HealthCheck;
pub use instance::{Instance, InstanceState};
pub use key::{Kind, ResourceKey};
pub use listener::{Listener, Protocol};
pub use load_balancer::{LoadBalancer, LoadBalancerType, Scheme};
pub use network::{Subnet, Vpc};
pub use observed::Observed;
pub use policy::{Policy, PolicyKind};
pub use proxy::{
    Architecture, DesiredProxy, Installation, Installed, Management, ObservedProxy, ProgramFile, object_key,
    sha256_of, sha256_of_all,
};
pub use security_group::{GroupRule, RuleSource, SecurityGroup};
pub use stack::{
    Admission, CertificateSource, DesiredBalancer, DesiredListener, DesiredLoadBalancer, InstanceSelector,
    Stack, SubnetSelector, VpcSelector,
};
pub use tags::{ATTACHED_TAG, RESOURCE_TAG, STACK_TAG, Tags};
