//! ARNs of load balancers, listeners, rules and target groups: their form, and what they lead to.

use crate::local::state::elbv2::{Listener, LoadBalancer, Region, TargetGroup};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;

/// A kind of resource that has ARNs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    LoadBalancer,
    Listener,
    Rule,
    TargetGroup,
}

impl Kind {
    /// What stands before the first slash of the last field.
    fn prefix(self) -> &'static str {
        match self {
            Self::LoadBalancer => "loadbalancer",
            Self::Listener => "listener",
            Self::Rule => "listener-rule",
            Self::TargetGroup => "targetgroup",
        }
    }

    /// How many parts follow it: `app/NAME/ID` for a load balancer.
    fn parts(self) -> usize {
        match self {
            Self::TargetGroup => 2,
            Self::LoadBalancer => 3,
            Self::Listener => 4,
            Self::Rule => 5,
        }
    }

    /// What sentences call it.
    fn noun(self) -> &'static str {
        match self {
            Self::LoadBalancer => "load balancer",
            Self::Listener => "listener",
            Self::Rule => "listener rule",
            Self::TargetGroup => "target group",
        }
    }

    /// The kind that an ARN is of, if it is one.
    pub(super) fn of(arn: &str) -> Option<Self> {
        let all = [Self::LoadBalancer, Self::Listener, Self::Rule, Self::TargetGroup];
        all.into_iter().find(|kind| kind.admits(arn))
    }

    fn admits(self, arn: &str) -> bool {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", _, "elasticloadbalancing", _, _, resource] = fields.as_slice() else { return false };
        let Some((prefix, rest)) = resource.split_once('/') else { return false };
        prefix == self.prefix()
            && rest.split('/').count() == self.parts()
            && rest.split('/').all(|part| !part.is_empty())
    }

    /// Refuses what is no ARN of this kind.
    pub(super) fn check(self, arn: &str) -> Result<(), ApiError> {
        if self.admits(arn) {
            return Ok(());
        }
        Err(ApiError::validation(format!("'{arn}' is not a valid {} ARN", self.noun())))
    }

    /// The refusal of an ARN that leads nowhere.
    pub(super) fn not_found(self, arn: &str) -> ApiError {
        match self {
            Self::LoadBalancer => {
                ApiError::bad_request("LoadBalancerNotFound", format!("Load balancer '{arn}' not found"))
            }
            Self::Listener => ApiError::bad_request("ListenerNotFound", "One or more listeners not found"),
            Self::Rule => ApiError::bad_request("RuleNotFound", "One or more rules not found"),
            Self::TargetGroup => {
                ApiError::bad_request("TargetGroupNotFound", "One or more target groups not found")
            }
        }
    }

    /// The parameter of that name, an ARN of this kind.
    pub(super) fn required<'a>(self, params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
        let arn = params.required(name)?;
        self.check(arn)?;
        Ok(arn)
    }
}

/// The ARN that a listener's or a rule's is made of: that of its load balancer or listener.
fn parent(arn: &str, of: Kind, to: Kind) -> String {
    let above = arn.rsplit_once('/').map_or(arn, |(above, _)| above);
    above.replacen(&format!(":{}/", of.prefix()), &format!(":{}/", to.prefix()), 1)
}

/// The ARN of a listener's load balancer.
pub(super) fn load_balancer_of(listener: &str) -> String {
    parent(listener, Kind::Listener, Kind::LoadBalancer)
}

/// The ARN of a rule's listener.
pub(super) fn listener_of(rule: &str) -> String {
    parent(rule, Kind::Rule, Kind::Listener)
}

/// The ARN of something new below a load balancer or listener.
pub(super) fn below(above: &str, of: Kind, to: Kind, suffix: &str) -> String {
    let above = above.replacen(&format!(":{}/", of.prefix()), &format!(":{}/", to.prefix()), 1);
    format!("{above}/{suffix}")
}

/// The load balancer that `LoadBalancerArn` names.
pub(super) fn load_balancer<'a>(
    region: &'a mut Region,
    params: &Params,
) -> Result<&'a mut LoadBalancer, ApiError> {
    let arn = Kind::LoadBalancer.required(params, "LoadBalancerArn")?;
    region.load_balancers.get_mut(arn).ok_or_else(|| Kind::LoadBalancer.not_found(arn))
}

/// The listener that `ListenerArn` names.
pub(super) fn listener<'a>(region: &'a mut Region, params: &Params) -> Result<&'a mut Listener, ApiError> {
    let arn = Kind::Listener.required(params, "ListenerArn")?;
    let above = region.load_balancers.get_mut(&load_balancer_of(arn));
    let found = above.and_then(|balancer| balancer.listeners.get_mut(arn));
    found.ok_or_else(|| Kind::Listener.not_found(arn))
}

/// The target group that `TargetGroupArn` names.
pub(super) fn target_group<'a>(
    region: &'a mut Region,
    params: &Params,
) -> Result<&'a mut TargetGroup, ApiError> {
    let arn = Kind::TargetGroup.required(params, "TargetGroupArn")?;
    region.target_groups.get_mut(arn).ok_or_else(|| Kind::TargetGroup.not_found(arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_lead_to_what_they_are_below() {
        let above = "arn:aws:elasticloadbalancing:us-east-1:123456789012:";
        let rule = format!("{above}listener-rule/app/web/0a/0b/0c");
        let listener = format!("{above}listener/app/web/0a/0b");
        let balancer = format!("{above}loadbalancer/app/web/0a");
        assert_eq!(listener_of(&rule), listener);
        assert_eq!(load_balancer_of(&listener), balancer);
        assert_eq!(below(&listener, Kind::Listener, Kind::Rule, "0c"), rule);
        assert_eq!(Kind::of(&rule), Some(Kind::Rule));
        assert_eq!(Kind::of(&listener), Some(Kind::Listener));
        for wrong in ["web", "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/web", &rule] {
            assert_eq!(
                Kind::LoadBalancer.check(wrong).unwrap_err().message,
                format!("'{wrong}' is not a valid load balancer ARN")
            );
        }
    }
}
