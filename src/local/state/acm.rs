//! ACM's records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Tags;
use crate::local::certificate::KeyPair;

/// ACM in one region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Region {
    /// Certificates by ARN.
    pub(crate) certificates: BTreeMap<String, Certificate>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    /// Its ARN.
    pub(crate) arn: String,
    /// When it was first imported or requested.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    /// Where it is from.
    pub(crate) origin: Origin,
    /// The certificate, its chain and its key.
    pub(crate) key_pair: KeyPair,
    pub(crate) tags: Tags,
}

/// Where a certificate is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Origin {
    /// Brought along.
    Imported {
        /// When it was last imported.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
    },
    /// Issued here.
    Requested(Request),
}

/// What was asked for when a certificate was requested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// `DNS`, `EMAIL` or `HTTP`.
    pub(crate) validation: String,
    /// The same request with the same token within an hour is the same certificate.
    pub(crate) token: Option<String>,
    /// `ENABLED` or `DISABLED`.
    pub(crate) transparency: String,
}

impl Certificate {
    /// `ISSUED`, or `EXPIRED` once it is.
    pub(crate) fn status(&self, now: OffsetDateTime) -> &'static str {
        if self.key_pair.facts.not_after < now { "EXPIRED" } else { "ISSUED" }
    }
}
