//! `elbws demo`: the binary, and visitors that are none of ours.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod account;
mod behind_alb;
mod behind_v2;
mod blog_post;
mod interrupted;
mod peers;
mod running;
mod switched;
mod two_instances;
mod visitors;
mod world;
