//! The demo: ws-chat, the application of the demo, and the stack that serves it on this machine.
//!
//! Owns what runs behind the load balancer; the load balancer itself is the local AWS's.

pub mod chat;
