//! Why a client is not let in.

use std::net::IpAddr;

/// Why a connection gets nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The listener went away a moment ago.
    #[error("there is no listener any more")]
    Gone,
    /// No rule of its groups admits the client.
    #[error("its security groups have no ingress rule that admits {client} to port {port}")]
    Client {
        /// Who.
        client: IpAddr,
        /// The port as clients know it.
        port: u16,
    },
    /// The certificate is not there any more.
    #[error("there is no certificate {arn}")]
    Certificate {
        /// Which.
        arn: String,
    },
}
