//! The format of Application Load Balancers.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>

use std::fmt::Write as _;

use time::OffsetDateTime;

use super::{Record, Times, escaped, stamp};

/// What only these tell of a request.
#[derive(Debug)]
pub(in crate::local::data_plane) struct Details {
    /// `http`, `https`, `h2`, `grpcs`, `ws` or `wss`.
    kind: &'static str,
    /// The request's own trace id, without a name.
    pub(in crate::local::data_plane) trace: String,
    /// The rule that took it; 0 for the default one, none where it came to none.
    pub(in crate::local::data_plane) priority: Option<u16>,
    /// `forward`, `redirect` or `fixed-response`.
    pub(in crate::local::data_plane) action: &'static str,
    pub(in crate::local::data_plane) redirect: Option<String>,
    /// The ARN of the target group.
    pub(in crate::local::data_plane) group: Option<String>,
    /// The class of a request that does not comply with RFC 7230, and why.
    pub(in crate::local::data_plane) classification: (&'static str, &'static str),
}

impl Details {
    pub(in crate::local::data_plane) fn new(kind: &'static str, trace: String) -> Self {
        let classification = ("-", "-");
        Self { kind, trace, priority: None, action: "-", redirect: None, group: None, classification }
    }
}

/// A request, as it is when its response has ended: `now`. `id` is the load balancer's, `app/NAME/ID`.
pub(super) fn line(record: &Record, details: &Details, id: &str, now: OffsetDateTime) -> String {
    let mut line = format!("{} {} {id} {} ", details.kind, stamp(now), record.client);
    let backend = record.backend.map_or_else(|| "-".to_owned(), |backend| backend.to_string());
    line.push_str(&backend);
    let Times { begun, dispatched, answered, returned } = record.times;
    // What never came to be is -1, and so is what would have followed it.
    for (from, to) in [(Some(begun), dispatched), (dispatched, answered), (answered, returned)] {
        match from.zip(to) {
            Some((from, to)) => {
                let _ = write!(line, " {:.3}", to.saturating_duration_since(from).as_secs_f64());
            }
            None => line.push_str(" -1"),
        }
    }
    // A client that left before there was an answer.
    let (own, target) = record.statuses.unwrap_or((460, 0));
    let target = if target == 0 { "-".to_owned() } else { target.to_string() };
    let _ = write!(line, " {own} {target} {} {}", record.received, record.sent);
    let (request, user_agent) = match &record.request {
        Some(line) => (line.request.as_str(), line.user_agent.as_str()),
        None => ("- - - ", "-"),
    };
    let agreed = record.handshake.as_ref();
    let cipher = agreed.and_then(|agreed| agreed.cipher).unwrap_or("-");
    let protocol = agreed.map_or("-", |agreed| agreed.version);
    let _ = write!(line, " \"{}\" \"{}\" {cipher} {protocol}", escaped(request), escaped(user_agent));
    let group = details.group.as_deref().unwrap_or("-");
    let domain = agreed.and_then(|agreed| agreed.server_name.as_deref()).unwrap_or("-");
    let certificate = agreed.map_or("-", |agreed| agreed.certificate.as_str());
    let priority = details.priority.map_or(-1, i32::from);
    let redirect = details.redirect.as_deref().unwrap_or("-");
    let (class, reason) = details.classification;
    let _ = writeln!(
        line,
        " {group} \"Root={}\" \"{}\" \"{certificate}\" {priority} {} \"{}\" \"{}\" \"-\" \"{backend}\" \"{target}\" \"{class}\" \"{reason}\" {}",
        details.trace,
        escaped(domain),
        stamp(record.at),
        details.action,
        escaped(redirect),
        record.connection,
    );
    line
}
