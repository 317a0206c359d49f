//! The whole demo: local AWS → instance → apply → healthy → probe, and down again.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::account;
use super::instance::Instance;
use crate::local::client::{CallError, Client};
use crate::local::server::ServerError;
use crate::local::{self, Config};
use crate::probe::{self, Report, Step, Target, TargetError, Trust, TrustError};
use crate::provision::aws::{AwsError, Cancel, ClientOptions, Clients, SetupError};
use crate::provision::desired::desired;
use crate::provision::execute::{ExecuteError, events, execute, wait_in_service};
use crate::provision::observe::observe;
use crate::provision::plan::{Adoption, PlanError, plan};
use crate::provision::spec::{self, Spec, SpecErrors};
use crate::proxy::config::ConfigError;
use crate::proxy::serve::{BindError, StartError};

/// The spec that is applied.
const SPEC: &str = include_str!("../../specs/classic.yaml");
const SPEC_NAME: &str = "specs/classic.yaml";
/// The spec's domain, and the demo's: browsers know that what ends in .localhost is this machine.
const SPEC_DOMAIN: &str = "chat.example.com";
const DOMAIN: &str = "chat.localhost";
const REGION: &str = "us-east-1";
const HTTPS: u16 = 443;
const HTTP: u16 = 80;
/// How often the instance is checked until it is in service; then as often as the spec says.
const HURRY_MS: u32 = 100;
const HEALTHY_WITHIN: Duration = Duration::from_secs(30);
const LISTENING_WITHIN: Duration = Duration::from_secs(10);

/// How to run the demo.
#[derive(Debug)]
pub struct Options {
    /// Added to every port of a load balancer or an instance to get the one on this machine.
    pub port_offset: u16,
    /// Where the local AWS tells people what it cannot do.
    pub messages: UnboundedSender<String>,
}

/// What has been reached.
#[derive(Debug)]
pub enum Milestone<'a> {
    /// The local AWS serves.
    LocalAws {
        /// Its URL.
        endpoint: &'a str,
    },
    /// The instance runs.
    Instance {
        /// Its id.
        id: &'a str,
        /// Its private address.
        address: Ipv4Addr,
    },
    /// The spec is applied.
    Applied {
        /// Which spec.
        spec: &'a str,
        /// How many steps it took.
        steps: usize,
    },
    /// The load balancer sends traffic to the instance.
    InService,
    /// A step of the probe has ended.
    Probed(&'a Step),
}

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
    #[error("ws-chat cannot listen at {address}")]
    Chat {
        /// Where.
        address: Ipv4Addr,
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
    #[error("{SPEC_NAME} cannot be planned: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Plan(Vec<PlanError>),
    /// A step of the plan failed.
    #[error("{SPEC_NAME} cannot be applied")]
    Execute(#[from] ExecuteError),
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
    let https = HTTPS.checked_add(options.port_offset).ok_or(DemoError::Offset)?;
    let http = HTTP.checked_add(options.port_offset).ok_or(DemoError::Offset)?;
    for port in [https, http] {
        // The load balancer would wait for the port, and the demo with it.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| DemoError::PortInUse { port })?;
    }
    let directory = tempfile::Builder::new().prefix("elbws-demo-").tempdir().map_err(DemoError::Directory)?;
    let bound = local::bind(Config {
        port_offset: options.port_offset,
        state_dir: Some(directory.path().to_owned()),
        issued: vec![DOMAIN.to_owned()],
        messages: Some(options.messages),
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

    let place = Place { endpoint: &endpoint, ca: &ca, https, http, offset: options.port_offset };
    let built = tokio::select! {
        built = Box::pin(build(&place, &mut parts, tell)) => built,
        () = interrupted => Err(DemoError::Interrupted),
    };
    match built {
        Ok(load_balancer) => Ok(Demo {
            url: format!("https://{}/", authority(https, HTTPS)),
            websocket: format!("wss://{}/ws/", authority(https, HTTPS)),
            http_url: format!("http://{}/", authority(http, HTTP)),
            ca,
            load_balancer,
            endpoint,
            parts,
        }),
        Err(error) => {
            parts.stop().await;
            Err(error)
        }
    }
}

fn authority(port: u16, default: u16) -> String {
    if port == default { DOMAIN.to_owned() } else { format!("{DOMAIN}:{port}") }
}

/// Where things are on this machine.
struct Place<'a> {
    endpoint: &'a str,
    ca: &'a Path,
    https: u16,
    http: u16,
    offset: u16,
}

/// Builds what the demo shows, and probes it; returns the load balancer's name.
async fn build(
    place: &Place<'_>,
    parts: &mut Parts,
    tell: &mut dyn FnMut(Milestone<'_>),
) -> Result<String, DemoError> {
    let client = Client::new(place.endpoint)?;
    client.set_health_check_interval(HURRY_MS).await?;
    let instance = account::run_instance(&client).await?;
    let spec = spec::parse(SPEC_NAME, &SPEC.replace(SPEC_DOMAIN, DOMAIN), Path::new(""))?;
    let proxy = spec.proxy.as_ref().ok_or(DemoError::NoProxy)?;
    parts.instance = Some(Instance::start(instance.address, place.offset, place.https, proxy).await?);
    tell(Milestone::Instance { id: &instance.id, address: instance.address });

    let name = Box::pin(apply(place.endpoint, &spec, tell)).await?;
    for port in [place.https, place.http] {
        await_listener(port).await?;
    }
    client.set_health_check_interval(0).await?;
    let report = probe(place, tell).await?;
    if report.passed() { Ok(name) } else { Err(DemoError::DoesNotWork) }
}

/// Applies the spec as `elbws apply` does, and waits until the instance is in service.
async fn apply(
    endpoint: &str,
    spec: &Spec,
    tell: &mut dyn FnMut(Milestone<'_>),
) -> Result<String, DemoError> {
    let stack = desired(spec, |_| None);
    let clients = Clients::new(ClientOptions {
        region: Some(REGION.to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        local: true,
        ..ClientOptions::default()
    });
    let clients = clients.await?;
    let observed = Box::pin(observe(&clients, &stack)).await?;
    let plan = plan(&stack, &observed, Adoption::Refuse).map_err(DemoError::Plan)?;
    // Nobody follows the single steps: they take milliseconds here.
    let (events, _) = events();
    let cancel = Cancel::never();
    let mut outcome = execute(&plan, &clients, &events, &cancel).await;
    if let Some((_, error)) = outcome.failed.pop() {
        return Err(error.into());
    }
    tell(Milestone::Applied { spec: SPEC_NAME, steps: plan.steps.len() });
    let name = plan.load_balancer.clone();
    wait_in_service(&clients, &name, &plan.targets, HEALTHY_WITHIN, &events, &cancel).await?;
    tell(Milestone::InService);
    Ok(name)
}

/// Waits until the load balancer's listener is open: it follows the account, it is not part of it.
async fn await_listener(port: u16) -> Result<(), DemoError> {
    let open = async {
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LISTENING_WITHIN, open).await.map_err(|_| DemoError::NotListening { port })
}

async fn probe(place: &Place<'_>, tell: &mut dyn FnMut(Milestone<'_>)) -> Result<Report, DemoError> {
    let url = format!("wss://{}/ws/?room=probe&name=probe", authority(place.https, HTTPS));
    let options = probe::Options {
        target: url.parse::<Target>()?,
        resolve: None,
        trust: Trust::File(place.ca.to_owned()),
        hold: None,
        from_http: Some(place.http),
        echo: None,
    };
    Ok(probe::probe(&options, |step| tell(Milestone::Probed(step))).await?)
}
