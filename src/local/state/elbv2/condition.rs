//! What a rule asks of a request. All conditions of a rule must hold, and of each one value is enough.

use serde::{Deserialize, Serialize};

/// A condition. In values, `*` is any text and `?` any character, where the variant says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Condition {
    /// The Host header, in any case, with wildcards.
    Host(Vec<String>),
    /// The path without the query, in its case, with wildcards.
    Path(Vec<String>),
    /// A header's value, in any case, with wildcards.
    Header {
        /// The header.
        name: String,
        /// Its values.
        values: Vec<String>,
    },
    /// The method, exactly.
    Method(Vec<String>),
    /// A pair or a value in the query, in any case, with wildcards.
    Query(Vec<QueryPair>),
    /// The address of who connects: blocks.
    SourceIp(Vec<String>),
}

/// A pair in a query; without a key, the value of any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueryPair {
    pub(crate) key: Option<String>,
    pub(crate) value: String,
}
