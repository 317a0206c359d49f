//! What a resource of a stack is called: its kind and its name, `listener/443`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names the kind of a resource; the order is the order in which plans list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A server certificate in ACM or IAM, imported from files.
    Certificate,
    /// The load balancer's own security group.
    SecurityGroup,
    /// The rules that admit the load balancer on an instances' security group; named for that group's id.
    Admission,
    /// A target group; named as in the spec.
    TargetGroup,
    /// The load balancer itself.
    LoadBalancer,
    /// A listener; named for its port.
    Listener,
    /// A rule of a listener; named for the listener's port and what it asks of a request.
    Rule,
    /// A policy of a Classic load balancer.
    Policy,
    /// The policies on an instance port; named for the port.
    BackendPolicies,
    /// The attributes of a load balancer.
    Attributes,
    /// The health check of a load balancer.
    HealthCheck,
    /// An Auto Scaling group that is attached; named for its name, with a target group for that group and the name.
    AutoScalingGroup,
    /// What is registered: named for its id, with a target group for that group, the id and the port.
    Target,
    /// A DNS record that leads to the load balancer; named for its name.
    DnsRecord,
    /// The proxy's program in the bucket; named for what it is made for.
    Program,
    /// The proxy on an instance; named for the instance's id.
    Proxy,
}

impl Kind {
    const ALL: [(Self, &'static str); 16] = [
        (Self::Certificate, "certificate"),
        (Self::SecurityGroup, "security-group"),
        (Self::Admission, "admission"),
        (Self::TargetGroup, "target-group"),
        (Self::LoadBalancer, "load-balancer"),
        (Self::Listener, "listener"),
        (Self::Rule, "rule"),
        (Self::Policy, "policy"),
        (Self::BackendPolicies, "backend-policies"),
        (Self::Attributes, "attributes"),
        (Self::HealthCheck, "health-check"),
        (Self::AutoScalingGroup, "auto-scaling-group"),
        (Self::Target, "target"),
        (Self::DnsRecord, "dns-record"),
        (Self::Program, "program"),
        (Self::Proxy, "proxy"),
    ];

    /// Returns the kind's name as plans print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, name)| name)
    }
}

/// Names one resource of a stack, `kind/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey {
    /// What kind of resource it is.
    pub kind: Kind,
    /// Which one of that kind.
    pub name: String,
}

impl ResourceKey {
    /// Makes the key of the resource `name` of `kind`.
    pub fn new(kind: Kind, name: impl fmt::Display) -> Self {
        Self { kind, name: name.to_string() }
    }
}

impl fmt::Display for ResourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.name)
    }
}

/// Says that a text is not a resource key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a resource key of the form kind/name")]
pub struct InvalidKey(String);

impl FromStr for ResourceKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once('/').ok_or_else(|| InvalidKey(text.to_owned()))?;
        let (kind, _) =
            Kind::ALL.iter().find(|(_, word)| *word == kind).ok_or_else(|| InvalidKey(text.to_owned()))?;
        Ok(Self::new(*kind, name))
    }
}

impl Serialize for ResourceKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_round_trips_through_its_text() {
        for (kind, _) in Kind::ALL {
            let key = ResourceKey::new(kind, "name/with/slashes");
            assert_eq!(key.to_string().parse::<ResourceKey>().unwrap(), key);
        }
        assert!("listener".parse::<ResourceKey>().is_err());
        assert!("lissener/443".parse::<ResourceKey>().is_err());
    }
}
