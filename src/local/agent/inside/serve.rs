//! The first process of an instance: takes the outside's orders, runs scripts, keeps services, and ends with the
//! outside; the kernel then ends everything else.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Pid;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};

use super::console;
use super::processes::{self, PATH, Processes};
use super::systemctl::{Asked, Services};
use crate::local::agent::channel::Channel;
use crate::local::agent::message::{Order, Report};
use crate::local::agent::ports;

/// Between two looks at who listens inside.
const LOOK: Duration = Duration::from_millis(200);
const SCRIPTS: &str = "/run/elbws/scripts";
/// A shell's code for a command that cannot be run.
const CANNOT_RUN: i32 = 127;

/// Serves until the outside ends.
pub(super) fn serve(_: &[OsString]) -> ExitCode {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| LocalSet::new().block_on(&runtime, take_orders()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::enter::report(format!("the first process inside failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What orders need.
struct Inside {
    processes: Rc<Processes>,
    reports: UnboundedSender<(Report, Option<OwnedFd>)>,
    scripts: RefCell<BTreeMap<u64, Pid>>,
    /// What was reported last.
    ports: RefCell<BTreeSet<SocketAddrV4>>,
}

async fn take_orders() -> io::Result<()> {
    let channel = Rc::new(Channel::new(io::stdin().as_fd().try_clone_to_owned()?)?);
    let mut children = signal(SignalKind::child())?;
    fs::create_dir_all(SCRIPTS)?;
    let consoles = UnixListener::bind(console::SOCKET)?;
    let processes = Rc::new(Processes::default());
    let (reports, mut outbox) = unbounded_channel::<(Report, Option<OwnedFd>)>();
    let writer = Rc::clone(&channel);
    spawn_local(async move {
        while let Some((report, descriptor)) = outbox.recv().await {
            let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
            // That the outside has ended is noticed where its orders are read.
            let _ = writer.send(&report, &descriptors).await;
        }
    });
    let reaper = Rc::clone(&processes);
    spawn_local(async move {
        while children.recv().await.is_some() {
            reaper.reap();
        }
    });
    let services = Services::new(Rc::clone(&processes));
    spawn_local(answer_consoles(consoles, Rc::clone(&services)));
    let inside =
        Rc::new(Inside { processes, reports, scripts: RefCell::default(), ports: RefCell::default() });
    inside.report(Report::Ready, None);
    services.boot();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            received = channel.receive::<Order>() => match received? {
                Some((order, descriptors)) => inside.obey(order, descriptors),
                None => return Ok(()),
            },
            _ = looks.tick() => inside.look(),
        }
    }
}

/// Answers `systemctl`, each at its own pace.
async fn answer_consoles(consoles: UnixListener, services: Rc<Services>) {
    while let Ok((mut stream, _)) = consoles.accept().await {
        let services = Rc::clone(&services);
        spawn_local(async move {
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).await?;
            let answer = services.answer(&serde_json::from_slice::<Asked>(&asked)?).await;
            stream.write_all(&serde_json::to_vec(&answer)?).await
        });
    }
}

impl Inside {
    fn report(&self, report: Report, descriptor: Option<OwnedFd>) {
        // The writer lives as long as this.
        let _ = self.reports.send((report, descriptor));
    }

    fn obey(self: &Rc<Self>, order: Order, descriptors: Vec<OwnedFd>) {
        match order {
            Order::Run { id, text, environment, directory } => {
                let mut descriptors = descriptors.into_iter();
                if let (Some(stdout), Some(stderr)) = (descriptors.next(), descriptors.next()) {
                    self.run(id, &text, environment, directory.as_deref(), [stdout, stderr]);
                }
            }
            Order::Kill { id } => {
                if let Some(pid) = self.scripts.borrow().get(&id) {
                    processes::kill_group(*pid);
                }
            }
            Order::Connect { id, to, from } => match connect(to, from) {
                Ok(socket) => self.report(Report::Connected { id }, Some(socket)),
                Err(_) => self.report(Report::Refused { id }, None),
            },
            Order::Listen { port } => match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => self.report(Report::Listening { port }, Some(listener.into())),
                Err(_) => self.report(Report::Taken { port }, None),
            },
        }
    }

    fn run(
        self: &Rc<Self>,
        id: u64,
        text: &str,
        environment: BTreeMap<String, String>,
        directory: Option<&Path>,
        [stdout, stderr]: [OwnedFd; 2],
    ) {
        let path = Path::new(SCRIPTS).join(format!("{id}.sh"));
        let attempt = || {
            let complaints = stderr.try_clone()?;
            let started = fs::write(&path, text).and_then(|()| {
                let mut command = Command::new("sh");
                command
                    .arg(&path)
                    .env_clear()
                    .envs([("PATH", PATH), ("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")])
                    .env("LANG", "C.UTF-8")
                    .envs(environment)
                    .current_dir(directory.unwrap_or(Path::new("/root")))
                    .stdin(Stdio::null())
                    .stdout(stdout)
                    .stderr(stderr);
                self.processes.start(&mut command)
            });
            if let Err(error) = &started {
                // Nobody may be reading.
                let _ = writeln!(File::from(complaints), "the script cannot be started: {error}");
            }
            started
        };
        let Ok((pid, code)) = attempt() else {
            self.report(Report::Ended { id, code: CANNOT_RUN }, None);
            return;
        };
        self.scripts.borrow_mut().insert(id, pid);
        let inside = Rc::clone(self);
        spawn_local(async move {
            let code = code.await.unwrap_or(CANNOT_RUN);
            inside.scripts.borrow_mut().remove(&id);
            // Where it is gone already nothing is left to do.
            let _ = fs::remove_file(path);
            // Who is told of its end finds its ports open.
            inside.look();
            inside.report(Report::Ended { id, code }, None);
        });
    }

    /// Reports who listens, if that has changed. What listens on loopback is nobody else's business, as on any
    /// machine.
    fn look(&self) {
        let found: BTreeSet<SocketAddrV4> =
            ports::listening().into_iter().filter(|at| !at.ip().is_loopback()).collect();
        if *self.ports.borrow() != found {
            self.report(Report::Ports(found.iter().copied().collect()), None);
            self.ports.replace(found);
        }
    }
}

/// A socket that connects, from that address if it is one of the instance's.
fn connect(to: SocketAddrV4, from: Ipv4Addr) -> io::Result<OwnedFd> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddrV4::new(from, 0).into())?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}
