//! The probe against servers that work, and against each of the failures that it explains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod failures;
mod success;
mod versions;
mod world;
