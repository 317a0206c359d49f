//! The traffic of the local AWS's load balancers, with real sockets on both sides.

mod bytes;
mod changes;
mod http;
mod peers;
mod rig;
