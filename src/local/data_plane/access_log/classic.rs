//! The format of Classic load balancers.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html>

use std::fmt::Write as _;

use super::{Record, Times, escaped, stamp};

pub(super) fn line(record: &Record) -> String {
    let mut line = stamp(record.at);
    let _ = write!(line, " {} {} ", record.front.name, record.client);
    match record.backend {
        Some(backend) => {
            let _ = write!(line, "{backend}");
        }
        None => line.push('-'),
    }
    let Times { begun, dispatched, answered, returned } = record.times;
    for (from, to) in [(Some(begun), dispatched), (dispatched, answered), (answered, returned)] {
        match from.zip(to) {
            Some((from, to)) => {
                let _ = write!(line, " {:.6}", to.saturating_duration_since(from).as_secs_f64());
            }
            None => line.push_str(" -1"),
        }
    }
    match record.statuses {
        Some((own, backend)) => {
            let _ = write!(line, " {own} {backend}");
        }
        None => line.push_str(" - -"),
    }
    let (request, user_agent) = match &record.request {
        Some(line) => (line.request.as_str(), line.user_agent.as_str()),
        None => ("- - - ", "-"),
    };
    let agreed = record.handshake.as_ref();
    let cipher = agreed.and_then(|agreed| agreed.cipher).unwrap_or("-");
    let protocol = agreed.map_or("-", |agreed| agreed.version);
    let (request, user_agent) = (escaped(request), escaped(user_agent));
    let _ = writeln!(
        line,
        " {} {} \"{request}\" \"{user_agent}\" {cipher} {protocol}",
        record.received, record.sent
    );
    line
}
