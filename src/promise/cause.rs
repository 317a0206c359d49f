//! The causes of a failure, after AWS's own side has ruled some out.

use std::borrow::Cow;

use serde::Serialize;

use super::account::{Facts, cause_of_rules};
use super::promised::{Backend, BehindIt, Door, Layer};
use crate::probe::Problem;
use crate::probe::likely::{
    APPLICATION, BACKEND, GROUP, HTTP2_GROUP, Likely, NO_POLICY, NO_TARGET, SWALLOWED, UNEXPECTED_HEADER,
    likely,
};
use crate::provision::resource::LoadBalancerType;

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

    /// A likely cause, in the words of that type of load balancer.
    fn of(likely: Likely, kind: LoadBalancerType) -> Self {
        use LoadBalancerType::{Application, Network};
        match (likely, kind) {
            (NO_TARGET, Application | Network) => Self::new(
                "no target is healthy",
                "`elbws status SPEC` tells why; the target group's health_check and instances.manage_security_group",
            ),
            (NO_POLICY, Network) => Self::new(
                NO_POLICY.cause,
                "load_balancer.proxy_protocol: true, then `elbws apply SPEC` (proxy_protocol_v2.enabled of the target group)",
            ),
            (UNEXPECTED_HEADER, Network) => Self::new(
                UNEXPECTED_HEADER.cause,
                "proxy.accept: v2 on the instances, or load_balancer.proxy_protocol: false",
            ),
            (HTTP2_GROUP, _) => Self::new(
                HTTP2_GROUP.cause,
                "`elbws apply SPEC`: the target groups that it makes are HTTP1, which WebSockets need",
            ),
            _ => likely.into(),
        }
    }
}

impl From<Likely> for Cause {
    fn from(likely: Likely) -> Self {
        Self::new(likely.cause, likely.mend)
    }
}

/// What AWS says about the way behind a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, not a state")]
pub(super) struct Circumstances {
    kind: LoadBalancerType,
    /// Anybody who is to answer is in service.
    in_service: bool,
    /// A rule of the spec's is missing.
    lacks_rules: bool,
    /// The load balancer sends a PROXY header there.
    sends_header: bool,
    /// The listener forwards to a target group that can carry no WebSocket.
    other_version: bool,
    /// What the listener does with what it reads.
    layer: Layer,
    /// What the spec says is behind it.
    behind: BehindIt,
}

impl Circumstances {
    pub(super) fn of(door: &Door, backend: &Backend, facts: &Facts) -> Self {
        Self {
            kind: facts.kind,
            in_service: facts.any_in_service(&backend.to),
            lacks_rules: facts.lacks_rules(),
            sends_header: facts.sends_header(&backend.to),
            other_version: facts.other_version(door.port).is_some(),
            layer: door.layer,
            behind: backend.proxy,
        }
    }

    /// The causes of a problem behind this listener: what AWS contradicts is left out, what it confirms is first.
    pub(super) fn causes(self, problem: &Problem) -> Vec<Cause> {
        let all = likely(problem);
        let cause = |likely| Cause::of(likely, self.kind);
        // A load balancer of which no target is healthy tries them all the same, so it may be any failure.
        let unserved = all.contains(&NO_TARGET) || all.contains(&BACKEND);
        if unserved && !self.in_service {
            return self.rules().into_iter().chain([cause(NO_TARGET)]).collect();
        }
        // A connection that is reset at once may be told of before it is used.
        let reset = matches!(problem, Problem::Unreachable { .. });
        if reset && !self.in_service {
            return self.rules().into_iter().chain([cause(NO_TARGET), cause(GROUP)]).collect();
        }
        let possible = |likely: &Likely| match *likely {
            NO_TARGET => !self.in_service,
            NO_POLICY => !self.sends_header && self.layer != Layer::Requests,
            UNEXPECTED_HEADER => self.sends_header && self.layer == Layer::Stream,
            SWALLOWED => self.layer == Layer::Http,
            GROUP => !self.lacks_rules,
            _ => true,
        };
        let certain = |likely: &Likely| match *likely {
            SWALLOWED => self.layer == Layer::Http,
            NO_POLICY => self.behind == BehindIt::DemandingProxy,
            UNEXPECTED_HEADER => self.behind != BehindIt::DemandingProxy,
            HTTP2_GROUP => self.other_version,
            _ => false,
        };
        let (first, others): (Vec<_>, Vec<_>) = all.into_iter().filter(possible).partition(certain);
        let mut causes: Vec<Cause> = self.rules().into_iter().collect();
        causes.extend(first.into_iter().chain(others).map(cause));
        if causes.is_empty() {
            causes.push(APPLICATION.into());
        }
        causes
    }

    fn rules(self) -> Option<Cause> {
        self.lacks_rules.then(cause_of_rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Circumstances = Circumstances {
        kind: LoadBalancerType::Classic,
        in_service: true,
        lacks_rules: false,
        sends_header: true,
        other_version: false,
        layer: Layer::Stream,
        behind: BehindIt::DemandingProxy,
    };
    const APPLICATIONS: Circumstances = Circumstances {
        kind: LoadBalancerType::Application,
        sends_header: false,
        layer: Layer::Requests,
        behind: BehindIt::PlainProxy,
        ..SOUND
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

    #[test]
    fn other_types_have_words_of_their_own() {
        let status = |status| Problem::NotUpgraded { status, reason: None };
        let network = Circumstances { kind: LoadBalancerType::Network, sends_header: false, ..SOUND };
        let closed = Problem::ClosedWithoutAnswer { to: "the upgrade" };
        let found = causes(network, &closed);
        assert_eq!((found.len(), found[0].cause.as_ref()), (1, NO_POLICY.cause));
        assert!(found[0].mend.contains("proxy_protocol_v2.enabled"), "{found:?}");
        // An Application load balancer sends no header, and takes no Upgrade away.
        assert_eq!(causes(APPLICATIONS, &status(400)), [Cause::from(APPLICATION)]);
        assert_eq!(causes(APPLICATIONS, &status(502)), [Cause::from(BACKEND)]);
        let idle = Circumstances { in_service: false, ..APPLICATIONS };
        assert_eq!(causes(idle, &status(502))[0].cause, "no target is healthy");
        let other = Circumstances { other_version: true, ..APPLICATIONS };
        assert_eq!(causes(other, &status(464))[0].cause, HTTP2_GROUP.cause);
    }
}
