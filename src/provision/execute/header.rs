//! The PROXY header while it is switched: whether the proxies on the instances do without it, and when they have seen
//! what the load balancer sends now.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::failure::ExecuteError;
use super::operation::Run;
use crate::provision::aws::ssm::{self, InvocationState, Script};
use crate::provision::install::status_script;
use crate::provision::plan::Header;

/// Seconds until the script is killed: it asks the proxy for its state.
const SCRIPT_SECONDS: u32 = 30;
/// How long a proxy that was told to read its configuration again may take.
const LOADED_WITHIN: Duration = Duration::from_mins(1);
/// Seconds for which the header must still be optional when the load balancer is switched.
const MARGIN: u64 = 15 * 60;
/// How many times as long as the former header must be silent a proxy is asked that nobody visits.
const VISITED_WITHIN: u32 = 4;

/// What is waited for.
#[derive(Clone, Copy)]
pub(super) struct Awaited<'a> {
    pub(super) status: &'a str,
    pub(super) begins: Header,
    pub(super) ceases: Header,
}

/// What a proxy says of the header.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Status {
    /// The instance's clock, in Unix seconds.
    now: u64,
    accept: Option<String>,
    #[serde(rename = "header_optional_until")]
    optional_until: Option<u64>,
    #[serde(default)]
    none: Beginning,
    #[serde(default)]
    v1: Beginning,
    #[serde(default)]
    v2: Beginning,
    /// A load balancer's health check of version 2.
    #[serde(default)]
    local: Beginning,
}

/// The connections that began in one way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Beginning {
    /// How many since the configuration was loaded.
    total: u64,
    /// When the last one did, in Unix seconds.
    last: Option<u64>,
}

/// How far one proxy is.
#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// It has seen what is to come, and what was before has been silent for long enough.
    Seen,
    /// What was before has been silent for long enough, and nobody has come since.
    Unvisited,
    /// It no longer does without the header: waiting would help nobody.
    Strict,
    /// It is to be asked again, for this reason.
    Lags(String),
}

impl Status {
    /// Reads what the script wrote; none where the proxy did not answer.
    fn read(output: &str) -> Option<Self> {
        let mut fields = Map::new();
        for line in output.lines() {
            let field: Map<String, Value> = serde_json::from_str(&format!("{{{line}}}")).ok()?;
            fields.extend(field);
        }
        serde_json::from_value(fields.into()).ok()
    }

    fn begun(&self, header: Header) -> Beginning {
        match header {
            Header::None => self.none,
            Header::V1 => self.v1,
            Header::V2 => Beginning {
                total: self.v2.total.saturating_add(self.local.total),
                last: self.v2.last.max(self.local.last),
            },
        }
    }

    /// Says why the header cannot be switched yet; none where it can.
    fn refusal(&self, accept: &str) -> Option<String> {
        match self.optional_until {
            _ if self.accept.as_deref() != Some(accept) => {
                Some(format!("it accepts {}, not {accept}", self.accept.as_deref().unwrap_or("nothing")))
            }
            None => Some("its configuration has no `header_optional_until`".to_owned()),
            Some(until) if until < self.now.saturating_add(MARGIN) => {
                Some(format!("that time ends in {} s", until.saturating_sub(self.now)))
            }
            Some(_) => None,
        }
    }

    fn progress(&self, awaited: Awaited<'_>, quiet: Duration) -> Progress {
        if self.optional_until.is_none_or(|until| until <= self.now) {
            return Progress::Strict;
        }
        let (new, old) = (self.begun(awaited.begins), self.begun(awaited.ceases));
        let silent = old.last.map(|last| self.now.saturating_sub(last));
        match silent {
            Some(seconds) if seconds <= quiet.as_secs() => {
                Progress::Lags(format!("began with {} {seconds} s ago", awaited.ceases))
            }
            _ if new.total > 0 => Progress::Seen,
            Some(_) | None => Progress::Unvisited,
        }
    }
}

/// Returns the time so many seconds from now, in RFC 3339; where the year is none that it can write nothing, which a
/// proxy refuses.
pub(super) fn from_now(seconds: u32) -> String {
    let until = OffsetDateTime::now_utc() + Duration::from_secs(seconds.into());
    until.replace_nanosecond(0).unwrap_or(until).format(&Rfc3339).unwrap_or_default()
}

impl Run<'_> {
    /// Checks that every proxy serves with the header and without it, for long enough to switch the load balancer.
    pub(super) async fn confirm_optional(
        &self,
        instances: &BTreeSet<String>,
        status: &str,
        accept: &str,
    ) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let mut pause = self.patience.first_pause();
        loop {
            let found = self.statuses(instances, status).await?;
            let refused = instances.iter().find_map(|instance| {
                let status = found.get(instance).and_then(Option::as_ref);
                let why = status.map_or_else(|| Some(UNANSWERED.to_owned()), |status| status.refusal(accept));
                why.map(|why| (instance.clone(), why))
            });
            let Some((instance, why)) = refused else { return Ok(()) };
            if start.elapsed() > LOADED_WITHIN {
                return Err(ExecuteError::NotOptional { instance, why });
            }
            if !self.patience.wait(&mut pause, &format!("{instance}: {why}")).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Waits until every proxy has seen what the load balancer sends now.
    pub(super) async fn await_header(
        &self,
        instances: &BTreeSet<String>,
        awaited: Awaited<'_>,
        timeout: Duration,
    ) -> Result<(), ExecuteError> {
        let start = Instant::now();
        let quiet = self.patience.quiet();
        let mut waiting = instances.clone();
        let mut pause = self.patience.first_pause();
        loop {
            let found = self.statuses(&waiting, awaited.status).await?;
            let mut reason = None;
            for (instance, status) in found {
                let progress = status.map_or_else(
                    || Progress::Lags(UNANSWERED.to_owned()),
                    |status| status.progress(awaited, quiet),
                );
                match progress {
                    Progress::Seen => {
                        waiting.remove(&instance);
                    }
                    Progress::Strict => {
                        (self.warn)(&format!("the proxy on {instance} no longer serves without the header"));
                        waiting.remove(&instance);
                    }
                    Progress::Unvisited if start.elapsed() > quiet * VISITED_WITHIN => {
                        (self.warn)(&format!(
                            "nobody has visited {instance} since: {} is not seen",
                            awaited.begins
                        ));
                        waiting.remove(&instance);
                    }
                    Progress::Unvisited => reason = Some((instance, "have not been made since".to_owned())),
                    Progress::Lags(why) => reason = Some((instance, why)),
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let (instance, why) = reason.unwrap_or_default();
            if start.elapsed() > timeout {
                return Err(ExecuteError::NotSwitched { instance, seconds: timeout.as_secs(), why });
            }
            if !self.patience.wait(&mut pause, &format!("connections to {instance} {why}")).await {
                return Err(ExecuteError::Interrupted);
            }
        }
    }

    /// Asks the proxies on instances for their states; none of one that does not answer.
    async fn statuses(
        &self,
        instances: &BTreeSet<String>,
        status: &str,
    ) -> Result<BTreeMap<String, Option<Status>>, ExecuteError> {
        let text = status_script(status);
        let script = Script { text: &text, comment: "elbws: what elbws-proxy sees", seconds: SCRIPT_SECONDS };
        let ids: Vec<&str> = instances.iter().map(String::as_str).collect();
        let answers = ssm::run(self.clients, &ids, script).await?;
        let read = |instance: &String| {
            let answer = answers.iter().find(|answer| answer.instance == *instance);
            answer
                .filter(|answer| answer.state == InvocationState::Succeeded)
                .and_then(|answer| Status::read(&answer.stdout))
        };
        Ok(instances.iter().map(|instance| (instance.clone(), read(instance))).collect())
    }
}

const UNANSWERED: &str = "cannot be told: it does not answer";

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::process::Command;

    use super::*;

    const QUIET: Duration = Duration::from_secs(30);
    const ON: Awaited<'static> = Awaited { status: "", begins: Header::V1, ceases: Header::None };

    fn status(now: u64, none: Option<u64>, v1: u64) -> Status {
        Status {
            now,
            accept: Some("v1".to_owned()),
            optional_until: Some(10_000),
            none: Beginning { total: 5, last: none },
            v1: Beginning { total: v1, last: None },
            ..Status::default()
        }
    }

    /// Runs the script against a server that answers once, or nobody.
    fn asked(answer: Option<&str>) -> Status {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/status", listener.local_addr().unwrap());
        let server = answer.map(str::to_owned).map(|body| {
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).unwrap();
                let length = body.len();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
            })
        });
        let run = Command::new("sh").arg("-c").arg(status_script(&url)).output().unwrap();
        if let Some(server) = server {
            server.join().unwrap();
        }
        assert!(run.status.success(), "{run:?}");
        Status::read(&String::from_utf8(run.stdout).unwrap()).unwrap()
    }

    /// The proxy's own words, through the script that cuts out what is asked for.
    #[test]
    fn the_script_cuts_out_what_is_asked_for() {
        if !Command::new("sh")
            .args(["-c", "command -v curl || command -v wget"])
            .output()
            .unwrap()
            .status
            .success()
        {
            println!("skipped: there is neither curl nor wget, as on every instance");
            return;
        }
        let status = asked(Some(
            r#"{"bytes":{"down":0,"up":0},"configuration":{"accept":"v2","header_optional_until":1790000000,"loaded":1789990000,
            "sha256":"ab"},"connections":3,"connections_by_header":{"local":{"last":1789999999,"total":2},"none":{"last":null,
            "total":0},"v1":{"last":null,"total":0},"v2":{"last":1789999998,"total":7}},"connections_total":9,
            "rejects":{"accept":1},"state":"serving"}"#,
        ));
        assert!(status.now > 1_790_000_000);
        let expected = Status {
            now: status.now,
            accept: Some("v2".to_owned()),
            optional_until: Some(1_790_000_000),
            none: Beginning::default(),
            v1: Beginning::default(),
            v2: Beginning { total: 7, last: Some(1_789_999_998) },
            local: Beginning { total: 2, last: Some(1_789_999_999) },
        };
        assert_eq!(status, expected);
        assert_eq!(status.begun(Header::V2), Beginning { total: 9, last: Some(1_789_999_999) });
        assert_eq!(asked(None).refusal("v1").unwrap(), "it accepts nothing, not v1");
    }

    #[test]
    fn a_proxy_must_do_without_the_header_for_long_enough() {
        let until = |until| Status { optional_until: until, ..status(1000, None, 0) };
        assert_eq!(until(Some(4300)).refusal("v1"), None);
        assert_eq!(until(Some(1899)).refusal("v1").unwrap(), "that time ends in 899 s");
        assert_eq!(until(Some(900)).refusal("v1").unwrap(), "that time ends in 0 s");
        assert!(until(None).refusal("v1").unwrap().contains("header_optional_until"));
        assert_eq!(until(Some(4300)).refusal("v2").unwrap(), "it accepts v1, not v2");
    }

    #[test]
    fn the_new_beginning_is_seen_and_the_former_is_silent() {
        assert_eq!(status(1000, None, 1).progress(ON, QUIET), Progress::Seen);
        assert_eq!(status(1000, Some(969), 1).progress(ON, QUIET), Progress::Seen);
        let lags = Progress::Lags("began with no PROXY header 30 s ago".to_owned());
        assert_eq!(status(1000, Some(970), 1).progress(ON, QUIET), lags);
        assert_eq!(status(1000, Some(900), 0).progress(ON, QUIET), Progress::Unvisited);
        assert_eq!(status(1000, None, 0).progress(ON, QUIET), Progress::Unvisited);
        assert_eq!(status(10_000, Some(900), 0).progress(ON, QUIET), Progress::Strict);
        let off = Awaited { begins: Header::None, ceases: Header::V1, ..ON };
        let turned = Status { v1: Beginning { total: 3, last: Some(990) }, ..status(1000, None, 0) };
        assert_eq!(
            turned.progress(off, QUIET),
            Progress::Lags("began with a PROXY header of version 1 10 s ago".to_owned())
        );
    }
}
