//! What a run reports while it goes on: the interface between the executor and whoever shows its progress.

use std::time::Duration;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::mpsc;

use super::resource::ResourceKey;

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When it happened.
    #[serde(serialize_with = "rfc3339")]
    pub at: OffsetDateTime,
    /// What happened.
    #[serde(flatten)]
    pub happening: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// A step of the plan began.
    StepStarted {
        /// The step's id.
        step: usize,
        /// What it changes.
        resources: Vec<ResourceKey>,
    },
    /// A step is to be tried again, or waits.
    StepRetrying {
        /// The step's id.
        step: usize,
        /// Why.
        reason: String,
    },
    /// A step goes on in spite of something that the user should know.
    StepWarned {
        /// The step's id.
        step: usize,
        /// What it is.
        warning: String,
    },
    /// A step succeeded.
    StepFinished {
        /// The step's id.
        step: usize,
        /// What it took.
        #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
        elapsed: Duration,
    },
    /// A step failed.
    StepFailed {
        /// The step's id.
        step: usize,
        /// What it took.
        #[serde(rename = "elapsed_ms", serialize_with = "milliseconds")]
        elapsed: Duration,
        /// Why.
        error: String,
    },
    /// A step's wait was ended by a cancellation or another step's failure; it may have done a part.
    StepInterrupted {
        /// The step's id.
        step: usize,
        /// What it waited for.
        reason: String,
    },
    /// A step was not started, since the run was cancelled or another step failed.
    StepSkipped {
        /// The step's id.
        step: usize,
    },
    /// What the load balancer says of a target, when it is first asked and when that changes.
    TargetChanged {
        /// The name of its target group in AWS; none with a Classic load balancer.
        #[serde(skip_serializing_if = "Option::is_none")]
        group: Option<String>,
        /// The instance's id; in a target group with the port, `i-0123456789abcdef0:80`.
        id: String,
        /// `InService`, `OutOfService`, `Unknown`, or `NotRegistered`; of a target group `healthy`, `initial`,
        /// `unhealthy`, `unused` …
        state: String,
        /// Why, in words.
        reason: Option<String>,
    },
}

/// Takes events; they go nowhere once nobody listens.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

/// Makes the two ends of a stream of events.
#[must_use]
pub fn events() -> (Events, mpsc::UnboundedReceiver<Event>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Events(sender), receiver)
}

impl Events {
    /// Reports what happens now.
    pub(crate) fn report(&self, happening: Happening) {
        // Nobody listening is no reason to stop.
        let _ = self.0.send(Event { at: OffsetDateTime::now_utc(), happening });
    }
}

fn rfc3339<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.format(&Rfc3339).map_err(serde::ser::Error::custom)?)
}

fn milliseconds<S: Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::resource::Kind;

    #[test]
    fn an_event_is_one_flat_json_object() {
        let event = Event {
            at: OffsetDateTime::UNIX_EPOCH,
            happening: Happening::StepFinished { step: 3, elapsed: Duration::from_millis(1500) },
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"at":"1970-01-01T00:00:00Z","event":"step-finished","step":3,"elapsed_ms":1500}"#
        );
        let started =
            Happening::StepStarted { step: 0, resources: vec![ResourceKey::new(Kind::Listener, 443)] };
        assert_eq!(
            serde_json::to_string(&started).unwrap(),
            r#"{"event":"step-started","step":0,"resources":["listener/443"]}"#
        );
    }

    #[test]
    fn events_nobody_reads_are_dropped() {
        let (events, receiver) = events();
        drop(receiver);
        events.report(Happening::StepSkipped { step: 1 });
    }
}
