//! One service: what runs of it, and what is done with it, a job at a time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::definition::{Access, Restart};
use super::exec::Line;
use super::notify::{Notification, Notifications};
use super::{Definition, Kind};
use crate::local::agent::inside::journal::{self, Journal};
use crate::local::agent::inside::processes::{self, PATH, Processes};

/// So many starts in so long a time, and no more (`DefaultStartLimitBurst`, `DefaultStartLimitIntervalSec`).
const START_LIMIT: (usize, Duration) = (5, Duration::from_secs(10));
/// Between two looks at a main process that another process started.
const LOOK: Duration = Duration::from_millis(100);
/// Signals that end a service cleanly: HUP, INT, PIPE and TERM (systemd.service(5), `SuccessExitStatus`).
const CLEAN: &[i32] = &[0, 128 + 1, 128 + 2, 128 + 13, 128 + 15];

/// Where a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::local::agent::inside) enum State {
    Inactive,
    Activating,
    Active,
    Reloading,
    Deactivating,
    Failed,
    /// It failed, and is started again soon.
    Restarting,
}

impl State {
    /// systemd's `ActiveState` and `SubState`.
    pub(in crate::local::agent::inside) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Inactive => ("inactive", "dead"),
            Self::Activating => ("activating", "start"),
            Self::Active => ("active", "running"),
            Self::Reloading => ("reloading", "reload"),
            Self::Deactivating => ("deactivating", "stop-sigterm"),
            Self::Failed => ("failed", "failed"),
            Self::Restarting => ("activating", "auto-restart"),
        }
    }

    /// Whether it counts as active.
    pub(in crate::local::agent::inside) fn is_active(self) -> bool {
        matches!(self, Self::Active | Self::Reloading)
    }
}

/// A service.
pub(in crate::local::agent::inside) struct Service {
    /// Without `.service`.
    pub(in crate::local::agent::inside) name: String,
    processes: Rc<Processes>,
    definition: RefCell<Definition>,
    state: watch::Sender<State>,
    main: Cell<Option<Pid>>,
    /// The process group of all that it started.
    group: Cell<Option<Pid>>,
    /// Why it is not active, in systemd's words.
    result: Cell<&'static str>,
    last_code: Cell<i32>,
    restarts: Cell<u32>,
    starts: RefCell<VecDeque<Instant>>,
    /// Somebody wants it to end.
    unwanted: Cell<bool>,
    journal: RefCell<Journal>,
    job: tokio::sync::Mutex<()>,
    notifications: RefCell<Option<tokio::task::AbortHandle>>,
    /// How many sockets it was given to notify.
    sockets: Cell<u64>,
}

impl Service {
    pub(in crate::local::agent::inside) fn new(
        name: &str,
        definition: Definition,
        processes: &Rc<Processes>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            processes: Rc::clone(processes),
            definition: RefCell::new(definition),
            state: watch::Sender::new(State::Inactive),
            main: Cell::default(),
            group: Cell::default(),
            result: Cell::new("success"),
            last_code: Cell::default(),
            restarts: Cell::default(),
            starts: RefCell::default(),
            unwanted: Cell::default(),
            journal: RefCell::default(),
            job: tokio::sync::Mutex::default(),
            notifications: RefCell::default(),
            sockets: Cell::default(),
        }
    }

    /// Has it be what its file says now, from the next job on.
    pub(in crate::local::agent::inside) fn redefine(&self, definition: Definition) {
        self.definition.replace(definition);
    }

    pub(in crate::local::agent::inside) fn definition(&self) -> Definition {
        self.definition.borrow().clone()
    }

    pub(in crate::local::agent::inside) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(in crate::local::agent::inside) fn main(&self) -> Option<Pid> {
        self.main.get()
    }

    /// Why it is not active, the last exit code, and how often it was started again.
    pub(in crate::local::agent::inside) fn outcome(&self) -> (&'static str, i32, u32) {
        (self.result.get(), self.last_code.get(), self.restarts.get())
    }

    pub(in crate::local::agent::inside) fn last_words(&self, count: usize) -> String {
        self.journal.borrow().last(count)
    }

    /// Starts it, and waits until it counts as started.
    pub(in crate::local::agent::inside) async fn start(self: &Rc<Self>) -> Result<(), String> {
        let _job = self.job.lock().await;
        self.unwanted.set(false);
        self.begin().await
    }

    /// Ends it, and waits until it has ended.
    pub(in crate::local::agent::inside) async fn stop(self: &Rc<Self>) {
        // A start under way takes this as its end.
        self.unwanted.set(true);
        self.state.send_modify(|_| {});
        let _job = self.job.lock().await;
        self.end().await;
    }

    /// Ends it and starts it again.
    pub(in crate::local::agent::inside) async fn restart(self: &Rc<Self>) -> Result<(), String> {
        self.unwanted.set(true);
        self.state.send_modify(|_| {});
        let _job = self.job.lock().await;
        self.end().await;
        self.unwanted.set(false);
        self.begin().await
    }

    /// Runs what its file has for a reload.
    pub(in crate::local::agent::inside) async fn reload(self: &Rc<Self>) -> Result<(), String> {
        let _job = self.job.lock().await;
        let lines = self.definition.borrow().reload.clone();
        if lines.is_empty() {
            return Err(format!("Job type reload is not applicable for unit {}.service.", self.name));
        }
        if !self.state().is_active() {
            return Err(format!("{}.service is not active, cannot reload.", self.name));
        }
        self.run_all(&lines).await.map_err(|()| {
            format!("Reload of {}.service failed: its control process exited with error code.", self.name)
        })
    }

    /// Forgets that it failed.
    pub(in crate::local::agent::inside) fn reset_failed(&self) {
        self.starts.borrow_mut().clear();
        self.restarts.set(0);
        if self.state() == State::Failed {
            self.result.set("success");
            self.set(State::Inactive);
        }
    }

    async fn begin(self: &Rc<Self>) -> Result<(), String> {
        if self.state().is_active() {
            return Ok(());
        }
        {
            let mut starts = self.starts.borrow_mut();
            let (most, interval) = START_LIMIT;
            starts.retain(|start| start.elapsed() < interval);
            if starts.len() >= most {
                drop(starts);
                self.say("Start request repeated too quickly.");
                self.fail("start-limit-hit");
                return Err(self.refusal("start of the service was attempted too often"));
            }
            starts.push_back(Instant::now());
        }
        let definition = self.definition();
        self.result.set("success");
        self.set(State::Activating);
        for (directory, _) in &definition.directories {
            // What it then cannot write, it says itself.
            let _ = fs::create_dir_all(directory);
        }
        if self.run_all(&definition.start_pre).await.is_err() {
            return Err(self.failed("exit-code", &definition));
        }
        if definition.kind == Kind::Oneshot {
            return self.run_once(&definition).await;
        }
        let Some(line) = definition.start.first() else { return Err(self.failed("resources", &definition)) };
        match self.spawn(line, &definition, true) {
            Ok((pid, code)) => {
                self.main.set(Some(pid));
                self.group.set(Some(pid));
                self.watch(pid, code, false);
            }
            Err(error) => {
                self.say(&format!("Failed to execute: {error}"));
                return Err(self.failed("resources", &definition));
            }
        }
        if definition.kind == Kind::Simple {
            self.set(State::Active);
        } else {
            self.await_ready(&definition).await?;
        }
        self.say(&format!("Started {}.", self.title(&definition)));
        Ok(())
    }

    /// Waits for the word that it is ready.
    async fn await_ready(self: &Rc<Self>, definition: &Definition) -> Result<(), String> {
        let mut states = self.state.subscribe();
        let settled = states.wait_for(|state| *state != State::Activating || self.unwanted.get());
        let limit = definition.start_limit;
        let settled = timeout(limit, settled).await.map(|state| state.map(|state| *state));
        match settled {
            Ok(Ok(state)) if state.is_active() => Ok(()),
            Ok(Ok(State::Activating)) => {
                self.end().await;
                Err(format!("Job for {}.service canceled.", self.name))
            }
            Ok(_) => Err(self.refusal("the control process exited with error code")),
            Err(_) => {
                self.say("start operation timed out. Terminating.");
                self.main.set(None);
                if let Some(group) = self.group.take() {
                    processes::kill_group(group);
                }
                self.failed("timeout", definition);
                Err(self.refusal("a timeout was exceeded"))
            }
        }
    }

    async fn run_once(self: &Rc<Self>, definition: &Definition) -> Result<(), String> {
        let run = timeout(definition.start_limit, self.run_all(&definition.start)).await;
        if !matches!(run, Ok(Ok(()))) {
            return Err(self.failed(if run.is_err() { "timeout" } else { "exit-code" }, definition));
        }
        self.set(if definition.remains { State::Active } else { State::Inactive });
        self.say(&format!("Finished {}.", self.title(definition)));
        Ok(())
    }

    async fn end(self: &Rc<Self>) {
        if self.state() == State::Restarting {
            self.set(State::Inactive);
        }
        let Some(main) = self.main.get() else {
            if self.state().is_active() {
                self.set(State::Inactive);
            }
            return;
        };
        let limit = self.definition.borrow().stop_limit;
        self.set(State::Deactivating);
        processes::signal(main, Signal::SIGTERM);
        let mut states = self.state.subscribe();
        let gone = || self.main.get().is_none();
        if timeout(limit, states.wait_for(|_| gone())).await.is_err() {
            self.say("State 'stop-sigterm' timed out. Killing.");
            self.result.set("timeout");
            if let Some(main) = self.main.get() {
                processes::signal(main, Signal::SIGKILL);
            }
            if let Some(group) = self.group.get() {
                processes::kill_group(group);
            }
            let _ = timeout(limit, states.wait_for(|_| gone())).await;
        }
        self.say("Stopped.");
    }

    /// Waits for the end of what is, or becomes, the main process.
    fn watch(self: &Rc<Self>, pid: Pid, code: tokio::sync::oneshot::Receiver<i32>, of_another: bool) {
        let service = Rc::clone(self);
        spawn_local(async move {
            let mut code = code;
            let ended = loop {
                if !of_another {
                    break code.await.unwrap_or_default();
                }
                // Its parent may leave it unreaped as long as that one lives.
                match timeout(LOOK, &mut code).await {
                    Ok(code) => break code.unwrap_or_default(),
                    Err(_) => {
                        if let Some(code) = processes::ended(pid) {
                            break code;
                        }
                    }
                }
            };
            service.main_ended(pid, ended);
        });
    }

    fn main_ended(self: &Rc<Self>, pid: Pid, code: i32) {
        // It named another one as the main process before.
        if self.main.get() != Some(pid) {
            return;
        }
        self.main.set(None);
        self.last_code.set(code);
        // The main process was asked, the others are not (`KillMode=mixed`).
        if let Some(group) = self.group.take() {
            processes::kill_group(group);
        }
        let clean = CLEAN.contains(&code);
        if !clean || code != 0 {
            let how = if code > 128 { "killed" } else { "exited" };
            self.say(&format!("Main process {how}, status={}", if code > 128 { code - 128 } else { code }));
        }
        let definition = self.definition();
        let early = self.state() == State::Activating;
        if self.unwanted.get() {
            if !clean && self.result.get() == "success" {
                self.result.set("exit-code");
            }
            self.set(if self.result.get() == "success" { State::Inactive } else { State::Failed });
        } else if !clean || early {
            self.failed(if early && clean { "protocol" } else { "exit-code" }, &definition);
        } else if definition.restart == Restart::Always {
            self.restart_later(&definition);
        } else {
            self.set(State::Inactive);
        }
    }

    /// It failed, and is started again if its file says so; what whoever asked for a start is told.
    fn failed(self: &Rc<Self>, result: &'static str, definition: &Definition) -> String {
        if definition.restart == Restart::No || self.unwanted.get() {
            self.fail(result);
        } else {
            self.result.set(result);
            self.say(&format!("Failed with result '{result}'."));
            self.restart_later(definition);
        }
        self.refusal("the control process exited with error code")
    }

    fn fail(&self, result: &'static str) {
        self.result.set(result);
        self.say(&format!("Failed with result '{result}'."));
        self.set(State::Failed);
    }

    fn restart_later(self: &Rc<Self>, definition: &Definition) {
        self.set(State::Restarting);
        let (service, pause) = (Rc::clone(self), definition.restart_after);
        spawn_local(async move {
            sleep(pause).await;
            let _job = service.job.lock().await;
            if service.state() == State::Restarting && !service.unwanted.get() {
                service.restarts.set(service.restarts.get() + 1);
                service.say("Scheduled restart job.");
                // What becomes of it is seen by its state.
                let _ = service.begin().await;
            }
        });
    }

    async fn run_all(self: &Rc<Self>, lines: &[Line]) -> Result<(), ()> {
        let definition = self.definition();
        for line in lines {
            let code = match self.spawn(line, &definition, false) {
                Ok((_, code)) => code.await.unwrap_or(-1),
                Err(error) => {
                    self.say(&format!("Failed to execute: {error}"));
                    -1
                }
            };
            if code != 0 && !line.may_fail {
                self.last_code.set(code);
                self.say(&format!("Control process exited, status={code}"));
                return Err(());
            }
        }
        Ok(())
    }

    fn spawn(
        self: &Rc<Self>,
        line: &Line,
        definition: &Definition,
        is_main: bool,
    ) -> io::Result<(Pid, tokio::sync::oneshot::Receiver<i32>)> {
        let main = self.main.get().map(|pid| pid.to_string());
        let set = |name: &str| {
            definition.environment.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let words = line.expanded(|name| if name == "MAINPID" { main.clone() } else { set(name) });
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (its, output) = pipe::pipe()?;
        let its: OwnedFd = its.into_blocking_fd()?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .envs(definition.directories.iter().map(|(path, variable)| (*variable, path)))
            .envs(definition.environment.iter().cloned())
            .current_dir(definition.directory.as_deref().unwrap_or("/"))
            .stdin(Stdio::null())
            .stdout(its.try_clone()?)
            .stderr(its);
        if let Some(main) = &main {
            command.env("MAINPID", main);
        }
        if is_main && definition.notify_access != Access::None {
            // Another one each time: the one before goes away when its reader does.
            let number = self.sockets.get() + 1;
            self.sockets.set(number);
            let path = PathBuf::from(format!("/run/elbws/notify.{}.{number}", self.name));
            let notifications = Notifications::open(path.clone())?;
            command.env("NOTIFY_SOCKET", path);
            let service = Rc::clone(self);
            let task = spawn_local(async move {
                while let Ok(notification) = notifications.next().await {
                    service.take(&notification);
                }
            });
            if let Some(before) = self.notifications.replace(Some(task.abort_handle())) {
                before.abort();
            }
        }
        let started = self.processes.start(&mut command);
        drop(command);
        let who = match &started {
            Ok((pid, _)) => format!("{}[{pid}]", program.rsplit('/').next().unwrap_or(program)),
            Err(_) => program.clone(),
        };
        let service = Rc::clone(self);
        spawn_local(async move { service.listen(&who, output).await });
        started
    }

    /// Takes what a process and its children write, line by line, until the last of them has ended.
    async fn listen(&self, who: &str, output: pipe::Receiver) {
        let mut output = BufReader::new(output);
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(journal::LONGEST).unwrap_or(u64::MAX);
            match (&mut output).take(limit).read_until(b'\n', &mut line).await {
                Ok(1..) => self.journal.borrow_mut().add(who, String::from_utf8_lossy(&line).trim_end()),
                Ok(0) | Err(_) => return,
            }
        }
    }

    fn take(self: &Rc<Self>, notification: &Notification) {
        let definition = self.definition();
        let from_main = self.main.get() == Some(notification.from);
        if definition.notify_access == Access::Main && !from_main {
            return;
        }
        for (name, value) in notification.text.lines().filter_map(|line| line.split_once('=')) {
            match (name, value) {
                ("READY", "1") if matches!(self.state(), State::Activating | State::Reloading) => {
                    self.set(State::Active);
                }
                ("RELOADING", "1") if self.state() == State::Active => self.set(State::Reloading),
                ("STOPPING", "1") if self.state().is_active() => self.set(State::Deactivating),
                ("MAINPID", pid) => {
                    let Ok(pid) = pid.parse().map(Pid::from_raw) else { continue };
                    if self.main.get() != Some(pid) {
                        self.main.set(Some(pid));
                        self.watch(pid, self.processes.watch(pid), true);
                        self.say(&format!("New main process {pid}"));
                    }
                }
                _ => {}
            }
        }
    }

    fn say(&self, text: &str) {
        self.journal.borrow_mut().add("systemd[1]", &format!("{}.service: {text}", self.name));
    }

    fn set(&self, state: State) {
        self.state.send_replace(state);
    }

    fn title(&self, definition: &Definition) -> String {
        if definition.description.is_empty() { self.name.clone() } else { definition.description.clone() }
    }

    fn refusal(&self, why: &str) -> String {
        format!(
            "Job for {0}.service failed because {why}.\nSee \"systemctl status {0}.service\" and \"journalctl --unit {0}.service\" for details.",
            self.name
        )
    }
}
