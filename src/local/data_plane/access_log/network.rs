//! The format of Network Load Balancers, which log TLS connections alone.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html>

use time::OffsetDateTime;

use super::{Record, escaped, seconds};

/// A connection, as it is when it has ended: `now`. `id` is the load balancer's, `net/NAME/ID`, and `listener`
/// the last part of the listener's.
pub(super) fn line(record: &Record, id: &str, listener: &str, now: OffsetDateTime) -> String {
    let Some(agreed) = &record.handshake else { return String::new() };
    let lasted = record.times.begun.elapsed().as_millis();
    let cipher = agreed.cipher.unwrap_or("-");
    let version = agreed.version.to_lowercase().replace('.', "");
    let domain = agreed.server_name.as_deref().unwrap_or("-");
    let alpn = agreed.alpn.as_deref().unwrap_or("-");
    format!(
        "tls 2.0 {} {id} {listener} {} {} {lasted} {} {} {} - {} - {cipher} {version} - {} {alpn} - - {}\n",
        seconds(now),
        record.client,
        record.destination.map_or_else(|| "-".to_owned(), |address| address.to_string()),
        agreed.took.as_millis(),
        record.received,
        record.sent,
        agreed.certificate,
        escaped(domain),
        seconds(record.at),
    )
}
