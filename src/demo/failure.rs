//! Why there is no demo.

use std::io;
use std::net::SocketAddr;

use crate::local::client::CallError;
use crate::local::server::ServerError;
use crate::probe::{TargetError, TrustError};
use crate::provision::aws::{AwsError, SetupError};
use crate::provision::execute::ExecuteError;
use crate::provision::plan::PlanError;
use crate::provision::spec::SpecErrors;
use crate::proxy::config::ConfigError;
use crate::proxy::serve::{BindError, StartError};

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The offset lifts a port beyond the last one.
    #[error("the port offset lifts ports beyond 65535")]
    Offset,
    /// Something else listens where the load balancer is to.
    #[error("port {port} of 127.0.0.1, the load balancer's, is already in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// No directory for the state.
    #[error("cannot make a directory for the local AWS")]
    Directory(#[source] io::Error),
    /// There is nothing to deploy.
    #[error("elbws-proxy cannot be deployed")]
    Program(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The local AWS does not start.
    #[error("the local AWS does not start")]
    Server(#[from] ServerError),
    /// It keeps no authority's certificate.
    #[error("the local AWS has no certificate authority")]
    NoAuthority,
    /// It refuses a call of the demo's own.
    #[error("the instance cannot be launched")]
    Call(#[from] CallError),
    /// ws-chat does not start.
    #[error("ws-chat cannot listen at {web} and {socket}")]
    Chat {
        /// Where its page is to be.
        web: SocketAddr,
        /// Where its WebSocket is to be.
        socket: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The proxy's configuration is wrong.
    #[error("the proxy cannot be configured")]
    ProxyConfig(#[from] ConfigError),
    /// The proxy cannot listen.
    #[error("the proxy does not start")]
    ProxyBind(#[from] BindError),
    /// The proxy does not start.
    #[error("the proxy does not start")]
    ProxyStart(#[from] StartError),
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecErrors),
    /// The spec leaves the proxy out.
    #[error("the demo's spec has no proxy")]
    NoProxy,
    /// There are no clients.
    #[error("the local AWS cannot be called")]
    Setup(#[from] SetupError),
    /// The account cannot be read.
    #[error("the local AWS cannot be read")]
    Aws(#[from] AwsError),
    /// There is no plan.
    #[error("{spec} cannot be planned: {}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Plan {
        /// Of which spec.
        spec: &'static str,
        /// Why.
        errors: Vec<PlanError>,
    },
    /// A step of the plan failed.
    #[error("{spec} cannot be applied")]
    Execute {
        /// Which spec.
        spec: &'static str,
        /// Why.
        source: ExecuteError,
    },
    /// The load balancer does not listen.
    #[error("the load balancer does not listen on port {port}")]
    NotListening {
        /// The port on this machine.
        port: u16,
    },
    /// The probe cannot be run.
    #[error("the demo cannot be probed")]
    Trust(#[from] TrustError),
    /// The URL is none.
    #[error("the demo has no URL")]
    Target(#[from] TargetError),
    /// The probe failed.
    #[error("the demo runs, but does not work")]
    DoesNotWork,
    /// The user did not want it any more.
    #[error("interrupted: everything is taken down")]
    Interrupted,
}
