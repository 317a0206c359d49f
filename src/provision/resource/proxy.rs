//! The proxy on the instances: its program, configuration and unit, as they are to be and as an instance has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The lines of a configuration that a running proxy cannot take up: a change of one is a restart.
const FIXED: &[&str] =
    &["listen: ", "health: ", "metrics: ", "workers: ", "access_log: ", "access_log_format: "];

/// The lines of a configuration that are others while the load balancer is switched.
const SWITCHED: &[&str] = &["accept: ", "trusted: "];
/// Stands for a time that is known only when the configuration is installed.
const UNTIL: &str = "@UNTIL@";

/// What a program is made for, and what an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit ARM, Graviton.
    Aarch64,
    /// 64-bit Intel and AMD.
    X86_64,
}

impl Architecture {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// Returns its name as `uname -m` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns this machine's; none for what the proxy is not made for.
    #[must_use]
    pub const fn of_this_machine() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }

    /// Reads EC2's word for it; none for what the proxy is not made for.
    #[must_use]
    pub fn from_ec2(word: &str) -> Option<Self> {
        match word {
            "arm64" => Some(Self::Aarch64),
            "x86_64" => Some(Self::X86_64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A program on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256, in lower-case hexadecimal.
    pub sha256: String,
}

/// The texts that are installed beside the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// The configuration.
    pub config: String,
    /// The systemd unit.
    pub unit: String,
    /// The URL at which the proxy answers when it serves, as the instance itself reaches it.
    pub health: String,
    /// The URL at which it tells its state, if it does.
    pub status: Option<String>,
}

impl Installation {
    /// Returns the hash of those lines of the configuration that only a restart takes up.
    #[must_use]
    pub fn fixed_sha256(&self) -> String {
        let fixed = |line: &&str| FIXED.iter().any(|field| line.starts_with(field));
        let lines: String = self.config.lines().filter(fixed).flat_map(|line| [line, "\n"]).collect();
        sha256_of(lines)
    }

    /// Returns the PROXY header that the configuration asks of connections, `v1`, `v2`, `any` or `off`.
    #[must_use]
    pub fn accept(&self) -> &str {
        self.config.lines().find_map(|line| line.strip_prefix("accept: ")).unwrap_or("v1")
    }

    /// Returns the same with a configuration by which a connection from `trusted` may begin with the PROXY header that
    /// `accept` names or without one, until a time that [`Self::until`] gives. What the configuration trusts by
    /// itself stays.
    #[must_use]
    pub fn with_optional_header(&self, accept: &str, trusted: &BTreeSet<String>) -> Self {
        let switched = |line: &&str| SWITCHED.iter().any(|field| line.starts_with(field));
        let own = self.config.lines().find(|line| line.starts_with("trusted: "));
        let trusted = own.map_or_else(
            || {
                let quoted: Vec<String> = trusted.iter().map(|block| format!("\"{block}\"")).collect();
                format!("trusted: [{}]", quoted.join(", "))
            },
            str::to_owned,
        );
        // At the beginning: what follows `routes:` may be read as one of them.
        let mut config = format!("accept: {accept}\n{trusted}\nheader_optional_until: {UNTIL}\n");
        for line in self.config.lines().filter(|line| !switched(line)) {
            config.push_str(line);
            config.push('\n');
        }
        Self { config, ..self.clone() }
    }

    /// Returns the same with `time`, in RFC 3339, as the end of the time in which the header is optional.
    #[must_use]
    pub fn until(&self, time: &str) -> Self {
        Self { config: self.config.replacen(UNTIL, time, 1), ..self.clone() }
    }
}

/// The proxy that is desired on every instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredProxy {
    /// The bucket that instances fetch the program from.
    pub bucket: String,
    /// The program by what it is made for; who reads the spec finds it.
    pub programs: BTreeMap<Architecture, ProgramFile>,
    /// What is installed beside it.
    pub installation: Installation,
    /// The ports that it serves visitors on.
    #[serde(default)]
    pub listen: BTreeSet<u16>,
    /// How many instances are changed at the same time, at least one.
    pub max_unavailable: u16,
    /// Seconds that the load balancer is given to find an instance healthy again.
    pub timeout: u32,
}

/// Whether Systems Manager can run something on an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Management {
    /// It can, and has.
    Managed(Installed),
    /// Its agent has never registered.
    Unknown,
    /// Its agent is known and not connected, in SSM's words.
    Offline(String),
    /// It took a command and did not carry it out: the command's status, and what it wrote.
    Failed {
        /// `TimedOut`, `Undeliverable`, `Failed` …
        status: String,
        /// The end of its output.
        output: String,
    },
}

/// What an instance has of the proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The SHA-256 of the program at its path.
    pub program: Option<String>,
    /// The SHA-256 of the program that runs as the unit's main process.
    pub running: Option<String>,
    /// The SHA-256 of the configuration at its path.
    pub config: Option<String>,
    /// The SHA-256 of the configuration that the running proxy has read, if it tells.
    pub loaded: Option<String>,
    /// The SHA-256 of the unit.
    pub unit: Option<String>,
    /// The SHA-256 of the configuration's lines that only a restart takes up.
    pub fixed: Option<String>,
    /// The PROXY header that the configuration asks of connections.
    pub accept: Option<String>,
    /// Until when the configuration lets connections begin without it.
    #[serde(default)]
    pub optional_until: Option<String>,
}

/// The proxy on one instance as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedProxy {
    /// The instance's id.
    pub instance: String,
    /// What there is of it.
    pub management: Management,
}

/// Returns the key under which a bucket holds the program with that hash.
#[must_use]
pub fn object_key(sha256: &str) -> String {
    format!("elbws-proxy/{sha256}")
}

/// Returns the SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_of(content: impl AsRef<[u8]>) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// Returns the SHA-256 of all that there is to read, in lower-case hexadecimal.
pub fn sha256_of_all(mut content: impl BufRead) -> io::Result<String> {
    let mut hash = Sha256::new();
    loop {
        let piece = content.fill_buf()?;
        if piece.is_empty() {
            return Ok(hexadecimal(&hash.finalize()));
        }
        hash.update(piece);
        let read = piece.len();
        content.consume(read);
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_lines_are_fixed_and_some_are_switched() {
        let installation = |config: &str| Installation {
            config: config.to_owned(),
            unit: String::new(),
            health: String::new(),
            status: None,
        };
        let one = installation("listen: [80]\naccept: v1\nroutes:\n  - { path: / }\n");
        let two = installation("listen: [80]\naccept: off\n");
        let three = installation("listen: [81]\naccept: off\n");
        assert_eq!(one.fixed_sha256(), two.fixed_sha256());
        assert_ne!(two.fixed_sha256(), three.fixed_sha256());
        assert_eq!((one.accept(), two.accept()), ("v1", "off"));
        assert_eq!(
            one.with_optional_header("v2", &BTreeSet::from(["10.0.0.0/8".to_owned()])).until("now").config,
            "accept: v2\ntrusted: [\"10.0.0.0/8\"]\nheader_optional_until: now\nlisten: [80]\nroutes:\n  - { path: / }\n"
        );
        let own = installation("accept: off\ntrusted: [\"10.1.0.0/16\"]\nlisten: [80]\n");
        assert_eq!(
            own.with_optional_header("v1", &BTreeSet::from(["10.0.0.0/8".to_owned()])).config,
            "accept: v1\ntrusted: [\"10.1.0.0/16\"]\nheader_optional_until: @UNTIL@\nlisten: [80]\n"
        );
        let pieces = io::BufReader::with_capacity(3, &b"listen: [80]\n"[..]);
        assert_eq!(sha256_of_all(pieces).unwrap(), one.fixed_sha256());
        // printf 'listen: [80]\n' | sha256sum
        assert_eq!(one.fixed_sha256(), "de94e397facc364eab9b9ac360505ecd73cbcd4ab284f1fa8f8de287781ef305");
    }
}
