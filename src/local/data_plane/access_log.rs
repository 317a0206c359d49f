//! Access logs in the format of Classic load balancers, below a directory in place of the bucket.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html>. A file is
//! named for the end of its interval, as the real one is, but is written to as it happens.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::time::Instant;

use super::Plane;
use super::backend::Target;
use super::front::Front;
use super::tls::Handshake;
use crate::local::ACCOUNT_ID;
use crate::local::state::elb::LoadBalancer;

/// What is logged of a request, or of a connection in which there are none. It is written when it is dropped.
pub(super) struct Record {
    plane: Arc<Plane>,
    front: Front,
    at: OffsetDateTime,
    client: SocketAddr,
    handshake: Option<Handshake>,
    /// The instance, at the port that the API knows.
    pub(super) backend: Option<SocketAddr>,
    pub(super) times: Times,
    /// The load balancer's and the instance's; none for connections.
    pub(super) statuses: Option<(u16, u16)>,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) request: Option<Line>,
}

/// The request's line and who asks.
pub(super) struct Line {
    pub(super) request: String,
    pub(super) user_agent: String,
}

/// When what happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    begun: Instant,
    /// It was on its way to the instance.
    pub(super) dispatched: Option<Instant>,
    /// The instance began to answer.
    pub(super) answered: Option<Instant>,
    /// The answer was on its way to the client.
    pub(super) returned: Option<Instant>,
}

impl Record {
    /// Begins with the arrival of a request, or of a connection.
    pub(super) fn new(
        plane: &Arc<Plane>,
        front: &Front,
        client: SocketAddr,
        handshake: Option<&Handshake>,
    ) -> Self {
        let times = Times { begun: Instant::now(), dispatched: None, answered: None, returned: None };
        Self {
            plane: Arc::clone(plane),
            front: front.clone(),
            at: plane.account.lock().clock.now(),
            client,
            handshake: handshake.cloned(),
            backend: None,
            times,
            statuses: None,
            received: 0,
            sent: 0,
            request: None,
        }
    }

    /// Notes which instance it goes to.
    pub(super) fn dispatch(&mut self, target: &Target) {
        self.backend = Some(SocketAddr::new(target.address.ip(), target.port));
        self.times.dispatched = Some(Instant::now());
    }

    fn line(&self) -> String {
        let mut line = stamp(self.at);
        let _ = write!(line, " {} {} ", self.front.name, self.client);
        match self.backend {
            Some(backend) => {
                let _ = write!(line, "{backend}");
            }
            None => line.push('-'),
        }
        let Times { begun, dispatched, answered, returned } = self.times;
        for (from, to) in [(Some(begun), dispatched), (dispatched, answered), (answered, returned)] {
            match from.zip(to) {
                Some((from, to)) => {
                    let _ = write!(line, " {:.6}", to.saturating_duration_since(from).as_secs_f64());
                }
                None => line.push_str(" -1"),
            }
        }
        match self.statuses {
            Some((own, backend)) => {
                let _ = write!(line, " {own} {backend}");
            }
            None => line.push_str(" - -"),
        }
        let (request, user_agent) = match &self.request {
            Some(line) => (line.request.as_str(), line.user_agent.as_str()),
            None => ("- - - ", "-"),
        };
        let agreed = self.handshake.as_ref();
        let cipher = agreed.and_then(|agreed| agreed.cipher).unwrap_or("-");
        let protocol = agreed.map_or("-", |agreed| agreed.version);
        let (request, user_agent) = (escaped(request), escaped(user_agent));
        let _ = writeln!(
            line,
            " {} {} \"{request}\" \"{user_agent}\" {cipher} {protocol}",
            self.received, self.sent
        );
        line
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(directory) = &self.plane.access_logs else { return };
        let path = {
            let inner = self.plane.account.lock();
            let region = inner.state.regions.get(&self.front.region);
            let load_balancer = region.and_then(|region| region.elb.load_balancers.get(&self.front.name));
            let now = inner.clock.now();
            load_balancer.and_then(|found| path(directory, &self.front.region, found, now))
        };
        let Some(path) = path else { return };
        if let Err(error) = append(&path, &self.line()) {
            self.plane.say(format!("cannot write the access log {}: {error}", path.display()));
        }
    }
}

/// The file of the present interval, if the load balancer logs.
fn path(
    directory: &Path,
    region: &str,
    load_balancer: &LoadBalancer,
    now: OffsetDateTime,
) -> Option<PathBuf> {
    let log = &load_balancer.attributes.access_log;
    let bucket = log.bucket.as_deref().filter(|_| log.enabled)?;
    let prefix = log.prefix.as_deref().unwrap_or_default();
    let mut path = directory.to_owned();
    for part in [bucket].into_iter().chain(prefix.split('/').filter(|part| !part.is_empty())) {
        // Names of a bucket's objects may be anything; those of files here may not lead elsewhere.
        if part == "." || part == ".." || part.contains(['/', '\0']) {
            return None;
        }
        path.push(part);
    }
    let end = interval_end(now, log.interval.unwrap_or(60));
    let digest = Sha256::digest(&load_balancer.dns_name);
    let unique = digest.iter().take(4).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let day = end.format(format_description!("[year]/[month]/[day]")).ok()?;
    let minute = end.format(format_description!("[year][month][day]T[hour][minute]Z")).ok()?;
    path.push(format!("AWSLogs/{ACCOUNT_ID}/elasticloadbalancing/{region}/{day}"));
    let (name, address) = (&load_balancer.name, load_balancer.address);
    path.push(format!("{ACCOUNT_ID}_elasticloadbalancing_{region}_{name}_{minute}_{address}_{unique}.log"));
    Some(path)
}

/// The end of the interval of so many minutes that a time is in.
fn interval_end(now: OffsetDateTime, minutes: u16) -> OffsetDateTime {
    let length = i64::from(minutes) * 60;
    let past = now.unix_timestamp().rem_euclid(length);
    now.to_offset(UtcOffset::UTC).saturating_add(Duration::seconds(length - past))
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let mut file = match (opened, path.parent()) {
        (Err(error), Some(folder)) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            OpenOptions::new().create(true).append(true).open(path)?
        }
        (opened, _) => opened?,
    };
    // In one call, so that lines of several connections do not mix.
    file.write_all(line.as_bytes())
}

fn stamp(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    at.to_offset(UtcOffset::UTC).format(format).unwrap_or_default()
}

/// What a client sent cannot end its quotes or its line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(|found: char| found.is_control(), "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn intervals_end_on_the_hour_or_on_five_minutes() {
        let now = datetime!(2026-02-03 23:58:01.5 UTC);
        for (minutes, expected) in
            [(60, datetime!(2026-02-04 00:00 UTC)), (5, datetime!(2026-02-04 00:00 UTC))]
        {
            assert_eq!(interval_end(now, minutes).unix_timestamp(), expected.unix_timestamp());
        }
        let end = interval_end(datetime!(2026-02-03 10:05 UTC), 5);
        assert_eq!(end, datetime!(2026-02-03 10:10 UTC));
        assert_eq!(stamp(now), "2026-02-03T23:58:01.500000Z");
    }

    #[test]
    fn quotes_and_line_ends_stay_inside() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c?d");
    }
}
