//! The local AWS as its clients see it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;
mod boto;
mod classic;
mod client;
mod command;
mod data_plane;
mod health;
mod instance;
mod restart;
mod server;
