//! Units: a stand-in for what systemd does with a service. [`Definition`] is its file, [`Service`] what runs.

mod definition;
mod exec;
mod notify;
mod service;

pub(super) use self::definition::{Definition, Kind};
pub(super) use self::service::{Service, State};
