//! The whole demo: local AWS → what is built in it → Ctrl-C, and down again.

use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::build::{Local, Milestone, Program, build};
use super::failure::DemoError;
use super::instance::Instance;
use super::place::{DOMAIN, Place};
use super::recipe::Recipe;
use crate::local::{self, Config};
use crate::provision::resource::LoadBalancerType;

/// The spec that was applied, beside the local AWS's state.
const SPEC_FILE: &str = "ws-chat.yaml";

/// How to run the demo.
#[derive(Debug)]
pub struct Options {
    /// The type of the load balancer.
    pub kind: LoadBalancerType,
    /// Added to every port of a load balancer or an instance to get the one on this machine.
    pub port_offset: u16,
    /// The program of elbws, which isolates the instance so that the proxy can be deployed on it.
    pub program: Option<PathBuf>,
    /// The program of elbws-proxy, which is hashed while all else starts.
    pub proxy: Program,
    /// Where the local AWS tells people what it cannot do.
    pub messages: UnboundedSender<String>,
}

/// A running demo.
pub struct Demo {
    /// The page.
    pub url: String,
    /// The WebSocket, without its query.
    pub websocket: String,
    /// The page over plain http, which redirects.
    pub http_url: String,
    /// The certificate of the authority to trust.
    pub ca: PathBuf,
    /// The load balancer's name.
    pub load_balancer: String,
    /// Its type.
    pub kind: LoadBalancerType,
    /// The spec that was applied, for whoever wants to change it and apply it again.
    pub spec: PathBuf,
    /// The local AWS's URL.
    pub endpoint: String,
    parts: Parts,
}

/// What runs.
struct Parts {
    server: JoinHandle<()>,
    stop_server: oneshot::Sender<()>,
    instance: Option<Instance>,
    // Removed last.
    _directory: TempDir,
}

impl Parts {
    async fn stop(self) {
        if let Some(instance) = self.instance {
            instance.stop().await;
        }
        let _ = self.stop_server.send(());
        // A server that panicked has told so itself.
        let _ = self.server.await;
    }
}

impl Demo {
    /// Takes everything down; nothing is left behind.
    pub async fn stop(self) {
        self.parts.stop().await;
    }
}

/// Starts the demo, and returns when a visitor's client has been all the way through it. Ends early, with
/// everything taken down again, once `interrupted` does.
pub async fn start(
    options: Options,
    tell: &mut dyn FnMut(Milestone<'_>),
    interrupted: impl Future<Output = ()>,
) -> Result<Demo, DemoError> {
    let mut interrupted = std::pin::pin!(interrupted);
    let place = Place::lifted(options.port_offset).ok_or(DemoError::Offset)?;
    for port in [place.https, place.http] {
        // The load balancer would wait for the port, and the demo with it.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| DemoError::PortInUse { port })?;
    }
    let recipe = Recipe::of(options.kind);
    let directory = tempfile::Builder::new().prefix("elbws-demo-").tempdir().map_err(DemoError::Directory)?;
    let spec = directory.path().join(SPEC_FILE);
    std::fs::write(&spec, recipe.text(place)).map_err(DemoError::Directory)?;
    let bound = local::bind(Config {
        port_offset: options.port_offset,
        state_dir: Some(directory.path().to_owned()),
        issued: vec![DOMAIN.to_owned()],
        messages: Some(options.messages),
        agent: options.program,
        ..Config::default()
    });
    let bound = tokio::select! {
        bound = bound => bound?,
        () = &mut interrupted => return Err(DemoError::Interrupted),
    };
    let ca = bound.authority_path().map(Path::to_owned).ok_or(DemoError::NoAuthority)?;
    let endpoint = bound.endpoint_url();
    let (stop_server, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(bound.serve(async {
        let _ = stopped.await;
    }));
    let mut parts = Parts { server, stop_server, instance: None, _directory: directory };
    tell(Milestone::LocalAws { endpoint: &endpoint });

    let mut local = Local { endpoint: &endpoint, ca: &ca, proxy: options.proxy };
    let built = tokio::select! {
        built = Box::pin(build(&place, &mut local, recipe, &mut parts.instance, tell)) => built,
        () = interrupted => Err(DemoError::Interrupted),
    };
    match built {
        Ok(load_balancer) => Ok(Demo {
            url: format!("https://{}/", place.https_authority()),
            websocket: format!("wss://{}/ws/", place.https_authority()),
            http_url: format!("http://{}/", place.http_authority()),
            ca,
            load_balancer,
            kind: options.kind,
            spec,
            endpoint,
            parts,
        }),
        Err(error) => {
            parts.stop().await;
            Err(error)
        }
    }
}
