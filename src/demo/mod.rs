//! The demo: ws-chat, the application of the demo, and the stack that serves it on this machine.
//!
//! Owns what runs on the demo's one instance, and the order in which everything starts and ends. The load
//! balancer is the local AWS's, what is applied is a spec like any other, and the probe has the last word.

#[cfg(all(feature = "provision", feature = "probe"))]
mod account;
#[cfg(all(feature = "provision", feature = "probe"))]
mod build;
pub mod chat;
#[cfg(all(feature = "provision", feature = "probe"))]
mod failure;
#[cfg(all(feature = "provision", feature = "probe"))]
mod instance;
#[cfg(all(feature = "provision", feature = "probe"))]
mod place;
#[cfg(all(feature = "provision", feature = "probe"))]
mod recipe;
#[cfg(all(feature = "provision", feature = "probe"))]
mod stack;

#[cfg(all(feature = "provision", feature = "probe"))]
pub use build::{Milestone, Program};
#[cfg(all(feature = "provision", feature = "probe"))]
pub use failure::DemoError;
#[cfg(all(feature = "provision", feature = "probe"))]
pub use stack::{Demo, Options, start};
