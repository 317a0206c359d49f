//! `elbws probe`: a WebSocket from outside, step by step.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use crate::probe::{Options, Target, Trust, TrustError, probe};
use crate::report;

/// Probe a WebSocket from outside, and say why what fails fails behind an AWS load balancer
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The WebSocket's URL, wss://… or ws://…; https and http mean the same
    #[arg(value_name = "URL")]
    target: Target,
    /// Connect to this address, whatever the name leads to
    #[arg(long, value_name = "IP[:PORT]", value_parser = address)]
    resolve: Option<(IpAddr, Option<u16>)>,
    /// Trust the certificate authorities of this PEM file, and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Hold the WebSocket for so long without sending anything
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    hold: Option<Duration>,
    /// Check that plain http redirects to https [default port: 80]
    #[arg(
        long,
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "80",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    from_http: Option<u16>,
    /// Send this text, and expect the server to send it back
    #[arg(long, value_name = "TEXT")]
    echo: Option<String>,
}

fn address(text: &str) -> Result<(IpAddr, Option<u16>), String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse().map(|ip: IpAddr| (ip, None));
    ip.or_else(|_| text.parse().map(|at: std::net::SocketAddr| (at.ip(), Some(at.port()))))
        .map_err(|_| "an address is IP or IP:PORT, with [ ] around an IPv6 address before a port".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let factor = match &text[digits.len()..] {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u32>().ok().zip(factor).map(|(number, factor)| u64::from(number) * factor);
    seconds.map(Duration::from_secs).ok_or_else(|| "a duration is 30s, 5m, 1h or plain seconds".to_owned())
}

impl From<TrustError> for Failure {
    fn from(error: TrustError) -> Self {
        let (hint, exit) = match &error {
            TrustError::File { .. } => ("--ca takes a PEM file with CERTIFICATE blocks", Exit::Usage),
            TrustError::System | TrustError::Setup(_) => ("name an authority by --ca FILE", Exit::Failed),
        };
        Self { error: error.into(), hint: Some(hint.to_owned()), exit }
    }
}

/// Probes, and says how each step went.
pub(crate) fn run(globals: &Globals, arguments: Arguments) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let options = Options {
        target: arguments.target,
        resolve: arguments.resolve,
        trust: arguments.ca.map_or(Trust::System, Trust::File),
        hold: arguments.hold,
        from_http: arguments.from_http,
        echo: arguments.echo,
    };
    runtime.block_on(async {
        let json = globals.output == Output::Json;
        let probing = probe(&options, |step| {
            if !json {
                report::result(&report::probe::step(step));
            }
        });
        let found = tokio::select! {
            found = probing => found?,
            signal = tokio::signal::ctrl_c() => {
                signal.context("cannot handle SIGINT")?;
                return Ok(Exit::Interrupted);
            }
        };
        if json {
            report::result(&report::probe::json(&found));
        } else {
            report::result(&report::probe::verdict(&found));
        }
        Ok(if found.passed() { Exit::Done } else { Exit::Failed })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_durations_are_read() {
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:443", "192.0.2.1", Some(443)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:443", "2001:db8::1", Some(443)),
        ] {
            assert_eq!(address(text), Ok((ip.parse().unwrap(), port)), "{text}");
        }
        assert!(address("example.com").is_err());
        for (text, seconds) in [
            ("90s", Some(90)),
            ("2m", Some(120)),
            ("1h", Some(3600)),
            ("7", Some(7)),
            ("s", None),
            ("1ms", None),
            ("-1", None),
        ] {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
