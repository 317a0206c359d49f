//! What the proxy on the instances is brought there by.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::Header;
use crate::provision::resource::{Architecture, Installation, ProgramFile};

/// A step about the proxy on the instances. It may be repeated, as every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proxy", rename_all = "kebab-case")]
pub enum ProxyOperation {
    /// S3 `PutObject` of the program under its hash, unless it is there by now.
    ///
    /// The file is read when it runs and refused when its hash is no longer the planned one.
    UploadProgram {
        /// What it is made for.
        architecture: Architecture,
        /// The file.
        program: ProgramFile,
        /// The bucket.
        bucket: String,
    },
    /// SSM `SendCommand` of the script that installs the proxy, then a wait until the load balancer finds the instance
    /// healthy.
    ///
    /// The URL that the program is fetched from is made when it runs: it is a secret that expires.
    Install {
        /// The instance's id.
        instance: String,
        /// The bucket that has the program.
        bucket: String,
        /// The program's SHA-256.
        sha256: String,
        /// What is installed beside it.
        installation: Installation,
        /// For how many seconds from then on the PROXY header is optional, where the configuration says that it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        optional_for: Option<u32>,
        /// Who has to find the instance healthy afterwards.
        gate: Gate,
        /// Seconds that it is given for that.
        timeout: u32,
    },
    /// SSM `SendCommand` of a script that asks every proxy for its state: each must serve connections with the PROXY
    /// header and without it, for long enough to switch the load balancer.
    ConfirmOptional {
        /// The instances' ids.
        instances: BTreeSet<String>,
        /// Where a proxy tells its state, as the instance itself reaches it.
        status: String,
        /// The header that it must read, `v1` or `v2`.
        accept: String,
    },
    /// The same script until every proxy has seen a connection that began with `begins`, and for a while none that
    /// began with `ceases`. One that nobody visits is not waited for long.
    AwaitHeader {
        /// The instances' ids.
        instances: BTreeSet<String>,
        /// Where a proxy tells its state, as the instance itself reaches it.
        status: String,
        /// What connections begin with now.
        begins: Header,
        /// What they began with before.
        ceases: Header,
        /// Seconds that it may take.
        timeout: u32,
    },
}

/// Whose word counts on whether an instance is healthy; of those with which it is not registered, nobody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// That of a Classic load balancer.
    Classic {
        /// Its name.
        load_balancer: String,
    },
    /// That of target groups.
    TargetGroups {
        /// Their names in AWS.
        names: BTreeSet<String>,
    },
}

impl fmt::Display for ProxyOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UploadProgram { program, bucket, .. } => {
                write!(f, "upload {} to {bucket}", program.path.display())
            }
            Self::Install { instance, optional_for: None, .. } => {
                write!(f, "install the proxy on {instance}")
            }
            Self::Install { instance, optional_for: Some(_), .. } => {
                write!(f, "install the proxy on {instance}, with the PROXY header optional")
            }
            Self::ConfirmOptional { .. } => {
                f.write_str("ask the proxies whether they serve with the PROXY header and without it")
            }
            Self::AwaitHeader { begins, .. } => write!(f, "see connections with {begins} on the instances"),
        }
    }
}
