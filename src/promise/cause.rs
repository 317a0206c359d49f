//! The causes of a failure, after AWS's own side has ruled some out.

use std::borrow::Cow;

use serde::Serialize;

use super::account::{Facts, cause_of_rules};
use super::promised::{BehindIt, Door, Layer};
use crate::probe::Problem;
use crate::probe::likely::{GROUP, Likely, NO_POLICY, NO_TARGET, SWALLOWED, UNEXPECTED_HEADER, likely};

/// A cause, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The cause.
    pub cause: Cow<'static, str>,
    /// What to set, or where to look.
    pub mend: Cow<'static, str>,
}

impl Cause {
    pub(super) fn new(cause: impl Into<Cow<'static, str>>, mend: impl Into<Cow<'static, str>>) -> Self {
        Self { cause: cause.into(), mend: mend.into() }
    }
}

impl From<Likely> for Cause {
    fn from(likely: Likely) -> Self {
        Self::new(likely.cause, likely.mend)
    }
}

/// What AWS says about the way behind a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// Any instance is in service.
    in_service: bool,
    /// A rule of the spec's is missing.
    lacks_rules: bool,
    /// The load balancer sends a PROXY header to the instance port.
    sends_header: bool,
    /// The listener takes Upgrade away.
    layer: Layer,
    /// What the spec says is behind it.
    behind: BehindIt,
}

impl Circumstances {
    pub(super) fn of(door: &Door, facts: &Facts) -> Self {
        Self {
            in_service: facts.any_in_service(),
            lacks_rules: facts.lacks_rules(),
            sends_header: facts.sends_header(door.instance_port),
            layer: door.layer,
            behind: door.proxy,
        }
    }

    /// The causes of a problem behind this listener: what AWS contradicts is left out, what it confirms is first.
    pub(super) fn causes(self, problem: &Problem) -> Vec<Cause> {
        let all = likely(problem);
        if all.contains(&NO_TARGET) && !self.in_service {
            return self.rules().into_iter().chain([NO_TARGET.into()]).collect();
        }
        let possible = |likely: &Likely| match *likely {
            NO_TARGET => !self.in_service,
            NO_POLICY => !self.sends_header,
            UNEXPECTED_HEADER => self.sends_header && self.layer == Layer::Stream,
            SWALLOWED => self.layer == Layer::Http,
            GROUP => !self.lacks_rules,
            _ => true,
        };
        let certain = |likely: &Likely| match *likely {
            SWALLOWED => self.layer == Layer::Http,
            NO_POLICY => self.behind == BehindIt::DemandingProxy,
            UNEXPECTED_HEADER => self.behind != BehindIt::DemandingProxy,
            _ => false,
        };
        let (first, rest): (Vec<_>, Vec<_>) = all.into_iter().filter(possible).partition(certain);
        self.rules().into_iter().chain(first.into_iter().chain(rest).map(Cause::from)).collect()
    }

    fn rules(self) -> Option<Cause> {
        self.lacks_rules.then(cause_of_rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Circumstances = Circumstances {
        in_service: true,
        lacks_rules: false,
        sends_header: true,
        layer: Layer::Stream,
        behind: BehindIt::DemandingProxy,
    };

    fn causes(circumstances: Circumstances, problem: &Problem) -> Vec<Cause> {
        circumstances.causes(problem)
    }

    #[test]
    fn what_aws_says_leaves_one_cause() {
        let refused = Problem::NotUpgraded { status: 400, reason: None };
        let closed = Problem::ClosedWithoutAnswer { to: "the upgrade" };
        let of = |likely: Likely| vec![Cause::from(likely)];
        for (circumstances, problem, expected) in [
            (SOUND, &refused, of(UNEXPECTED_HEADER)),
            (Circumstances { behind: BehindIt::Other, ..SOUND }, &refused, of(UNEXPECTED_HEADER)),
            (Circumstances { sends_header: false, ..SOUND }, &refused, of(NO_POLICY)),
            (Circumstances { sends_header: false, ..SOUND }, &closed, of(NO_POLICY)),
            (Circumstances { in_service: false, ..SOUND }, &closed, of(NO_TARGET)),
            (
                Circumstances { in_service: false, lacks_rules: true, ..SOUND },
                &closed,
                vec![cause_of_rules(), NO_TARGET.into()],
            ),
        ] {
            assert_eq!(causes(circumstances, problem), expected, "{circumstances:?} {problem}");
        }
        let http =
            Circumstances { layer: Layer::Http, sends_header: false, behind: BehindIt::Other, ..SOUND };
        assert_eq!(causes(http, &refused)[0], Cause::from(SWALLOWED));
    }
}
