//! The live state of a stack, for people and for programs.

mod classic;
mod proxy;
mod v2;

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::provision::plan::ProxyOn;
use crate::provision::resource::Certificate;

pub(crate) use classic::ClassicStatus;
pub(crate) use v2::{GroupStatus, V2Status};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const WARN: Style = AnsiColor::Yellow.on_default();
const BOLD: Style = Style::new().bold();
/// A certificate that expires within so many days is pointed out; ACM renews its own 60 days ahead.
const EXPIRES_SOON: i64 = 30;

/// What `status` shows.
pub(crate) struct Status {
    /// The stack.
    pub(crate) stack: String,
    /// Its load balancer, and what this says of its targets.
    pub(crate) load_balancer: LoadBalancerStatus,
    /// The certificates on its listeners.
    pub(crate) certificates: Vec<Certificate>,
    /// The proxy on each instance; none where it is not installed by us.
    pub(crate) proxies: Vec<ProxyOn>,
    /// How many resources differ from the spec.
    pub(crate) drift: usize,
}

/// A load balancer of either API.
pub(crate) enum LoadBalancerStatus {
    /// A Classic one.
    Classic(ClassicStatus),
    /// An Application or a Network one.
    V2(V2Status),
}

impl Status {
    /// Returns the state for programs.
    pub(crate) fn json(&self) -> Value {
        let (balancer, targets) = match &self.load_balancer {
            LoadBalancerStatus::Classic(classic) => (classic.json(), classic.targets()),
            LoadBalancerStatus::V2(v2) => (v2.json(), v2.targets()),
        };
        let certificates: Vec<Value> = self
            .certificates
            .iter()
            .map(|found| {
                json!({
                    "arn": found.arn,
                    "domain": found.domains.first(),
                    "expires": found.not_after.and_then(date),
                    "sni": self.is_chosen_by_sni(found),
                })
            })
            .collect();
        let mut status = json!({
            "stack": self.stack,
            "load_balancer": balancer,
            "targets": targets,
            "certificates": certificates,
            "drift": self.drift,
        });
        if !self.proxies.is_empty() {
            let proxies: Vec<Value> = self.proxies.iter().map(proxy::json).collect();
            status["proxies"] = proxies.into();
        }
        status
    }

    /// Returns the state for people.
    pub(crate) fn text(&self) -> String {
        let mut text = match &self.load_balancer {
            LoadBalancerStatus::Classic(classic) => classic.text(),
            LoadBalancerStatus::V2(v2) => v2.text(),
        };
        if !self.certificates.is_empty() {
            let _ = writeln!(text, "\n{BOLD}certificates{BOLD:#}");
        }
        for found in &self.certificates {
            let domain = found.domains.first().map_or("", String::as_str);
            let sni = if self.is_chosen_by_sni(found) { "  by SNI" } else { "" };
            let _ = writeln!(text, "  {domain}  {}  {}{sni}", expiry(found.not_after), found.arn);
        }
        if !self.proxies.is_empty() {
            text.push_str(&proxy::text(&self.proxies));
        }
        let _ = match self.drift {
            0 => writeln!(text, "\n{GOOD}as the spec says{GOOD:#}"),
            1 => writeln!(text, "\n{WARN}1 resource differs from the spec: see elbws plan{WARN:#}"),
            many => writeln!(text, "\n{WARN}{many} resources differ from the spec: see elbws plan{WARN:#}"),
        };
        text
    }

    /// Says whether clients are shown the certificate only where they name one of its domains.
    fn is_chosen_by_sni(&self, certificate: &Certificate) -> bool {
        match &self.load_balancer {
            LoadBalancerStatus::Classic(_) => false,
            LoadBalancerStatus::V2(v2) => !v2.has_as_default(&certificate.arn),
        }
    }
}

fn date(seconds: i64) -> Option<String> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

fn expiry(not_after: Option<i64>) -> String {
    let Some((seconds, date)) = not_after.and_then(|seconds| Some((seconds, date(seconds)?))) else {
        return "expiry unknown".to_owned();
    };
    let days = (seconds - OffsetDateTime::now_utc().unix_timestamp()) / 86_400;
    let day = date.split('T').next().unwrap_or_default();
    match days {
        ..0 => format!("{BAD}expired {day}{BAD:#}"),
        0..EXPIRES_SOON => format!("{WARN}expires {day}, in {days} days{WARN:#}"),
        EXPIRES_SOON.. => format!("expires {day}, in {days} days"),
    }
}
