//! The command line: help and failures, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod action;
mod architecture;
mod cases;
mod first_steps;
mod offline;
