//! All that is desired of one stack, in the planner's words.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Attributes, AutoScalingGroup, CertificateFiles, DesiredProxy, HealthCheck, Instance, InstanceState, Kind,
    LoadBalancerType, Protocol, ResourceKey, Scheme, Tags, v2,
};

/// Which VPC a stack is placed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VpcSelector {
    /// The region's default VPC.
    Default,
    /// The one with this id.
    Id(String),
    /// The one with all of these tags.
    Tags(Tags),
}

/// Which subnets a load balancer is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubnetSelector {
    /// One in every availability zone that has one.
    All,
    /// Exactly these.
    Ids(BTreeSet<String>),
    /// Those with all of these tags.
    Tags(Tags),
}

/// Which instances serve: the union of both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSelector {
    /// These, whatever their state.
    pub ids: BTreeSet<String>,
    /// The running ones with all of these tags; none when it is empty.
    pub tags: Tags,
    /// Those of the Auto Scaling group of this name, now and later.
    #[serde(default)]
    pub auto_scaling_group: Option<String>,
}

impl InstanceSelector {
    /// Says whether the instance is one of them; `groups` are the Auto Scaling groups that were found.
    #[must_use]
    pub fn selects(&self, instance: &Instance, groups: &[AutoScalingGroup]) -> bool {
        let own = groups.iter().filter(|group| Some(&group.name) == self.auto_scaling_group.as_ref());
        let member = matches!(instance.state, InstanceState::Pending | InstanceState::Running)
            && own.into_iter().any(|group| group.instances.contains(&instance.id));
        let tagged = !self.tags.0.is_empty()
            && instance.state == InstanceState::Running
            && instance.tags.include(&self.tags);
        member || tagged || self.ids.contains(&instance.id)
    }
}

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSource {
    /// The one with this ARN.
    Arn(String),
    /// The issued ACM certificate that covers this domain and expires last.
    Domain(String),
    /// Imported from files.
    Files(CertificateFiles),
}

/// A listener as it is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredListener {
    /// What clients speak to it.
    pub protocol: Protocol,
    /// The port on the instances.
    pub instance_port: u16,
    /// What it speaks to the instances.
    pub instance_protocol: Protocol,
    /// The predefined SSL policy; none leaves it as AWS sets it.
    pub ssl_policy: Option<String>,
}

/// A Classic load balancer as it is desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredLoadBalancer {
    /// Its name, unique in its region.
    pub name: String,
    /// Who may reach it.
    pub scheme: Scheme,
    /// The ranges that its own security group admits to every listener.
    pub ingress: BTreeSet<String>,
    /// Its listeners by port.
    pub listeners: BTreeMap<u16, DesiredListener>,
    /// The instance ports that get the PROXY header.
    pub proxy_protocol: BTreeSet<u16>,
    /// Its attributes.
    pub attributes: Attributes,
    /// Its health check.
    pub health_check: HealthCheck,
}

impl DesiredLoadBalancer {
    /// Returns the ports that the load balancer connects to on an instance: those of the listeners and the
    /// health check's.
    #[must_use]
    pub fn instance_ports(&self) -> BTreeSet<u16> {
        self.listeners
            .values()
            .map(|listener| listener.instance_port)
            .chain(self.health_check.port())
            .collect()
    }
}

/// A load balancer as it is desired, by the API that makes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredBalancer {
    /// A Classic one.
    Classic(DesiredLoadBalancer),
    /// An ALB or an NLB.
    V2(v2::DesiredLoadBalancer),
}

impl DesiredBalancer {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Classic(classic) => &classic.name,
            Self::V2(balancer) => &balancer.name,
        }
    }

    /// Returns what kind it is.
    #[must_use]
    pub fn kind(&self) -> LoadBalancerType {
        match self {
            Self::Classic(_) => LoadBalancerType::Classic,
            Self::V2(balancer) => balancer.family.into(),
        }
    }

    /// Returns the ranges that its own security group admits to every listener.
    #[must_use]
    pub fn ingress(&self) -> &BTreeSet<String> {
        match self {
            Self::Classic(classic) => &classic.ingress,
            Self::V2(balancer) => &balancer.ingress,
        }
    }

    /// Returns who may reach it.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Classic(classic) => classic.scheme,
            Self::V2(balancer) => balancer.scheme,
        }
    }

    /// Returns the ports that it listens on.
    #[must_use]
    pub fn listener_ports(&self) -> BTreeSet<u16> {
        match self {
            Self::Classic(classic) => classic.listeners.keys().copied().collect(),
            Self::V2(balancer) => balancer.listeners.keys().copied().collect(),
        }
    }

    /// Returns the ports that it connects to on an instance.
    #[must_use]
    pub fn instance_ports(&self) -> BTreeSet<u16> {
        match self {
            Self::Classic(classic) => classic.instance_ports(),
            Self::V2(balancer) => balancer.instance_ports(),
        }
    }
}

/// Whether the load balancer is admitted on the instances' security groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// A rule is added to an instance's group where none admits it yet.
    Managed,
    /// The user sees to it.
    Unmanaged,
}

/// All that is desired of one stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// Its name; resources are tagged with it.
    pub name: String,
    /// The tags on everything that it creates, without those of ownership.
    pub tags: Tags,
    /// Which VPC it is placed in.
    pub vpc: VpcSelector,
    /// Which subnets its load balancer is attached to.
    pub subnets: SubnetSelector,
    /// Which instances serve.
    pub instances: InstanceSelector,
    /// Whether the instances' security groups are seen to.
    pub admission: Admission,
    /// Where the certificate of its secure listeners comes from.
    pub certificate: Option<CertificateSource>,
    /// Where the certificates come from that its secure listeners serve by SNI; none with a Classic load balancer.
    pub additional_certificates: Vec<CertificateSource>,
    /// Its load balancer.
    pub load_balancer: DesiredBalancer,
    /// The DNS records that lead to its load balancer.
    pub dns: Option<v2::DesiredRecord>,
    /// The proxy that is installed on its instances, if one is.
    pub proxy: Option<DesiredProxy>,
}

impl Stack {
    /// Returns the stack without the proxy on its instances: an instance that nobody can reach, or for which there is no
    /// program here, is in the way of changes, not of a look at all the rest.
    #[must_use]
    pub fn without_proxy(&self) -> Self {
        Self { proxy: None, ..self.clone() }
    }

    /// Returns the name of the load balancer's own security group. It is unique in the VPC and, through its
    /// tags, leads back to the load balancer even after the spec has renamed it.
    #[must_use]
    pub fn security_group_name(kind: LoadBalancerType, load_balancer: &str) -> String {
        match kind {
            LoadBalancerType::Classic => format!("elbws-{load_balancer}"),
            LoadBalancerType::Application | LoadBalancerType::Network => {
                format!("elbws-{kind}-{load_balancer}")
            }
        }
    }

    /// Returns the key of that group: `security-group/chat` for a Classic load balancer, otherwise
    /// `security-group/application/chat`. Load balancers of different APIs may share a name, never a group.
    #[must_use]
    pub fn security_group_key(kind: LoadBalancerType, load_balancer: &str) -> ResourceKey {
        match kind {
            LoadBalancerType::Classic => ResourceKey::new(Kind::SecurityGroup, load_balancer),
            LoadBalancerType::Application | LoadBalancerType::Network => {
                ResourceKey::new(Kind::SecurityGroup, format!("{kind}/{load_balancer}"))
            }
        }
    }

    /// Reads such a key: the kind and the name of the load balancer that the group was made for.
    #[must_use]
    pub fn made_for(key: &ResourceKey) -> Option<(LoadBalancerType, &str)> {
        if key.kind != Kind::SecurityGroup {
            return None;
        }
        let Some((kind, name)) = key.name.split_once('/') else {
            return Some((LoadBalancerType::Classic, &key.name));
        };
        [LoadBalancerType::Application, LoadBalancerType::Network]
            .into_iter()
            .find(|found| found.as_str() == kind)
            .map(|kind| (kind, name))
    }
}
