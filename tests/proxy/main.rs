//! The proxy as its peers see it: real sockets on loopback, port 0, scripted backends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod autobahn;
mod backends;
mod drain;
mod faults;
mod forwarding;
mod fuzzed;
mod handover;
mod handover_failures;
mod integrity;
mod limits;
mod load;
mod operation;
mod optional_header;
mod peers;
mod process;
mod proxy_header;
mod rig;
mod senders;
mod service;
mod smuggling;
mod system_calls;
mod websocket;
