//! Specs to plans to stacks: snapshots, and apply against the local AWS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod schema;
mod specs;
