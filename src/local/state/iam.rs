//! IAM's records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Tags;
use crate::local::certificate::KeyPair;

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
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// Stays when name and path change.
    pub(crate) id: String,
    /// Its ARN.
    pub(crate) arn: String,
    /// When it was uploaded.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) uploaded_at: OffsetDateTime,
    /// The certificate, its chain and its key.
    pub(crate) key_pair: KeyPair,
    pub(crate) tags: Tags,
}
