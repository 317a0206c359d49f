//! Application and Network load balancers: the resources of `ELBv2` (API version 2015-12-01), as they are desired
//! and as they are observed.
//!
//! A desired resource refers to a target group by its name in the spec, an observed one by its ARN; the planner
//! brings the two together by the groups' tags. Attributes are AWS's own keys and values, so that one comparison
//! serves them all: an attribute that the spec does not speak of is absent from the desired and left alone.

mod dns;
mod listener;
mod load_balancer;
mod target_group;

pub use dns::{DesiredRecord, Record, Zone, is_note, noted_zones};
pub use listener::{
    Action, Condition, DesiredListener, DesiredRule, Forward, Listener, Protocol, Rule, Weights,
};
pub use load_balancer::{
    AddressType, DesiredLoadBalancer, Family, LoadBalancer, LoadBalancerState, SubnetAddress,
};
pub use target_group::{
    DesiredTargetGroup, HealthCheck, Target, TargetGroup, TargetKind, TargetSelector, may_be_target_group_of,
};
