//! The wire: how AWS clients write requests and read answers. Knows protocols, no operation.

pub(crate) mod chunks;
pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod query;
pub(crate) mod render;
pub(crate) mod rest;
pub(crate) mod routing;
pub(crate) mod s3;
pub(crate) mod xml;
