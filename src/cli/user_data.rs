//! `elbws user-data`: cloud-init that installs the proxy when an instance boots.

use anyhow::anyhow;
use clap::Args;

use super::failure::{Exit, Failure};
use super::proxy_config::proxy_of;
use super::spec_file;
use crate::provision::install::{MAX_USER_DATA, Program, ProgramError, object_key, user_data};
use crate::provision::spec::proxy::{Deploy, Proxy};
use crate::report;

/// Print cloud-init user data that installs and starts elbws-proxy
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The spec's file, or - for standard input
    spec: String,
    /// SHA-256 of the elbws-proxy binary, in hexadecimal
    #[arg(long, value_name = "HEX")]
    proxy_sha256: String,
    /// Where instances fetch the binary; default: the spec's deploy.bucket, under its hash
    #[arg(long, value_name = "URL")]
    proxy_url: Option<String>,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = spec_file::read_text(&arguments.spec)?;
    let spec = spec_file::parse(&arguments.spec, &text)?;
    let proxy = proxy_of(&spec)?;
    let data = user_data(proxy, &program(arguments, proxy)?);
    if data.len() > MAX_USER_DATA {
        report::message(&format!(
            "these are {} bytes and EC2 takes {MAX_USER_DATA}: compress them with gzip, which cloud-init undoes",
            data.len()
        ));
    }
    report::result(&data);
    Ok(Exit::Done)
}

fn program(arguments: &Arguments, proxy: &Proxy) -> Result<Program, Failure> {
    let hash = &arguments.proxy_sha256;
    let usage = |error: anyhow::Error, hint: String| Failure { error, hint: Some(hint), exit: Exit::Usage };
    let program = match (&arguments.proxy_url, &proxy.deploy) {
        (Some(url), _) => Program::at_url(url, hash),
        (None, Deploy::Ssm { bucket }) => Program::in_bucket(bucket, hash),
        (None, Deploy::None) => {
            return Err(usage(
                anyhow!("nothing says where instances find elbws-proxy"),
                format!("give --proxy-url, or proxy.deploy.bucket with the binary at {}", object_key("HEX")),
            ));
        }
    };
    program.map_err(|error| {
        let hint = match error {
            ProgramError::Sha256(_) => "sha256sum elbws-proxy says it: 64 hexadecimal digits",
            ProgramError::Url(_) => "for example https://example.com/elbws-proxy",
        };
        usage(error.into(), hint.to_owned())
    })
}
