//! What a listener or a rule does with a request or connection.

use serde::{Deserialize, Serialize};

/// The one action of a rule. Actions that authenticate users are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// To the targets of groups.
    Forward(Forward),
    /// To another URL.
    Redirect(Redirect),
    /// A body of the load balancer's own.
    FixedResponse(FixedResponse),
}

/// Where requests are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Forward {
    /// As it was given; one action needs none.
    pub(crate) order: Option<u16>,
    /// One to five groups, each once.
    pub(crate) groups: Vec<WeightedGroup>,
    /// For so many seconds a client stays with the group that it was sent to.
    pub(crate) stickiness: Option<u32>,
}

/// A target group and its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WeightedGroup {
    /// The target group.
    pub(crate) arn: String,
    /// 0 to 999; 1 if not given.
    pub(crate) weight: u16,
}

/// A redirect. Each part may hold `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and `#{query}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redirect {
    /// As it was given; one action needs none.
    pub(crate) order: Option<u16>,
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub(crate) protocol: String,
    pub(crate) host: String,
    pub(crate) port: String,
    /// With its slash; `#{path}` is without.
    pub(crate) path: String,
    /// Without the question mark.
    pub(crate) query: String,
    /// 301 or 302.
    pub(crate) status: u16,
}

/// A response of the load balancer's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FixedResponse {
    /// As it was given; one action needs none.
    pub(crate) order: Option<u16>,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Option<String>,
}

impl Action {
    /// The target groups that it forwards to, by ARN.
    pub(crate) fn target_groups(&self) -> impl Iterator<Item = &str> {
        let groups = match self {
            Self::Forward(forward) => forward.groups.as_slice(),
            Self::Redirect(_) | Self::FixedResponse(_) => &[],
        };
        groups.iter().map(|group| group.arn.as_str())
    }
}
