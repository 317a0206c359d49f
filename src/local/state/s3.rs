//! S3's records. What objects hold is in [`crate::local::blobs`], by its SHA-256.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A bucket; names are unique in all regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) region: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    /// By key.
    pub(crate) objects: BTreeMap<String, Object>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Of what it holds, in hexadecimal digits.
    pub(crate) sha256: String,
    pub(crate) size: usize,
    pub(crate) content_type: String,
    /// What the client said of it, by name.
    pub(crate) metadata: Vec<(String, String)>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) modified_at: OffsetDateTime,
}
