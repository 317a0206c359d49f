//! Spec → desired → observed → plan → execute.
