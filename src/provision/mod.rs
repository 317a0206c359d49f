//! Spec → desired → observed → plan → execute.

pub mod aws;
pub mod desired;
pub mod event;
pub mod execute;
pub mod iam_policy;
pub mod install;
pub mod observe;
pub mod plan;
pub mod proxy_protocol;
pub mod resource;
pub mod spec;
