//! The traffic of the local AWS's load balancers, with real sockets on both sides.

mod access_log;
mod application;
mod bytes;
mod changes;
mod http;
mod logs_v2;
mod network;
mod peers;
mod peers_v2;
mod refusals;
mod rig;
mod socket_io;
mod sticky;
mod targets;
mod v2;
