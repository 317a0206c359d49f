//! The proxy that runs on the instances.

pub mod proxy_protocol;
