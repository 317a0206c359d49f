//! Spec → desired → observed → plan → execute.

pub mod desired;
pub mod plan;
pub mod resource;
pub mod spec;
