//! Secure WebSockets behind AWS load balancers, declared in one YAML file and proven to work.
//!
//! Three wings and a face: [`provision`] turns a spec into a plan and runs it against AWS, [`proxy`] is the
//! proxy that runs on the instances, [`local`] is an AWS on loopback; [`cli`] wires them to the command line
//! and [`report`] is the only writer of its output. `docs/architecture.md` has the code map and the rules.

#[cfg(feature = "cli")]
#[cfg_attr(
    not(all(feature = "local", feature = "provision")),
    allow(
        dead_code,
        unreachable_code,
        unused_variables,
        reason = "parts that only a missing wing's verbs use"
    )
)]
pub mod cli;
#[cfg(feature = "local")]
pub mod demo;
#[cfg(all(feature = "provision", feature = "probe"))]
pub mod doctor;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "probe")]
pub mod probe;
#[cfg(all(feature = "local", feature = "provision", feature = "probe"))]
pub mod promise;
#[cfg(feature = "provision")]
pub mod provision;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "cli")]
#[cfg_attr(
    not(all(feature = "local", feature = "provision")),
    allow(
        dead_code,
        unreachable_code,
        unused_variables,
        reason = "parts that only a missing wing's verbs use"
    )
)]
pub mod report;
