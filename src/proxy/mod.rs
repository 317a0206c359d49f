//! The proxy that runs on the instances: config → bind → serve, and the pieces that others reuse.
//!
//! Owns the traffic between a load balancer and the backends of one instance. Knows nothing of AWS's APIs
//! and imports nothing else of this crate.

pub mod command;
pub mod config;
pub mod http;
pub mod observe;
pub mod proxy_protocol;
pub mod serve;
mod splice;
pub mod stream;
pub mod tunnel;
pub mod upstream;
