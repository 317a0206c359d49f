//! A plan in a file: what was planned, what for, and a fingerprint of what it was planned against.

use serde::{Deserialize, Serialize};

use super::{Choices, Plan};
use crate::provision::resource::{Observed, Stack, sha256_of};

/// The format of saved plans that this version writes and reads.
const FORMAT: u32 = 3;

/// A plan as `plan --out` writes it.
///
/// It holds no secret: a private key is named by its file, and read only when the plan is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPlan {
    format: u32,
    /// What is desired: `apply` observes the same things again by it.
    pub stack: Stack,
    /// What the user has agreed to besides the spec.
    pub choices: Choices,
    /// The plan.
    pub plan: Plan,
    observed: String,
}

/// Why a saved plan cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// The file is not a plan.
    #[error("it is not a plan that `elbws plan --out` wrote")]
    Malformed(#[source] serde_json::Error),
    /// Another version of elbws wrote it.
    #[error("its format is {found}, and this version of elbws reads format {FORMAT}")]
    Format {
        /// The file's format.
        found: u32,
    },
    /// What it was planned against has changed.
    #[error("the plan no longer fits: the stack or what surrounds it has changed since it was made")]
    Stale,
}

impl SavedPlan {
    /// Joins a plan with what it was made from.
    #[must_use]
    pub fn new(stack: Stack, choices: impl Into<Choices>, plan: Plan, observed: &Observed) -> Self {
        Self { format: FORMAT, stack, choices: choices.into(), plan, observed: fingerprint(observed) }
    }

    /// Returns the file's content.
    ///
    /// # Errors
    ///
    /// None that plain data can give rise to.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Reads a file's content.
    ///
    /// # Errors
    ///
    /// [`SavedPlanError::Malformed`] and [`SavedPlanError::Format`].
    pub fn from_json(text: &str) -> Result<Self, SavedPlanError> {
        #[derive(Deserialize)]
        struct Header {
            format: u32,
        }
        let Header { format } = serde_json::from_str(text).map_err(SavedPlanError::Malformed)?;
        if format != FORMAT {
            return Err(SavedPlanError::Format { found: format });
        }
        serde_json::from_str(text).map_err(SavedPlanError::Malformed)
    }

    /// Checks that what is observed now is what the plan was made against.
    ///
    /// # Errors
    ///
    /// [`SavedPlanError::Stale`] where it is not.
    pub fn check(&self, observed: &Observed) -> Result<(), SavedPlanError> {
        if fingerprint(observed) == self.observed { Ok(()) } else { Err(SavedPlanError::Stale) }
    }
}

/// The SHA-256 of all that was observed, in hexadecimal. Lists in [`Observed`] are sorted and maps ordered, so
/// that the same state always gives the same text. Which targets are healthy changes nothing about a plan.
fn fingerprint(observed: &Observed) -> String {
    let mut observed = observed.clone();
    for group in &mut observed.target_groups {
        group.healthy.clear();
    }
    sha256_of(serde_json::to_vec(&observed).unwrap_or_default())
}
