//! What the proxy tells its operators: counters, the access log, and rejects on standard error.

mod access_log;
mod beginning;
mod diagnostics;
mod metrics;

pub use access_log::{AccessLogger, Entry, TunnelEntry};
pub use beginning::Beginning;
pub use diagnostics::{Diagnostics, Reject};
pub use metrics::{Counter, Metrics, Totals, render};
