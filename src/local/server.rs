//! The server: configuration that opens nothing → [`bind`] → [`Bound::serve`] until told to stop.
//!
//! It owns sockets and connections; what a request means is the account's business.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::http::{HeaderName, HeaderValue, header};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use super::account::{Account, Answer};
use super::admin;
use super::agent::{self, Agents};
use super::authority::AuthorityError;
use super::body::{self, Arrived, Refused, Sent};
use super::clock::Clock;
use super::data_plane;
use super::health;
use super::ids::Ids;
use super::run_command;
use super::settings::Settings;
use super::state::State;
use super::state::store::{Store, StoreError};

/// How long open connections may take to finish after the end was asked for.
const DRAIN: Duration = Duration::from_secs(5);
/// The pause after a failed accept (no file descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a state directory's lock is asked for, and the pause between.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The folder of a state directory that holds access logs, by bucket.
const ACCESS_LOGS: &str = "access-logs";

/// The folder of a state directory that holds the instances' files.
const INSTANCES: &str = "instances";

/// How many Classic load balancers AWS lets a new account have in a region.
const DEFAULT_QUOTA: u16 = 20;

/// How the local AWS is to be run.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The port on 127.0.0.1; 0 takes any free one.
    pub port: u16,
    /// Added to a port of a load balancer or an instance to get the one on this machine.
    pub port_offset: u16,
    /// Where the state is kept; without it, it lives as long as the server.
    pub state_dir: Option<PathBuf>,
    /// A running instance with nothing behind it counts as healthy.
    pub assume_healthy: bool,
    /// The domains of the issued certificates that ACM holds in every region from the start.
    pub issued: Vec<String>,
    /// Traffic and health checks need no security group's rule.
    pub ignore_security_groups: bool,
    /// The program of `elbws`, which isolates instances so that scripts run on them; without it no instance runs any.
    pub agent: Option<PathBuf>,
    /// Where the data plane tells people what it cannot do: ports that are taken, connections without a rule.
    pub messages: Option<UnboundedSender<String>>,
    /// The clock.
    pub clock: Clock,
    /// Where ids come from.
    pub ids: Ids,
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Something else listens there.
    #[error("port {port} of 127.0.0.1 is already in use")]
    PortInUse {
        /// The port.
        port: u16,
    },
    /// The port cannot be opened.
    #[error("cannot listen on port {port} of 127.0.0.1")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The state cannot be had.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The authority cannot be made.
    #[error("cannot make the certificate authority")]
    Authority(#[from] AuthorityError),
}

/// A server whose port is open and whose state is loaded.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    account: Arc<Account>,
    authority: Option<PathBuf>,
    access_logs: Option<PathBuf>,
    messages: Option<UnboundedSender<String>>,
    agents: Agents,
}

/// Opens the port and loads the state.
pub async fn bind(config: Config) -> Result<Bound, ServerError> {
    let port = config.port;
    let (store, state) = match &config.state_dir {
        Some(directory) => {
            let (store, state) = open_store(directory).await?;
            (Some(store), state)
        }
        None => (None, State::default()),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ServerError::PortInUse { port }
        } else {
            ServerError::Listen { port, source }
        }
    })?;
    let address = listener.local_addr().map_err(|source| ServerError::Listen { port, source })?;
    let settings = Settings {
        assume_healthy: config.assume_healthy,
        certificate_visibility_delay: Duration::ZERO,
        command_visibility_delay: Duration::ZERO,
        port_offset: config.port_offset,
        load_balancer_quota: DEFAULT_QUOTA,
        provisioning: Duration::ZERO,
        health_check_interval: None,
        enforce_security_groups: !config.ignore_security_groups,
    };
    let agents = Agents::new(agent::Terms {
        program: config.agent,
        directory: config.state_dir.as_ref().map(|directory| directory.join(INSTANCES)),
        port_offset: config.port_offset,
        endpoint: Some(address),
        messages: config.messages.clone(),
    });
    let (clock, ids, issued) = (config.clock, config.ids, config.issued);
    let account = Account::new(state, store, settings, clock, ids, issued, agents.clone());
    let account = Arc::new(account);
    let authority = config.state_dir.as_deref().map(Store::authority);
    if authority.is_some() {
        account.lock().make_authority()?;
    }
    let access_logs = config.state_dir.map(|directory| directory.join(ACCESS_LOGS));
    Ok(Bound { listener, address, account, authority, access_logs, messages: config.messages, agents })
}

/// Opens the state directory. A child that this process has just started holds its lock until it has become another
/// program, so a lock is asked for again for a moment.
async fn open_store(directory: &Path) -> Result<(Store, State), StoreError> {
    for _ in 0..LOCK_TRIES {
        match Store::open(directory) {
            Err(StoreError::Locked { .. }) => tokio::time::sleep(LOCK_PAUSE).await,
            opened => return opened,
        }
    }
    Store::open(directory)
}

impl Bound {
    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What `AWS_ENDPOINT_URL` is to be set to.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The file with the certificate of the authority that signs what ACM issues; it is in the state directory.
    #[must_use]
    pub fn authority_path(&self) -> Option<&Path> {
        self.authority.as_deref()
    }

    /// Serves until `shutdown` ends, then lets open connections finish for a few seconds.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(health::run(Arc::clone(&self.account)));
        tasks.spawn(agent::follow(Arc::clone(&self.account), self.agents.clone()));
        tasks.spawn(run_command::run(Arc::clone(&self.account), self.agents.clone()));
        tasks.spawn(data_plane::run(Arc::clone(&self.account), self.messages, self.access_logs));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => serve_connection(stream, Arc::clone(&self.account), &graceful),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                () = &mut shutdown => break,
            }
        }
        drop(self.listener);
        // Connections that are not done by then are cut: their requests were bounded anyway.
        let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
        tasks.shutdown().await;
        self.agents.stop_all().await;
    }
}

fn serve_connection(stream: TcpStream, account: Arc<Account>, graceful: &GracefulShutdown) {
    // Answers are small and clients wait for each; without it they would meet delayed acknowledgements.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let account = Arc::clone(&account);
        async move { respond(&account, request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A connection that ends in an error was the client's to end, or a fault's.
        let _ = connection.await;
    });
}

/// A fault closes the connection: hyper drops it without an answer when the service fails.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed by a fault")]
struct ClosedByFault;

async fn respond(account: &Account, request: Request<Incoming>) -> Result<Response<Sent>, ClosedByFault> {
    let (parts, body) = request.into_parts();
    // Signatures are not checked, so any web page that the user visits could make itself heard here. Browsers
    // say where such requests come from, and AWS clients never do.
    if parts.headers.contains_key(header::ORIGIN) {
        return Ok(response(403, "text/plain", "requests of web pages are refused\n".to_owned()));
    }
    let body = match body::receive(account, &parts, body).await {
        Ok(body) => body,
        Err(Refused::Body) => {
            return Ok(response(413, "text/plain", "the body is too large or was cut short\n".to_owned()));
        }
        Err(Refused::Place(error)) => {
            return Ok(response(500, "text/plain", format!("cannot keep the object: {error}\n")));
        }
    };
    if parts.uri.path().starts_with(admin::PREFIX) {
        let Arrived::Whole(body) = body else {
            return Ok(response(400, "text/plain", "this is no request to S3\n".to_owned()));
        };
        let answer = admin::answer(account, &parts.method, &parts.uri, &body);
        return Ok(response(answer.status, "application/json", answer.body.to_string()));
    }
    match account.answer(&parts, body).await {
        Answer::Dropped => Err(ClosedByFault),
        Answer::Response { rendered, request_id } => {
            let mut response = Response::new(body::sent(rendered.body));
            *response.status_mut() = status(rendered.status);
            let headers = rendered.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            for (name, value) in headers.chain([("content-type", rendered.content_type.as_ref())]) {
                // What clients said of their objects comes back to them; it came as headers.
                if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
                    response.headers_mut().insert(name, value);
                }
            }
            if let Ok(id) = HeaderValue::from_str(&request_id) {
                response.headers_mut().insert("x-amzn-requestid", id);
            }
            Ok(response)
        }
    }
}

fn response(status: u16, content_type: &'static str, body: String) -> Response<Sent> {
    let mut response = Response::new(body::sent(body.into()));
    *response.status_mut() = self::status(status);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
