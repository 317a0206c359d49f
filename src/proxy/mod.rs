//! The proxy that runs on the instances.

pub mod config;
pub mod proxy_protocol;
