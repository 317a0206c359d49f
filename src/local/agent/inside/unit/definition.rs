//! A unit's file: the directives that are obeyed, out of all that systemd.service(5) has. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::exec::{Line, words};

/// What systemd gives a start, and a stop, where nothing else is said (`DefaultTimeoutStartSec`).
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);
/// The same of a restart (`DefaultRestartSec`).
const DEFAULT_RESTART: Duration = Duration::from_millis(100);

/// The directives that name directories, where those are, and the variable that tells of them.
const DIRECTORIES: &[(&str, &str, &str)] = &[
    ("RuntimeDirectory", "/run", "RUNTIME_DIRECTORY"),
    ("StateDirectory", "/var/lib", "STATE_DIRECTORY"),
    ("CacheDirectory", "/var/cache", "CACHE_DIRECTORY"),
    ("LogsDirectory", "/var/log", "LOGS_DIRECTORY"),
    ("ConfigurationDirectory", "/etc", "CONFIGURATION_DIRECTORY"),
];

/// A service, as its file describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::local::agent::inside) struct Definition {
    pub(in crate::local::agent::inside) description: String,
    pub(super) kind: Kind,
    pub(super) start_pre: Vec<Line>,
    pub(super) start: Vec<Line>,
    pub(super) reload: Vec<Line>,
    pub(super) restart: Restart,
    pub(super) restart_after: Duration,
    pub(super) start_limit: Duration,
    pub(super) stop_limit: Duration,
    pub(super) notify_access: Access,
    pub(super) remains: bool,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: Option<String>,
    /// Directories that are made for it, each with the variable that names it.
    pub(super) directories: Vec<(String, &'static str)>,
    /// What enabling it makes it a part of.
    pub(in crate::local::agent::inside) wanted_by: Vec<String>,
}

/// When it counts as started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::local::agent::inside) enum Kind {
    /// At once.
    Simple,
    /// When it says so.
    Notify,
    /// When it has ended.
    Oneshot,
}

/// After which ends it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    No,
    OnFailure,
    Always,
}

/// Whose notifications count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    None,
    Main,
    All,
}

impl Definition {
    /// Reads a unit's file.
    pub(in crate::local::agent::inside) fn parse(text: &str) -> Result<Self, String> {
        let file = File::parse(text);
        let service = |key: &str| file.last("Service", key);
        let lines = |key: &str| -> Result<Vec<Line>, String> {
            file.all("Service", key).iter().map(|line| Line::parse(line)).collect()
        };
        let span = |key: &str, default: Duration| match service(key) {
            Some(text) => time_span(text).ok_or_else(|| format!("{key}={text} is no time span")),
            None => Ok(default),
        };
        let kind = match service("Type") {
            None | Some("simple" | "exec" | "idle") => Kind::Simple,
            Some("notify" | "notify-reload") => Kind::Notify,
            Some("oneshot") => Kind::Oneshot,
            Some(other) => return Err(format!("the stand-in for systemd has no Type={other}")),
        };
        let restart = match service("Restart") {
            None | Some("no") => Restart::No,
            Some("on-failure" | "on-abnormal" | "on-abort" | "on-watchdog") => Restart::OnFailure,
            Some("always" | "on-success") => Restart::Always,
            Some(other) => return Err(format!("Restart={other} is unknown")),
        };
        let notify_access = match service("NotifyAccess") {
            Some("none") | None if kind != Kind::Notify => Access::None,
            Some("all" | "exec") => Access::All,
            _ => Access::Main,
        };
        let start = lines("ExecStart")?;
        if start.is_empty() || (start.len() > 1 && kind != Kind::Oneshot) {
            return Err("a service has one ExecStart=".to_owned());
        }
        let mut environment = Vec::new();
        for text in file.all("Service", "Environment") {
            for pair in words(text)? {
                let (name, value) = pair.split_once('=').ok_or("Environment= needs NAME=VALUE")?;
                environment.push((name.to_owned(), value.to_owned()));
            }
        }
        let directories = DIRECTORIES.iter().flat_map(|(key, root, variable)| {
            let names = file.all("Service", key).iter().flat_map(|text| text.split_ascii_whitespace());
            names.map(|name| (format!("{root}/{name}"), *variable)).collect::<Vec<_>>()
        });
        let both = span("TimeoutSec", DEFAULT_TIMEOUT)?;
        Ok(Self {
            description: file.last("Unit", "Description").unwrap_or_default().to_owned(),
            kind,
            start_pre: lines("ExecStartPre")?,
            start,
            reload: lines("ExecReload")?,
            restart,
            restart_after: span("RestartSec", DEFAULT_RESTART)?,
            start_limit: span("TimeoutStartSec", both)?,
            stop_limit: span("TimeoutStopSec", both)?,
            notify_access,
            remains: matches!(service("RemainAfterExit"), Some("yes" | "true" | "1" | "on")),
            environment,
            directory: service("WorkingDirectory").map(|path| path.trim_start_matches('-').to_owned()),
            directories: directories.collect(),
            wanted_by: file
                .all("Install", "WantedBy")
                .iter()
                .flat_map(|text| text.split_ascii_whitespace())
                .map(str::to_owned)
                .collect(),
        })
    }
}

/// Sections, keys and values, in order (systemd.syntax(7)).
struct File(BTreeMap<(String, String), Vec<String>>);

impl File {
    fn parse(text: &str) -> Self {
        let mut values = BTreeMap::<(String, String), Vec<String>>::new();
        let mut section = String::new();
        let mut begun = String::new();
        for line in text.lines() {
            let line = line.trim();
            if line.starts_with(['#', ';']) || (line.is_empty() && begun.is_empty()) {
                continue;
            }
            if let Some(part) = line.strip_suffix('\\') {
                begun.push_str(part);
                begun.push(' ');
                continue;
            }
            begun.push_str(line);
            let whole = std::mem::take(&mut begun);
            if let Some(name) = whole.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = whole.split_once('=') {
                let all = values.entry((section.clone(), key.trim().to_owned())).or_default();
                // An empty one takes back those before.
                if value.trim().is_empty() {
                    all.clear();
                } else {
                    all.push(value.trim().to_owned());
                }
            }
        }
        Self(values)
    }

    fn all(&self, section: &str, key: &str) -> &[String] {
        self.0.get(&(section.to_owned(), key.to_owned())).map_or(&[], Vec::as_slice)
    }

    fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).last().map(String::as_str)
    }
}

/// `330s`, `1min 30s`, `500ms`, `5` or `infinity` (systemd.time(7)).
fn time_span(text: &str) -> Option<Duration> {
    if text == "infinity" {
        return Some(Duration::MAX);
    }
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let milliseconds = match unit {
            "ms" | "msec" => 1,
            "" | "s" | "sec" | "second" | "seconds" => 1000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hour" | "hours" => 3_600_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxys_unit_is_understood() {
        let text = include_str!("../../../../../packaging/elbws-proxy.service");
        let unit = Definition::parse(text).unwrap();
        assert_eq!(unit.kind, Kind::Notify);
        assert_eq!((unit.restart, unit.notify_access), (Restart::OnFailure, Access::Main));
        assert_eq!(unit.restart_after, Duration::from_secs(1));
        assert_eq!(unit.stop_limit, Duration::from_secs(330));
        assert_eq!((unit.start_pre.len(), unit.start.len(), unit.reload.len()), (1, 1, 1));
        assert_eq!(unit.directories, [("/var/log/elbws-proxy".to_owned(), "LOGS_DIRECTORY")]);
        assert_eq!(unit.wanted_by, ["multi-user.target"]);
        assert!(unit.description.starts_with("Proxy for HTTP"));
    }

    #[test]
    fn syntax_and_defaults() {
        let text = "[Service]\n# no\nExecStart=/bin/one\nExecStart=\nExecStart=/bin/sh -c \\\n  'a  b' \\\n; no\n c\n\
            Environment=A=1 \"B=2 3\"\n";
        let unit = Definition::parse(text).unwrap();
        assert_eq!(unit.start, [Line::parse("/bin/sh -c 'a  b' c").unwrap()]);
        assert_eq!(unit.environment, [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2 3".to_owned())]);
        assert_eq!((unit.kind, unit.restart, unit.stop_limit), (Kind::Simple, Restart::No, DEFAULT_TIMEOUT));
        for wrong in [
            "",
            "[Service]\nType=forking\nExecStart=/a",
            "[Service]\nExecStart=/a\nExecStart=/b",
            "[Service]\nExecStart=/a\nTimeoutStopSec=soon",
            "[Service]\nExecStart=/a\nRestart=perhaps",
        ] {
            assert!(Definition::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn time_spans() {
        for (text, milliseconds) in
            [("330s", Some(330_000)), ("1min 30s", Some(90_000)), ("500ms", Some(500)), ("5", Some(5000))]
        {
            assert_eq!(time_span(text).map(|span| span.as_millis()), milliseconds, "{text}");
        }
        assert_eq!(time_span("infinity"), Some(Duration::MAX));
        for wrong in ["", "s", "5 fortnights", "-1"] {
            assert_eq!(time_span(wrong), None, "{wrong}");
        }
    }
}
