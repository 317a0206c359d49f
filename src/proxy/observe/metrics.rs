//! Counters, one set a worker so that no cache line is shared, summed when they are read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Beginning, Reject};

/// Upper bounds of the latency histogram's buckets, in milliseconds.
const BUCKETS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30_000];

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Connections accepted.
    Connections,
    /// Connections ended.
    ConnectionsEnded,
    /// Connections that ended before their first byte, as health checks do.
    ConnectionsEmpty,
    /// Connections that began with a PROXY header of version 1.
    BegunV1,
    /// … of version 2.
    BegunV2,
    /// … of version 2 with the command LOCAL.
    BegunLocal,
    /// Connections that began with something else than a PROXY header, and were served.
    BegunBare,
    /// Requests answered with 1xx and 2xx.
    Requests2xx,
    /// Requests answered with 3xx.
    Requests3xx,
    /// Requests answered with 4xx.
    Requests4xx,
    /// Requests answered with 5xx.
    Requests5xx,
    /// Tunnels opened.
    Tunnels,
    /// Tunnels ended.
    TunnelsEnded,
    /// WebSocket handshakes that the backend or the proxy refused.
    HandshakesRefused,
    /// Bytes of tunnels and bodies from clients.
    BytesUp,
    /// Bytes of tunnels and bodies to clients.
    BytesDown,
    /// Connections opened to backends.
    UpstreamConnections,
    /// Requests sent on a kept connection.
    UpstreamReused,
    /// Requests sent again to another connection or backend.
    Retries,
    /// Access log lines dropped because the disk or pipe is too slow.
    LogDropped,
}

/// Name, labels and help of each counter, in the order of [`Counter`].
const COUNTERS: [(&str, &str, &str); 20] = [
    ("connections_total", "", "Connections accepted."),
    ("connections_ended_total", "", "Connections ended."),
    ("connections_empty_total", "", "Connections that ended before their first byte."),
    ("connections_by_header_total", "header=\"v1\"", "Connections by the PROXY header that they began with."),
    ("connections_by_header_total", "header=\"v2\"", ""),
    ("connections_by_header_total", "header=\"local\"", ""),
    ("connections_by_header_total", "header=\"none\"", ""),
    ("requests_total", "code=\"2xx\"", "Requests by class of status."),
    ("requests_total", "code=\"3xx\"", ""),
    ("requests_total", "code=\"4xx\"", ""),
    ("requests_total", "code=\"5xx\"", ""),
    ("tunnels_total", "", "WebSocket tunnels opened."),
    ("tunnels_ended_total", "", "WebSocket tunnels ended."),
    ("handshakes_refused_total", "", "WebSocket handshakes refused."),
    ("bytes_total", "direction=\"up\"", "Body and tunnel bytes; up is from clients."),
    ("bytes_total", "direction=\"down\"", ""),
    ("upstream_connections_total", "", "Connections opened to backends."),
    ("upstream_reused_total", "", "Requests sent on a kept connection."),
    ("retries_total", "", "Requests sent again."),
    ("access_log_dropped_total", "", "Access log lines dropped."),
];

/// One worker's counters.
#[derive(Debug, Default)]
pub struct Metrics {
    counters: [AtomicU64; COUNTERS.len()],
    rejects: [AtomicU64; Reject::ALL.len()],
    latency: [AtomicU64; BUCKETS.len() + 1],
    latency_sum: AtomicU64,
    held: AtomicU64,
    /// When the last connection of each beginning came, in unix seconds; 0 for never.
    last_begun: [AtomicU64; Beginning::ALL.len()],
}

impl Metrics {
    /// Adds to a counter.
    pub fn add(&self, counter: Counter, amount: u64) {
        if let Some(slot) = self.counters.get(counter as usize) {
            slot.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Notes that a tunnel's buffers take other memory than before, in bytes.
    pub fn hold(&self, before: usize, now: usize) {
        if now >= before {
            self.held.fetch_add((now - before) as u64, Ordering::Relaxed);
        } else {
            self.held.fetch_sub((before - now) as u64, Ordering::Relaxed);
        }
    }

    /// Counts a reject.
    pub fn reject(&self, cause: Reject) {
        if let Some(slot) = self.rejects.get(cause.index()) {
            slot.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a connection by what it begins with, now.
    pub fn began(&self, with: Beginning) {
        self.add(with.counter(), 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(slot) = self.last_begun.get(with.index()) {
            slot.store(now.as_secs(), Ordering::Relaxed);
        }
    }

    /// Counts an answer by its status.
    pub fn answered(&self, status: u16) {
        self.add(
            match status {
                0..=299 => Counter::Requests2xx,
                300..=399 => Counter::Requests3xx,
                400..=499 => Counter::Requests4xx,
                _ => Counter::Requests5xx,
            },
            1,
        );
    }

    /// Counts how long a backend took to begin its answer.
    pub fn upstream_latency(&self, took: Duration) {
        let millis = took.as_millis();
        let at = BUCKETS.iter().position(|bound| millis <= u128::from(*bound)).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.latency.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.latency_sum.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The sum over all workers at one moment.
#[derive(Debug, Clone)]
pub struct Totals {
    counters: [u64; COUNTERS.len()],
    rejects: [u64; Reject::ALL.len()],
    latency: [u64; BUCKETS.len() + 1],
    latency_sum: u64,
    held: u64,
    last_begun: [u64; Beginning::ALL.len()],
}

impl Totals {
    /// Sums the workers' counters.
    #[must_use]
    pub fn of(workers: &[Arc<Metrics>]) -> Self {
        let sum = |pick: &dyn Fn(&Metrics) -> Option<&AtomicU64>| {
            workers.iter().filter_map(|one| pick(one)).map(|slot| slot.load(Ordering::Relaxed)).sum()
        };
        Self {
            counters: std::array::from_fn(|at| sum(&|one| one.counters.get(at))),
            rejects: std::array::from_fn(|at| sum(&|one| one.rejects.get(at))),
            latency: std::array::from_fn(|at| sum(&|one| one.latency.get(at))),
            latency_sum: sum(&|one| Some(&one.latency_sum)),
            held: sum(&|one| Some(&one.held)),
            last_begun: std::array::from_fn(|at| {
                let slots = workers.iter().filter_map(|one| one.last_begun.get(at));
                slots.map(|slot| slot.load(Ordering::Relaxed)).max().unwrap_or(0)
            }),
        }
    }

    /// One counter.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or(0)
    }

    /// The rejects of one cause.
    #[must_use]
    pub fn rejects(&self, cause: Reject) -> u64 {
        self.rejects.get(cause.index()).copied().unwrap_or(0)
    }

    /// When the last connection with such a beginning came, in unix seconds; `None` if there was none.
    #[must_use]
    pub fn last_begun(&self, with: Beginning) -> Option<u64> {
        self.last_begun.get(with.index()).copied().filter(|seconds| *seconds > 0)
    }

    /// Connections open now, tunnels among them.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.get(Counter::Connections).saturating_sub(self.get(Counter::ConnectionsEnded))
    }

    /// Bytes of memory that tunnels hold now because a peer does not read.
    #[must_use]
    pub fn held_by_tunnels(&self) -> u64 {
        self.held
    }

    /// Tunnels open now.
    #[must_use]
    pub fn open_tunnels(&self) -> u64 {
        self.get(Counter::Tunnels).saturating_sub(self.get(Counter::TunnelsEnded))
    }
}

/// The totals in Prometheus' text format.
#[must_use]
pub fn render(totals: &Totals) -> String {
    let mut out = String::with_capacity(4096);
    let mut sample = |name: &str, kind: &str, labels: &str, help: &str, value: u64| {
        // Writing to a String cannot fail.
        if !help.is_empty() {
            let _ = writeln!(out, "# HELP elbws_proxy_{name} {help}\n# TYPE elbws_proxy_{name} {kind}");
        }
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "elbws_proxy_{name}{braces} {value}");
    };
    for ((name, labels, help), value) in COUNTERS.iter().zip(totals.counters) {
        sample(name, "counter", labels, help, value);
    }
    sample("connections_open", "gauge", "", "Connections open now.", totals.open_connections());
    sample("tunnels_open", "gauge", "", "Tunnels open now.", totals.open_tunnels());
    let help = "Memory that tunnels hold now for peers that do not read.";
    sample("tunnel_buffer_bytes", "gauge", "", help, totals.held_by_tunnels());
    for (at, cause) in Reject::ALL.into_iter().enumerate() {
        let help = if at == 0 { "Connections and requests turned away." } else { "" };
        sample(
            "rejects_total",
            "counter",
            &format!("cause=\"{}\"", cause.as_str()),
            help,
            totals.rejects(cause),
        );
    }
    histogram(&mut out, totals);
    out
}

fn histogram(out: &mut String, totals: &Totals) {
    let name = "elbws_proxy_upstream_latency_seconds";
    let _ = writeln!(out, "# HELP {name} Time until a backend began its answer.\n# TYPE {name} histogram");
    let mut count = 0;
    for (bucket, value) in totals.latency.iter().enumerate() {
        count += value;
        let bound = BUCKETS.get(bucket).map(|millis| format!("{}.{:03}", millis / 1000, millis % 1000));
        let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {count}", bound.as_deref().unwrap_or("+Inf"));
    }
    let (seconds, micros) = (totals.latency_sum / 1_000_000, totals.latency_sum % 1_000_000);
    let _ = writeln!(out, "{name}_sum {seconds}.{micros:06}\n{name}_count {count}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::proxy_protocol::Form;

    #[test]
    fn workers_are_summed_and_buckets_are_cumulative() {
        let workers = [Arc::new(Metrics::default()), Arc::new(Metrics::default())];
        for (worker, millis) in workers.iter().zip([3, 40]) {
            worker.add(Counter::Connections, 2);
            worker.began(Beginning::Header(Form::V2));
            worker.reject(Reject::NoRoute);
            worker.upstream_latency(Duration::from_millis(millis));
        }
        let text = render(&Totals::of(&workers));
        for line in [
            "elbws_proxy_connections_total 4",
            "elbws_proxy_connections_open 4",
            "elbws_proxy_connections_by_header_total{header=\"v2\"} 2",
            "elbws_proxy_connections_by_header_total{header=\"none\"} 0",
            "elbws_proxy_rejects_total{cause=\"no_route\"} 2",
            "elbws_proxy_upstream_latency_seconds_bucket{le=\"0.005\"} 1",
            "elbws_proxy_upstream_latency_seconds_bucket{le=\"0.050\"} 2",
            "elbws_proxy_upstream_latency_seconds_bucket{le=\"+Inf\"} 2",
            "elbws_proxy_upstream_latency_seconds_sum 0.043000",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
