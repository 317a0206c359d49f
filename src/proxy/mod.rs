//! The proxy that runs on the instances.
