//! One service: what runs of it, and what is done with it, a job at a time.

mod process;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout};

use super::definition::Restart;
use super::{Definition, Kind};
use crate::local::agent::inside::journal::Journal;
use crate::local::agent::inside::processes::{self, Processes};

/// So many starts in so long a time, and no more (`DefaultStartLimitBurst`, `DefaultStartLimitIntervalSec`).
const START_LIMIT: (usize, Duration) = (5, Duration::from_secs(10));

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
