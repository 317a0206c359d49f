//! The local AWS: one HTTP server, the real wire protocols, one shared state.
//!
//! [`server`] accepts connections and hands each request to the [`account`], which routes it by [`wire`],
//! runs it in [`api`] against [`state`] under one lock, and saves what changed. No type is shared with the
//! provisioning wing: a fake that shared the client's types would share its mistakes.

mod account;
mod admin;
mod admission;
pub mod agent;
mod api;
mod authority;
mod blobs;
mod body;
mod certificate;
pub mod client;
mod clock;
mod data_plane;
mod faults;
mod health;
mod ids;
mod inventory;
mod placement;
mod proxy_header;
mod run_command;
pub mod server;
mod settings;
mod state;
mod wire;

pub use clock::Clock;
pub use ids::Ids;
pub use server::{Bound, Config, bind};

/// The account that everything here belongs to.
pub(crate) const ACCOUNT_ID: &str = "123456789012";
