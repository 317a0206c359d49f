//! Access logs, below a directory in place of the bucket; what a line says differs between load balancers.
//!
//! A file is named for the end of its interval, as the real one is, but is written to as it happens.

mod application;
mod classic;
pub(super) mod connection;
mod network;

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::time::Instant;

pub(super) use self::application::Details;
use super::Plane;
use super::backend::Target;
use super::front::{Family, Front};
use super::tls::Handshake;
use crate::local::ACCOUNT_ID;
use crate::local::account::Inner;
use crate::local::state::elbv2::LoadBalancer;

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
    /// Of requests to Application Load Balancers.
    pub(super) details: Option<Box<Details>>,
    /// What the connection is known by there.
    pub(super) connection: String,
    /// Where the client connected to.
    pub(super) destination: Option<SocketAddr>,
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
            details: None,
            connection: "-".to_owned(),
            destination: None,
        }
    }

    /// When it began.
    pub(super) fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// Notes which instance it goes to.
    pub(super) fn dispatch(&mut self, target: &Target) {
        self.backend = Some(SocketAddr::new(target.address.ip(), target.port));
        self.times.dispatched = Some(Instant::now());
    }

    /// The line, and the file that it belongs to; none if the load balancer does not log this.
    fn entry(&self, inner: &Inner, directory: &Path) -> Option<(PathBuf, String)> {
        let now = inner.clock.now();
        let region = inner.state.regions.get(&self.front.region)?;
        let listener = match &self.front.family {
            Family::Classic { .. } => {
                let load_balancer = region.elb.load_balancers.get(&self.front.name)?;
                let log = &load_balancer.attributes.access_log;
                let bucket = Bucket {
                    name: log.bucket.as_deref().filter(|_| log.enabled)?,
                    prefix: log.prefix.as_deref().unwrap_or_default(),
                    log: "",
                    id: load_balancer.name.clone(),
                    address: load_balancer.address,
                    minutes: log.interval.unwrap_or(60),
                };
                let path = bucket.path(directory, &self.front, now)?;
                return Some((path, classic::line(self)));
            }
            Family::Application { listener, .. } | Family::Network { listener, .. } => listener,
        };
        let (load_balancer, _) = region.elbv2.listener(listener)?;
        let bucket = Bucket::of("access_logs", "", load_balancer)?;
        let path = bucket.path(directory, &self.front, now)?;
        let id = load_balancer.path();
        let line = if let Some(details) = &self.details {
            application::line(self, details, id, now)
        } else {
            network::line(self, id, listener.rsplit('/').next().unwrap_or(listener), now)
        };
        Some((path, line)).filter(|(_, line)| !line.is_empty())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(directory) = &self.plane.access_logs else { return };
        let entry = self.entry(&self.plane.account.lock(), directory);
        let Some((path, line)) = entry else { return };
        if let Err(error) = append(&path, &line) {
            self.plane.say(format!("cannot write the access log {}: {error}", path.display()));
        }
    }
}

/// Where a load balancer's logs go.
struct Bucket<'a> {
    name: &'a str,
    prefix: &'a str,
    /// What the names of files begin with, where they are of another log than that of accesses.
    log: &'static str,
    /// The load balancer's name or id in the names of files.
    id: String,
    address: Ipv4Addr,
    /// How long an interval is.
    minutes: u16,
}

impl<'a> Bucket<'a> {
    /// That of one of a load balancer's logs, if it is written.
    fn of(attribute: &str, log: &'static str, load_balancer: &'a LoadBalancer) -> Option<Self> {
        let attributes = &load_balancer.attributes;
        let value = |key: &str| attributes.get(&format!("{attribute}.s3.{key}"));
        (value("enabled") == "true").then(|| Self {
            name: value("bucket"),
            prefix: value("prefix"),
            log,
            id: load_balancer.path().replace('/', "."),
            address: load_balancer.address,
            minutes: 5,
        })
    }
    /// The file of the present interval.
    fn path(&self, directory: &Path, front: &Front, now: OffsetDateTime) -> Option<PathBuf> {
        let Self { name, prefix, log, id, address, minutes } = self;
        let mut path = directory.to_owned();
        for part in [*name].into_iter().chain(prefix.split('/').filter(|part| !part.is_empty())) {
            // Names of a bucket's objects may be anything; those of files here may not lead elsewhere.
            if part.is_empty() || part == "." || part == ".." || part.contains(['/', '\0']) {
                return None;
            }
            path.push(part);
        }
        let end = interval_end(now, *minutes);
        let digest = Sha256::digest(&front.dns_name);
        let unique = digest.iter().take(4).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let day = end.format(format_description!("[year]/[month]/[day]")).ok()?;
        let minute = end.format(format_description!("[year][month][day]T[hour][minute]Z")).ok()?;
        let region = &front.region;
        path.push(format!("AWSLogs/{ACCOUNT_ID}/elasticloadbalancing/{region}/{day}"));
        path.push(format!(
            "{log}{ACCOUNT_ID}_elasticloadbalancing_{region}_{id}_{minute}_{address}_{unique}.log"
        ));
        Some(path)
    }
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

/// The time without its fraction and zone.
fn seconds(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
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
