//! Answers that the proxy gives itself: short, and without a word about backends.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// An answer of the proxy's own.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Why, for the log and the optional header: one word.
    pub(super) reason: &'static str,
    location: Option<String>,
}

impl Reply {
    pub(super) fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason, location: None }
    }

    pub(super) fn moved(location: String) -> Self {
        Self { status: 301, reason: "redirect", location: Some(location) }
    }

    fn text(&self) -> String {
        format!("{} {}\n", self.status, phrase(self.status))
    }

    /// How much of the answer is body; `body` is false for HEAD.
    pub(super) fn body_length(&self, body: bool) -> u64 {
        if body { self.text().len() as u64 } else { 0 }
    }

    /// The bytes of the answer; `body` is false for HEAD.
    pub(super) fn render(&self, keep_alive: bool, body: bool, reason_header: bool) -> Vec<u8> {
        const IMF: &[BorrowedFormatItem<'_>] = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        let phrase = phrase(self.status);
        let text = self.text();
        let mut out = format!("HTTP/1.1 {} {phrase}\r\n", self.status);
        // Writing to a String cannot fail.
        let _ = write!(out, "Date: {}\r\n", OffsetDateTime::now_utc().format(IMF).unwrap_or_default());
        let _ = write!(out, "Content-Type: text/plain\r\nContent-Length: {}\r\n", text.len());
        if let Some(location) = &self.location {
            let _ = write!(out, "Location: {location}\r\n");
        }
        if self.status == 426 {
            out.push_str("Sec-WebSocket-Version: 13\r\n");
        }
        if reason_header {
            let _ = write!(out, "X-Elbws-Reason: {}\r\n", self.reason);
        }
        out.push_str(if keep_alive { "\r\n" } else { "Connection: close\r\n\r\n" });
        if body {
            out.push_str(&text);
        }
        out.into_bytes()
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        400 => "Bad Request",
        404 => "Not Found",
        408 => "Request Timeout",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}
