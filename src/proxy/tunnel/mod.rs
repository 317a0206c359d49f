//! A WebSocket's two directions, relayed as bytes: no buffer while idle, no byte lost, ends passed on as they came.
//!
//! Owns the relay and the control of running tunnels. Knows nothing of HTTP or of configuration.

mod control;
mod direction;
mod frames;
mod pings;
mod relay;

pub use control::{Limits, Registration, Registry};
pub use frames::{CloseSeen, Frames};
pub use relay::{Ended, Parts, Relay, Side, State};
