//! Specs to plans to stacks: snapshots, and apply against the local AWS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
mod auto_scaling;
mod changes;
#[allow(dead_code, reason = "the tests of the local AWS use all of it")]
#[path = "../local/client.rs"]
mod client;
mod command;
mod convergence;
mod disturbed;
mod doctor;
mod execute;
mod iam_policy;
mod moto;
mod observe;
mod permission;
mod proxy_config;
mod proxy_protocol;
mod schema;
mod simultaneous;
mod specs;
mod stacks;
mod user_data;
mod v2;
mod v2_border;
mod world;
