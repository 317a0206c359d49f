//! What `systemctl` and `journalctl` answer inside: the verbs that an installer and an operator use of a service.

mod command;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use tokio::task::spawn_local;

use self::command::{Command, plain};
use super::processes::Processes;
use super::unit::{Definition, Service, State};

/// Where units are, the first one found counting.
const UNITS: &[&str] = &["/etc/systemd/system", "/run/systemd/system"];
/// What is printed at the end of a status, and by a journal that is not told how much.
const STATUS_LINES: usize = 10;

/// What somebody typed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The command and its arguments.
    pub(super) words: Vec<String>,
}

/// What he gets.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) code: u8,
}

impl Answer {
    fn out(out: impl Into<String>, code: u8) -> Self {
        Self { out: out.into(), err: String::new(), code }
    }

    fn err(err: impl Into<String>, code: u8) -> Self {
        let mut err = err.into();
        err.push('\n');
        Self { out: String::new(), err, code }
    }
}

/// The services of this instance.
pub(super) struct Services {
    processes: Rc<Processes>,
    known: RefCell<BTreeMap<String, Rc<Service>>>,
}

impl Services {
    pub(super) fn new(processes: Rc<Processes>) -> Rc<Self> {
        Rc::new(Self { processes, known: RefCell::default() })
    }

    /// Starts what is enabled.
    pub(super) fn boot(self: &Rc<Self>) {
        let wants =
            fs::read_dir("/etc/systemd/system/multi-user.target.wants").into_iter().flatten().flatten();
        for name in wants.filter_map(|entry| entry.file_name().into_string().ok()) {
            if let Ok(service) = plain(&name).and_then(|name| self.find(name)) {
                // What becomes of it is in its journal.
                spawn_local(async move { service.start().await });
            }
        }
    }

    /// Does what somebody typed.
    pub(super) async fn answer(&self, asked: &Asked) -> Answer {
        let mut words = asked.words.iter().map(String::as_str);
        let program = words.next().unwrap_or_default();
        let command = match Command::parse(words) {
            Ok(command) => command,
            Err(error) => return Answer::err(format!("{program}: {error}"), 1),
        };
        if program == "journalctl" {
            return self.journal(&command);
        }
        let mut words = command.words.iter().map(String::as_str);
        let Some(verb) = words.next() else {
            return Answer::err("systemctl: this stand-in lists nothing; name what to do, and a unit", 1);
        };
        match verb {
            "daemon-reload" => self.reload_definitions(),
            "is-system-running" => Answer::out("running\n", 0),
            _ => {
                let mut names = Vec::new();
                for word in words {
                    match plain(word) {
                        Ok(name) => names.push(name),
                        Err(error) => return Answer::err(error, 1),
                    }
                }
                if names.is_empty() && verb == "reset-failed" {
                    let all: Vec<_> = self.known.borrow().values().cloned().collect();
                    for service in all {
                        service.reset_failed();
                    }
                    return Answer::default();
                }
                if names.is_empty() {
                    return Answer::err("Too few arguments.", 1);
                }
                let mut whole = Answer::default();
                for name in names {
                    let one = self.one(verb, name, &command).await;
                    whole.out.push_str(&one.out);
                    whole.err.push_str(&one.err);
                    whole.code = whole.code.max(one.code);
                }
                whole
            }
        }
    }

    async fn one(&self, verb: &str, name: &str, command: &Command) -> Answer {
        let found = self.find(name);
        match (verb, found) {
            ("show", found) => Answer::out(show(name, found.as_ref().ok(), command), 0),
            ("is-active" | "is-failed", found) => {
                let state = found.map_or(State::Inactive, |service| service.state());
                let text = if command.quiet { String::new() } else { format!("{}\n", state.names().0) };
                let holds = if verb == "is-active" { state.is_active() } else { state == State::Failed };
                let no = if verb == "is-active" { 3 } else { 1 };
                Answer::out(text, if holds { 0 } else { no })
            }
            ("is-enabled", Ok(service)) => {
                let enabled = is_enabled(&service);
                let text = if enabled { "enabled\n" } else { "disabled\n" };
                Answer::out(if command.quiet { "" } else { text }, u8::from(!enabled))
            }
            ("status", Err(error)) => Answer::err(error, 4),
            ("status", Ok(service)) => status(&service),
            ("start" | "stop" | "restart" | "reload" | "reload-or-restart" | "try-restart", Err(error)) => {
                Answer::err(format!("Failed to {verb} {name}.service: {error}"), 5)
            }
            ("start", Ok(service)) => answer(service.start().await),
            ("stop", Ok(service)) => {
                service.stop().await;
                Answer::default()
            }
            ("reload", Ok(service)) => answer(service.reload().await),
            ("reload-or-restart", Ok(service)) if service.state().is_active() => {
                answer(service.reload().await)
            }
            ("try-restart", Ok(service)) if !service.state().is_active() => Answer::default(),
            ("restart" | "reload-or-restart" | "try-restart", Ok(service)) => answer(service.restart().await),
            ("reset-failed", Ok(service)) => {
                service.reset_failed();
                Answer::default()
            }
            ("enable" | "disable", Ok(service)) => {
                let mut done = if verb == "enable" { enable(&service) } else { disable(&service) };
                if command.quiet {
                    done.err = if done.code == 0 { String::new() } else { done.err };
                }
                if command.now && done.code == 0 {
                    if verb == "enable" {
                        return answer(service.start().await);
                    }
                    service.stop().await;
                }
                done
            }
            ("is-enabled" | "reset-failed" | "enable" | "disable", Err(error)) => Answer::err(error, 1),
            _ => Answer::err(format!("systemctl: this stand-in has no verb {verb}"), 1),
        }
    }

    fn journal(&self, command: &Command) -> Answer {
        let mut text = String::new();
        let lines = command.lines.unwrap_or(usize::MAX);
        for unit in &command.units {
            if let Ok(service) = plain(unit).and_then(|name| self.find(name)) {
                text.push_str(&service.last_words(lines));
            }
        }
        if command.units.is_empty() {
            return Answer::err("journalctl: this stand-in has the journals of units only: --unit NAME", 1);
        }
        Answer::out(if text.is_empty() { "-- No entries --\n".to_owned() } else { text }, 0)
    }

    /// Has all services be what their files say now.
    fn reload_definitions(&self) -> Answer {
        let mut answer = Answer::default();
        for (name, service) in self.known.borrow().iter() {
            // One whose file is gone stays what it was until it has ended.
            match load(name) {
                Some(Ok(definition)) => service.redefine(definition),
                Some(Err(error)) => {
                    // Nothing is reported for one, and what was loaded stays.
                    let _ = writeln!(answer.err, "{name}.service: {error}");
                }
                None => {}
            }
        }
        let gone = |name: &String, service: &Rc<Service>| {
            load(name).is_none() && matches!(service.state(), State::Inactive | State::Failed)
        };
        self.known.borrow_mut().retain(|name, service| !gone(name, service));
        answer
    }

    fn find(&self, name: &str) -> Result<Rc<Service>, String> {
        if let Some(service) = self.known.borrow().get(name) {
            return Ok(Rc::clone(service));
        }
        let definition = load(name).ok_or_else(|| format!("Unit {name}.service could not be found."))??;
        let service = Rc::new(Service::new(name, definition, &self.processes));
        self.known.borrow_mut().insert(name.to_owned(), Rc::clone(&service));
        Ok(service)
    }
}

fn answer(done: Result<(), String>) -> Answer {
    done.map_or_else(|error| Answer::err(error, 1), |()| Answer::default())
}

fn path(name: &str) -> Option<PathBuf> {
    UNITS.iter().map(|folder| Path::new(folder).join(format!("{name}.service"))).find(|path| path.is_file())
}

/// What a service's file says; none without one.
fn load(name: &str) -> Option<Result<Definition, String>> {
    let text = fs::read_to_string(path(name)?).map_err(|error| error.to_string());
    Some(text.and_then(|text| Definition::parse(&text)))
}

/// The links that have a service start with the machine.
fn links(service: &Service) -> impl Iterator<Item = PathBuf> {
    let file = format!("{}.service", service.name);
    let wanted_by = service.definition().wanted_by.into_iter();
    wanted_by.map(move |target| Path::new("/etc/systemd/system").join(format!("{target}.wants")).join(&file))
}

fn is_enabled(service: &Service) -> bool {
    links(service).any(|link| link.is_symlink())
}

fn enable(service: &Service) -> Answer {
    let mut done = Answer::default();
    let Some(target) = path(&service.name) else { return Answer::err("the unit's file is gone", 1) };
    for link in links(service).filter(|link| !link.is_symlink()) {
        let made = link.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| symlink(&target, &link));
        match made {
            // Writing to a String cannot fail.
            Ok(()) => {
                let _ = writeln!(done.err, "Created symlink {} -> {}.", link.display(), target.display());
            }
            Err(error) => return Answer::err(format!("{}: {error}", link.display()), 1),
        }
    }
    done
}

fn disable(service: &Service) -> Answer {
    let mut done = Answer::default();
    for link in links(service) {
        match fs::remove_file(&link) {
            // Writing to a String cannot fail.
            Ok(()) => {
                let _ = writeln!(done.err, "Removed \"{}\".", link.display());
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Answer::err(format!("{}: {error}", link.display()), 1),
        }
    }
    done
}

fn show(name: &str, service: Option<&Rc<Service>>, command: &Command) -> String {
    let state = service.map_or(State::Inactive, |service| service.state());
    let (active, sub) = state.names();
    let main = service.and_then(|service| service.main()).map_or(0, nix::unistd::Pid::as_raw);
    let (result, code, restarts) = service.map_or(("success", 0, 0), |service| service.outcome());
    let enabled = service.is_some_and(|service| is_enabled(service));
    let all = [
        ("Id", format!("{name}.service")),
        ("Description", service.map(|service| service.definition().description).unwrap_or_default()),
        ("LoadState", if service.is_some() { "loaded" } else { "not-found" }.to_owned()),
        ("ActiveState", active.to_owned()),
        ("SubState", sub.to_owned()),
        ("UnitFileState", service.map_or("", |_| if enabled { "enabled" } else { "disabled" }).to_owned()),
        ("FragmentPath", path(name).map(|path| path.display().to_string()).unwrap_or_default()),
        ("MainPID", main.to_string()),
        ("ExecMainStatus", code.to_string()),
        ("NRestarts", restarts.to_string()),
        ("Result", result.to_owned()),
    ];
    let asked =
        |name: &str| command.properties.is_empty() || command.properties.iter().any(|one| one == name);
    let lines = all
        .iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, value)| if command.value { format!("{value}\n") } else { format!("{name}={value}\n") });
    lines.collect()
}

fn status(service: &Rc<Service>) -> Answer {
    let (active, sub) = service.state().names();
    let definition = service.definition();
    let (result, ..) = service.outcome();
    let file = path(&service.name).map(|path| path.display().to_string()).unwrap_or_default();
    let enabled = if is_enabled(service) { "enabled" } else { "disabled" };
    let mut text = format!("● {}.service", service.name);
    if !definition.description.is_empty() {
        text.push_str(" - ");
        text.push_str(&definition.description);
    }
    let why = if result == "success" { String::new() } else { format!(" (Result: {result})") };
    // Writing to a String cannot fail.
    let _ = write!(text, "\n     Loaded: loaded ({file}; {enabled})\n     Active: {active} ({sub}){why}\n");
    if let Some(main) = service.main() {
        let _ = writeln!(text, "   Main PID: {main}");
    }
    let words = service.last_words(STATUS_LINES);
    if !words.is_empty() {
        text.push('\n');
        text.push_str(&words);
    }
    Answer::out(text, if service.state().is_active() { 0 } else { 3 })
}
