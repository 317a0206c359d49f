//! The processes of a service: how they are started, what they write and notify, and how the main one ends.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::{Service, State};
use crate::local::agent::inside::journal;
use crate::local::agent::inside::processes::{self, PATH};
use crate::local::agent::inside::unit::definition::{Access, Definition, Restart};
use crate::local::agent::inside::unit::exec::Line;
use crate::local::agent::inside::unit::notify::{Notification, Notifications};

/// Between two looks at a main process that another process started.
const LOOK: Duration = Duration::from_millis(100);
/// Signals that end a service cleanly: HUP, INT, PIPE and TERM (systemd.service(5), `SuccessExitStatus`).
const CLEAN: &[i32] = &[0, 128 + 1, 128 + 2, 128 + 13, 128 + 15];

impl Service {
    /// Waits for the end of what is, or becomes, the main process.
    pub(super) fn watch(self: &Rc<Self>, pid: Pid, code: oneshot::Receiver<i32>, of_another: bool) {
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

    pub(super) async fn run_all(self: &Rc<Self>, lines: &[Line]) -> Result<(), ()> {
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

    pub(super) fn spawn(
        self: &Rc<Self>,
        line: &Line,
        definition: &Definition,
        is_main: bool,
    ) -> io::Result<(Pid, oneshot::Receiver<i32>)> {
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
}
