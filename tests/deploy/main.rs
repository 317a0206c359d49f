//! The proxy onto instances that run scripts for real: the binaries `elbws local` and `elbws`, and visitors meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

#[allow(dead_code, reason = "the demo's tests use all of it")]
#[path = "../demo/account.rs"]
mod account;
mod application;
mod examined;
mod from_nothing;
mod gated;
mod group;
mod interrupted;
mod load;
mod mission;
#[path = "../demo/peers.rs"]
mod peers;
#[allow(dead_code, reason = "the tests of stacks use all of it")]
#[path = "../stack/permission.rs"]
mod permission;
mod programs;
mod refused;
mod rolled_back;
mod rolling;
#[allow(dead_code, reason = "the demo's tests use all of it")]
#[path = "../demo/running.rs"]
mod running;
mod saved;
mod switching;
mod world;
