//! The access log: one line a request or tunnel, written by a thread of its own.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::proxy::config::{AccessLog, AccessLogFormat};

/// Lines that may wait for the writer.
const QUEUE: usize = 8192;

/// What is logged of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The visitor's address.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub client: SocketAddr,
    /// The scheme the visitor used.
    pub scheme: Cow<'static, str>,
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The version.
    pub protocol: Cow<'static, str>,
    /// The host asked for.
    pub host: Option<String>,
    /// The `Referer`.
    pub referer: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
    /// The backend, where there was one.
    pub upstream: Option<String>,
    /// The status sent to the client; 499 when the client left before.
    pub status: u16,
    /// Body bytes from the client.
    pub bytes_received: u64,
    /// Body bytes to the client.
    pub bytes_sent: u64,
    /// How long it took, in milliseconds.
    #[serde(rename = "duration_ms", serialize_with = "as_millis", skip_deserializing)]
    pub duration: Duration,
    /// How the tunnel ended, where there was one.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    pub tunnel: Option<TunnelEntry>,
}

/// What is logged of a tunnel besides its request.
#[derive(Debug, Clone, Serialize)]
pub struct TunnelEntry {
    /// `client`, `backend` or `proxy`.
    pub closed_by: &'static str,
    /// `closed`, `reset`, `idle`, `drain` or `cut`.
    pub how: &'static str,
    /// The code of the Close frame, where one was seen.
    pub close_code: Option<u16>,
}

fn as_text<S: serde::Serializer>(address: &SocketAddr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&address.ip())
}

fn from_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    IpAddr::deserialize(deserializer).map(|ip| SocketAddr::new(ip, 0))
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((took.as_secs_f64() * 1_000_000.0).round() / 1000.0)
}

enum Message {
    Line(Vec<u8>),
    Reopen,
}

/// The log's front: formats entries and hands them to the writer, never waiting for it.
#[derive(Debug)]
pub struct AccessLogger {
    format: AccessLogFormat,
    sender: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
}

impl AccessLogger {
    /// Opens the log; with [`AccessLog::Off`] nothing is formatted.
    pub fn open(log: &AccessLog, format: AccessLogFormat) -> io::Result<Self> {
        let sink = match log {
            AccessLog::Off => return Ok(Self { format, sender: None, writer: None }),
            AccessLog::Stdout => Sink::Stdout,
            AccessLog::File(path) => Sink::File(path.clone(), append(path)?),
        };
        let (sender, receiver) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        let writer = thread.spawn(move || write_lines(&receiver, sink))?;
        Ok(Self { format, sender: Some(sender), writer: Some(writer) })
    }

    /// Whether anything is logged.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sender.is_some()
    }

    /// Logs an entry; false when it had to be dropped.
    #[must_use]
    pub fn log(&self, entry: &Entry) -> bool {
        let Some(sender) = &self.sender else { return true };
        let now = OffsetDateTime::now_utc();
        let line = match self.format {
            AccessLogFormat::Json => json(entry, now),
            AccessLogFormat::Combined => combined(entry, now),
        };
        !matches!(sender.try_send(Message::Line(line)), Err(TrySendError::Full(_)))
    }

    /// Opens the file anew, after it was moved away.
    pub fn reopen(&self) {
        if let Some(sender) = &self.sender {
            // A full queue means that the writer is stuck on the old file; the next reload tries again.
            let _ = sender.try_send(Message::Reopen);
        }
    }
}

impl Drop for AccessLogger {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

enum Sink {
    Stdout,
    File(std::path::PathBuf, File),
}

fn append(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes what comes until every sender is gone; flushes whenever nothing waits.
fn write_lines(receiver: &Receiver<Message>, sink: Sink) {
    let (path, mut out): (_, BufWriter<Box<dyn Write>>) = match sink {
        Sink::Stdout => (None, BufWriter::new(Box::new(io::stdout()))),
        Sink::File(path, file) => (Some(path), BufWriter::new(Box::new(file))),
    };
    loop {
        let message = match receiver.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                let _ = out.flush();
                let Ok(message) = receiver.recv() else { break };
                message
            }
        };
        match message {
            // A full disk must not stop the proxy: the line is lost.
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Reopen => {
                let _ = out.flush();
                if let Some(Ok(file)) = path.as_deref().map(append) {
                    out = BufWriter::new(Box::new(file));
                }
            }
        }
    }
    let _ = out.flush();
}

fn json(entry: &Entry, now: OffsetDateTime) -> Vec<u8> {
    #[derive(Serialize)]
    struct Timed<'a> {
        time: String,
        #[serde(flatten)]
        entry: &'a Entry,
    }
    let time = now.format(&Rfc3339).unwrap_or_default();
    let mut line = serde_json::to_vec(&Timed { time, entry }).unwrap_or_default();
    line.push(b'\n');
    line
}

const CLF: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

fn combined(entry: &Entry, now: OffsetDateTime) -> Vec<u8> {
    let text = |value: &Option<String>| value.as_deref().map_or("-".to_owned(), escape);
    format!(
        "{} - - [{}] \"{} {} {}\" {} {} \"{}\" \"{}\"\n",
        entry.client.ip(),
        now.format(&CLF).unwrap_or_default(),
        entry.method,
        escape(&entry.target),
        entry.protocol,
        entry.status,
        entry.bytes_sent,
        text(&entry.referer),
        text(&entry.user_agent),
    )
    .into_bytes()
}

/// Quotes and backslashes would end the field early; anything not printable could fake a line.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let plain = (' '..='~').contains(&letter) && letter != '"' && letter != '\\';
            let escaped = if plain { String::from(letter) } else { letter.escape_default().to_string() };
            escaped.chars().collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            client: "192.0.2.1:50000".parse().unwrap(),
            scheme: "https".into(),
            method: "GET".to_owned(),
            target: "/a?b".to_owned(),
            protocol: "HTTP/1.1".into(),
            host: Some("example.com".to_owned()),
            referer: None,
            user_agent: Some("x \"y\"\n".to_owned()),
            upstream: None,
            status: 200,
            bytes_received: 0,
            bytes_sent: 7,
            duration: Duration::from_micros(1500),
            tunnel: None,
        }
    }

    #[test]
    fn a_user_agent_cannot_forge_a_line() {
        let line = String::from_utf8(combined(&entry(), OffsetDateTime::UNIX_EPOCH)).unwrap();
        assert_eq!(
            line,
            "192.0.2.1 - - [01/Jan/1970:00:00:00 +0000] \"GET /a?b HTTP/1.1\" 200 7 \"-\" \"x \\\"y\\\"\\n\"\n"
        );
    }

    #[test]
    fn json_lines_parse() {
        let line: serde_json::Value =
            serde_json::from_slice(&json(&entry(), OffsetDateTime::UNIX_EPOCH)).unwrap();
        assert_eq!(line["client"], "192.0.2.1");
        assert_eq!(line["duration_ms"], 1.5);
        assert_eq!(line["time"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_moved_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLogger::open(&AccessLog::File(path.clone()), AccessLogFormat::Combined).unwrap();
        assert!(log.log(&entry()));
        log.reopen();
        assert!(log.log(&entry()));
        drop(log);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
    }
}
