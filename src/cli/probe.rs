//! `elbws probe`: a WebSocket from outside, step by step, or all that a spec promises.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::failure::{Exit, Failure};
use super::globals::{Globals, Output};
use crate::probe::{Options, Target, TargetError, Trust, TrustError, probe};
use crate::report;

/// Probe a WebSocket from outside, or what a spec promises, and say why what fails fails
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The WebSocket's URL, wss://… or ws://… (https and http mean the same); or a spec, whose load balancer is
    /// held against what the spec promises
    #[arg(value_name = "URL|SPEC", value_parser = subject)]
    subject: Subject,
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
    /// With a SPEC: a path at which a WebSocket must open, in place of the spec's routes; may be given several
    /// times
    #[arg(long = "path", value_name = "PATH", value_parser = path)]
    paths: Vec<String>,
    /// With a SPEC: the name to ask for, in place of the DNS record's or the certificate's
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

/// What is probed.
#[derive(Debug, Clone)]
enum Subject {
    /// A WebSocket.
    Url(Target),
    /// What a spec promises.
    Spec(String),
}

/// A URL has a scheme, and nobody's spec is called so.
fn subject(text: &str) -> Result<Subject, String> {
    if text.contains("://") {
        text.parse().map(Subject::Url).map_err(|error: TargetError| error.to_string())
    } else {
        Ok(Subject::Spec(text.to_owned()))
    }
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path begins with /".to_owned()) }
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
            TrustError::Pem | TrustError::System | TrustError::Setup(_) => {
                ("name an authority by --ca FILE", Exit::Failed)
            }
        };
        Self { error: error.into(), hint: Some(hint.to_owned()), exit }
    }
}

/// Probes, and says how each step or promise stands.
pub(crate) fn run(globals: &Globals, arguments: Arguments) -> Result<Exit, Failure> {
    let of_spec: Vec<&str> = [(!arguments.paths.is_empty(), "--path"), (arguments.host.is_some(), "--host")]
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
        .collect();
    let of_url: Vec<&str> = [
        (arguments.from_http.is_some(), "--from-http"),
        (arguments.echo.is_some(), "--echo"),
        (arguments.resolve.is_some_and(|(_, port)| port.is_some()), "--resolve with a port"),
    ]
    .into_iter()
    .filter_map(|(given, name)| given.then_some(name))
    .collect();
    match (arguments.subject, of_spec.first(), of_url.first()) {
        (Subject::Url(_), Some(name), _) => Err(usage(name, "a URL", "it belongs to `elbws probe SPEC`")),
        (Subject::Spec(_), _, Some(name)) => {
            Err(usage(name, "a spec", "the spec says what is tried; a URL begins with wss:// or ws://"))
        }
        (Subject::Url(target), None, _) => {
            let options = Options {
                target,
                resolve: arguments.resolve,
                trust: arguments.ca.map_or(Trust::System, Trust::File),
                hold: arguments.hold,
                from_http: arguments.from_http,
                echo: arguments.echo,
            };
            run_url(globals, &options)
        }
        #[cfg(all(feature = "local", feature = "provision"))]
        (Subject::Spec(path), _, None) => {
            let options = crate::promise::Options {
                resolve: arguments.resolve.map(|(ip, _)| ip),
                trust: arguments.ca.map(Trust::File),
                host: arguments.host,
                paths: arguments.paths,
                hold: arguments.hold,
                local: None,
            };
            super::probe_spec::run(globals, &path, options)
        }
        #[cfg(not(all(feature = "local", feature = "provision")))]
        (Subject::Spec(_), _, None) => {
            Err(usage("SPEC", "this build", "it has no provisioning; a URL begins with wss:// or ws://"))
        }
    }
}

fn usage(name: &str, with: &str, hint: &str) -> Failure {
    Failure {
        error: anyhow::anyhow!("{name} does not go with {with}"),
        hint: Some(hint.to_owned()),
        exit: Exit::Usage,
    }
}

/// Probes a URL.
fn run_url(globals: &Globals, options: &Options) -> Result<Exit, Failure> {
    let output = globals.text_or_json()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let json = output == Output::Json;
        let probing = probe(options, |step| {
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
    fn urls_are_told_from_specs() {
        assert!(matches!(subject("wss://chat.example.com/ws/"), Ok(Subject::Url(_))));
        assert!(subject("ftp://chat.example.com/").is_err());
        for text in ["-", "specs/classic.yaml", "chat.example.com", "C:spec.yaml"] {
            assert!(matches!(subject(text), Ok(Subject::Spec(path)) if path == text), "{text}");
        }
    }

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
