//! One instance that runs: its process, and the outside of the socket pair to it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::channel::{self, Channel};
use super::message::{Order, Plan, Report};
use super::mirror::Mirror;
use super::script::Script;
use super::{Host, Terms, Unmanaged};
use crate::local::state::ec2::inside_address;

/// How long an instance may take to come up on a machine that is busy.
const START: Duration = Duration::from_mins(1);
/// How long everything in it may take to be gone.
const END: Duration = Duration::from_secs(10);
/// Between two looks at who listens on this machine.
const LOOK: Duration = Duration::from_millis(250);
/// What is kept of the words that a process has for why it does not come up.
const WORDS: u64 = 4096;

/// An instance that runs; it ends when this is dropped.
pub(super) struct Running {
    link: Arc<Link>,
    child: Mutex<Option<Child>>,
    serving: AbortHandle,
}

/// Who waits for what of the inside.
pub(super) struct Link {
    channel: Channel,
    next: AtomicU64,
    ended: AtomicBool,
    scripts: Mutex<BTreeMap<u64, oneshot::Sender<i32>>>,
    connections: Mutex<BTreeMap<u64, oneshot::Sender<OwnedFd>>>,
}

/// A script that runs, until this is dropped.
pub(super) struct Started {
    link: Arc<Link>,
    id: u64,
    code: oneshot::Receiver<i32>,
    over: bool,
}

/// Isolates an instance for nothing but to see whether it can be done.
pub(super) fn trial(terms: &Terms) -> Result<(), Unmanaged> {
    let failed = |reason: String| Unmanaged { reason };
    let files = tempfile::tempdir().map_err(|error| failed(format!("no temporary directory: {error}")))?;
    let host = Host {
        id: "i-00000000000000000".to_owned(),
        address: Ipv4Addr::new(127, 64, 0, 0),
        network: Ipv4Net::new_assert(Ipv4Addr::new(172, 31, 0, 0), 16),
    };
    // Nothing is mirrored.
    let terms = Terms { program: terms.program.clone(), ..Terms::default() };
    let attempt = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime can be started: {error}"))?;
        runtime.block_on(async {
            let running = Running::start(&terms, &host, files.path()).await?;
            running.stop().await;
            Ok(())
        })
    };
    // A runtime of its own needs a thread of its own.
    std::thread::scope(|scope| scope.spawn(attempt).join())
        .unwrap_or_else(|_| Err("the trial ended before its end".to_owned()))
        .map_err(failed)
}

impl Running {
    /// Starts an instance and waits until it takes orders.
    pub(super) async fn start(terms: &Terms, host: &Host, files: &Path) -> Result<Self, String> {
        let program = terms.program.as_ref().ok_or("there is no program that isolates them")?;
        let plan = Plan {
            files: files.to_owned(),
            address: inside_address(host.network, host.address),
            network: host.network,
        };
        let told = |error: std::io::Error| error.to_string();
        let plan = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
        let (ours, theirs) = channel::pair().map_err(told)?;
        let mut child = Command::new(program)
            .args(["local", "agent", "enter"])
            .arg(plan)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C is for the server, which ends the instances.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        let link = Arc::new(Link::new(Channel::new(ours).map_err(told)?));
        let words = child.stderr.take();
        let mut mirror = Mirror::new(terms, host, &link);
        match timeout(START, link.channel.receive()).await {
            Ok(Ok(Some((Report::Ready, _)))) => {}
            Ok(Ok(Some((Report::Failed { reason }, _)))) => return Err(reason),
            Ok(Ok(Some(_))) => return Err("it said something unexpected".to_owned()),
            Ok(Ok(None)) => return Err(last_words(words).await),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) => return Err(format!("it is not up after {} s", START.as_secs())),
        }
        if let Some(mut words) = words {
            // Read to its end, or who writes would wait.
            tokio::spawn(async move { tokio::io::copy(&mut words, &mut tokio::io::sink()).await });
        }
        // The first script finds them open: orders are obeyed one after the other.
        mirror.follow_outside().await;
        let serving = tokio::spawn(serve(Arc::clone(&link), mirror)).abort_handle();
        Ok(Self { link, child: Mutex::new(Some(child)), serving })
    }

    pub(super) fn is_alive(&self) -> bool {
        !self.link.ended.load(Ordering::Acquire)
    }

    /// Ends everything in it; returns once that is gone.
    pub(super) async fn stop(&self) {
        self.serving.abort();
        self.link.end();
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = child
            && timeout(END, child.wait()).await.is_err()
        {
            // The kernel takes all that is inside along.
            let _ = child.kill().await;
        }
    }

    /// Starts a script that writes to these two; none if the instance has ended.
    pub(super) async fn send_script(&self, script: &Script, outputs: [OwnedFd; 2]) -> Option<Started> {
        let id = self.link.next.fetch_add(1, Ordering::Relaxed);
        let (sender, code) = oneshot::channel();
        self.link.scripts().insert(id, sender);
        // From here on it is killed if nobody waits.
        let started = Started { link: Arc::clone(&self.link), id, code, over: false };
        let order = Order::Run {
            id,
            text: script.text.clone(),
            environment: script.environment.clone(),
            directory: script.directory.clone(),
        };
        let descriptors = [outputs[0].as_fd(), outputs[1].as_fd()];
        self.link.channel.send(&order, &descriptors).await.ok()?;
        Some(started)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Started {
    /// Its exit code; none if the instance ended.
    pub(super) async fn ended(&mut self) -> Option<i32> {
        let code = (&mut self.code).await.ok();
        self.over = true;
        code
    }

    /// Kills it with its process group.
    pub(super) fn kill(&self) {
        let (link, id) = (Arc::clone(&self.link), self.id);
        tokio::spawn(async move { link.channel.send(&Order::Kill { id }, &[]).await });
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.over {
            self.link.scripts().remove(&self.id);
            if tokio::runtime::Handle::try_current().is_ok() {
                self.kill();
            }
        }
    }
}

impl Link {
    fn new(channel: Channel) -> Self {
        Self {
            channel,
            next: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            scripts: Mutex::default(),
            connections: Mutex::default(),
        }
    }

    /// A socket that connects to an address inside; none if it cannot.
    pub(super) async fn connect(&self, to: SocketAddrV4, from: Ipv4Addr) -> Option<OwnedFd> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, socket) = oneshot::channel();
        self.connections().insert(id, sender);
        if self.channel.send(&Order::Connect { id, to, from }, &[]).await.is_err() {
            self.connections().remove(&id);
        }
        socket.await.ok()
    }

    /// Asks for a listener on a port inside, which comes as a report.
    pub(super) async fn listen(&self, port: u16) {
        // Where the inside has ended there is nothing to listen on.
        let _ = self.channel.send(&Order::Listen { port }, &[]).await;
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.channel.close();
        // Who waits is told by that.
        self.scripts().clear();
        self.connections().clear();
    }

    fn scripts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, oneshot::Sender<i32>>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, oneshot::Sender<OwnedFd>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the inside's reports and mirrors ports both ways, until the inside ends.
async fn serve(link: Arc<Link>, mut mirror: Mirror) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = link.channel.receive::<Report>() => {
                let Ok(Some((report, mut descriptors))) = received else { break };
                match (report, descriptors.pop()) {
                    (Report::Ports(ports), None) => mirror.follow_inside(&ports),
                    (Report::Ended { id, code }, None) => {
                        if let Some(waiting) = link.scripts().remove(&id) {
                            // Who waited may have left.
                            let _ = waiting.send(code);
                        }
                    }
                    (Report::Connected { id }, Some(socket)) => {
                        if let Some(waiting) = link.connections().remove(&id) {
                            // The same.
                            let _ = waiting.send(socket);
                        }
                    }
                    (Report::Refused { id }, None) => drop(link.connections().remove(&id)),
                    (Report::Listening { port }, Some(listener)) => mirror.serve_inside(port, listener),
                    (Report::Taken { port }, None) => mirror.forget(port),
                    // It ended, or what is in there is not ours any more.
                    _ => break,
                }
            }
            _ = looks.tick() => mirror.follow_outside().await,
        }
    }
    link.end();
}

/// What a process that did not come up wrote.
async fn last_words(words: Option<ChildStderr>) -> String {
    let mut text = Vec::new();
    if let Some(words) = words {
        // What was read until then counts.
        let _ = timeout(Duration::from_secs(1), words.take(WORDS).read_to_end(&mut text)).await;
    }
    let text = String::from_utf8_lossy(&text);
    match text.trim() {
        "" => "it ended before it was up".to_owned(),
        text => text.to_owned(),
    }
}
