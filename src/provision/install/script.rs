//! The script that installs the proxy on an instance, the unit that runs it, and the cloud-init that does so at boot.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::proxy_config;
use crate::provision::resource::{Installation, object_key};
use crate::provision::spec::proxy::{Bind, Proxy};

const SCRIPT: &str = include_str!("install.sh");
const STATUS: &str = include_str!("status.sh");
const UNIT: &str = include_str!("../../../packaging/elbws-proxy.service");
/// The line of the unit that depends on `drain`.
const STOP: &str = "TimeoutStopSec=330s";
/// What a drain takes beyond its own time, and some.
const STOP_MARGIN: u32 = 30;

/// The most that EC2 takes as user data.
pub const MAX_USER_DATA: usize = 16 * 1024;

/// The proxy's program, and where an instance finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    sha256: String,
    source: String,
}

/// Why there is no such program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// That is no SHA-256.
    #[error("{0} is not a SHA-256")]
    Sha256(String),
    /// That is no URL.
    #[error("{0} is not a URL of http or https")]
    Url(String),
}

impl Program {
    /// A program that is fetched from a URL; the hash decides whether it is the right one.
    pub fn at_url(url: &str, sha256: &str) -> Result<Self, ProgramError> {
        let known = url.starts_with("https://") || url.starts_with("http://");
        // The script has it in single quotes.
        if !known || !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\'') {
            return Err(ProgramError::Url(url.to_owned()));
        }
        Ok(Self { sha256: checked(sha256)?, source: url.to_owned() })
    }

    /// A program that is in a bucket under its hash, see [`object_key`].
    pub fn in_bucket(bucket: &str, sha256: &str) -> Result<Self, ProgramError> {
        let sha256 = checked(sha256)?;
        Ok(Self { source: format!("s3://{bucket}/{}", object_key(&sha256)), sha256 })
    }
}

fn checked(sha256: &str) -> Result<String, ProgramError> {
    if sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(sha256.to_ascii_lowercase())
    } else {
        Err(ProgramError::Sha256(sha256.to_owned()))
    }
}

/// Returns the systemd unit, which gives the proxy the time that its `drain` asks for.
#[must_use]
pub fn unit(proxy: &Proxy) -> String {
    UNIT.replace(STOP, &format!("TimeoutStopSec={}s", stop_seconds(proxy)))
}

/// Returns for how many seconds the unit waits for the proxy to stop.
#[must_use]
pub fn stop_seconds(proxy: &Proxy) -> u32 {
    proxy.drain.get().saturating_add(STOP_MARGIN)
}

/// Returns the POSIX shell script that brings `program`, the configuration and the unit into place and has them
/// serve. It is idempotent, and goes back to what ran before when the proxy does not come up.
#[must_use]
pub fn install_script(proxy: &Proxy, program: &Program) -> String {
    script_of(&installation(proxy), program)
}

/// Returns the same script for texts that were made before.
#[must_use]
pub fn script_of(installation: &Installation, program: &Program) -> String {
    // The two texts last: they are the user's, and hold no placeholder for those before them.
    SCRIPT
        .replace("@SHA256@", &program.sha256)
        .replace("@SOURCE@", &program.source)
        .replace("@HEALTH@", &installation.health)
        .replace("@UNIT@", &installation.unit)
        .replace("@CONFIG@", &installation.config)
}

/// Returns the script that asks the proxy at `status` what it says of the PROXY header.
#[must_use]
pub fn status_script(status: &str) -> String {
    STATUS.replace("@STATUS@", status)
}

/// Returns what is installed beside the program.
#[must_use]
pub fn installation(proxy: &Proxy) -> Installation {
    Installation {
        config: proxy_config(proxy),
        unit: unit(proxy),
        health: format!("http://{}/healthz", from_inside(proxy.health)),
        status: proxy.metrics.map(|metrics| format!("http://{}/status", from_inside(metrics))),
    }
}

/// Where the instance itself reaches what listens there.
fn from_inside(bind: Bind) -> SocketAddr {
    let address = match bind.address {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(IpAddr::V4(every)) if every.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(IpAddr::V6(every)) if every.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        Some(one) => one,
    };
    SocketAddr::new(address, bind.port)
}

/// Returns the cloud-init user data that installs the proxy when an instance boots for the first time.
#[must_use]
pub fn user_data(proxy: &Proxy, program: &Program) -> String {
    let mut text = String::from(
        "#cloud-config\n# Installs elbws-proxy when the instance boots. Written by elbws.\nwrite_files:\n  \
         - path: /var/lib/elbws/install.sh\n    owner: root:root\n    permissions: \"0700\"\n    content: |\n",
    );
    for line in install_script(proxy, program).lines() {
        if !line.is_empty() {
            text.push_str("      ");
            text.push_str(line);
        }
        text.push('\n');
    }
    text.push_str("runcmd:\n  - [sh, /var/lib/elbws/install.sh]\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_the_line_that_is_changed() {
        assert_eq!(UNIT.matches(STOP).count(), 1);
    }

    #[test]
    fn a_program_is_named_by_a_url_and_a_hash() {
        let hash = "ab".repeat(32);
        assert!(Program::at_url("https://example.com/elbws-proxy?a=b&c", &hash).is_ok());
        for url in ["file:///etc/passwd", "https://example.com/'; rm -rf /", "https://a b", "s3://b/k"] {
            assert!(matches!(Program::at_url(url, &hash), Err(ProgramError::Url(_))), "{url}");
        }
        for hash in ["", "ab", &"xy".repeat(32)] {
            assert!(matches!(Program::in_bucket("b", hash), Err(ProgramError::Sha256(_))), "{hash}");
        }
    }
}
