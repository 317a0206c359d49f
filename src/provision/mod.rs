//! Spec → desired → observed → plan → execute.

pub mod spec;
