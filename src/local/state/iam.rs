//! IAM's records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// IAM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Iam {
    /// Server certificates by name.
    pub(crate) server_certificates: BTreeMap<String, ServerCertificate>,
}

/// A server certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerCertificate {
    /// Its ARN.
    pub(crate) arn: String,
    /// When it was uploaded.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) uploaded_at: OffsetDateTime,
}
