//! `load_balancer:`, by type.

mod application;
mod classic;
mod fields;
mod front;
mod network;
mod protocol;
mod settings;
mod ssl_policy;
mod target_group;

use serde::Serialize;

pub use application::{
    Action, Algorithm, ApplicationListener, ApplicationLoadBalancer, ApplicationTargetGroup, Desync, Forward,
    Redirect, Rule, Stickiness, XffMode,
};
pub use classic::{
    AccessLogs, ClassicListener, ClassicLoadBalancer, ClassicProtocol, HealthCheck, HealthTarget,
};
pub use network::{
    AlpnPolicy, NetworkListener, NetworkLoadBalancer, NetworkTargetGroup, SubnetAddress, TLS_IDLE,
};
pub use protocol::Protocol;
pub use target_group::{TargetGroupName, TargetHealthCheck, Targets};

pub(super) use fields::LOAD_BALANCER;
pub(super) use front::{Behind, Front, FrontListener, Sends};

use super::item::{Invalid, Item, Read};
use super::problem::Problems;
use super::{LoadBalancerName, StackName};

/// The load balancer, by type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum LoadBalancer {
    /// A Classic load balancer.
    Classic(ClassicLoadBalancer),
    /// An Application load balancer.
    Application(ApplicationLoadBalancer),
    /// A Network load balancer.
    Network(NetworkLoadBalancer),
}

impl LoadBalancer {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &LoadBalancerName {
        match self {
            Self::Classic(classic) => &classic.name,
            Self::Application(application) => &application.name,
            Self::Network(network) => &network.name,
        }
    }
}

/// Who can reach the load balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Public addresses.
    InternetFacing,
    /// Private addresses of the VPC only.
    Internal,
}

/// Which addresses visitors may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressType {
    /// IPv4 alone.
    Ipv4,
    /// IPv4 and IPv6.
    Dualstack,
}

/// Where the logs of an Application or Network load balancer go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogBucket {
    /// The bucket.
    pub bucket: String,
    /// The prefix of the objects' keys, without slashes at its ends.
    pub prefix: Option<String>,
}

/// Whether the spec has a certificate; one with problems counts as present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HasCertificate {
    Yes,
    No,
}

/// What the rest of the spec says that a load balancer's defaults and rules need.
pub(super) struct Surroundings<'a> {
    pub(super) stack: Read<&'a StackName>,
    pub(super) certificate: HasCertificate,
    pub(super) behind: Read<Behind>,
}

/// A load balancer as far as it is sound: what it offers to the proxy may be, when the rest is not.
pub(super) struct Decoded {
    pub(super) front: Read<Front>,
    pub(super) load_balancer: Read<LoadBalancer>,
}

impl Decoded {
    const INVALID: Self = Self { front: Err(Invalid), load_balancer: Err(Invalid) };
}

/// Decodes `load_balancer:`, whatever its type.
pub(super) fn decode(item: &Item, around: &Surroundings<'_>, problems: &mut Problems) -> Decoded {
    match item.text("type") {
        Ok(Some("classic")) => classic::decode(item, around, problems),
        Ok(Some("application")) => application::decode(item, around, problems),
        Ok(Some("network")) => network::decode(item, around, problems),
        Ok(_) | Err(_) => Decoded::INVALID,
    }
}
