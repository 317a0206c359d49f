//! The traffic of the local AWS's load balancers, with real sockets on both sides.

mod access_log;
mod bytes;
mod changes;
mod http;
mod peers;
mod rig;
