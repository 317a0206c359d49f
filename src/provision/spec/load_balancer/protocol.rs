//! What Application and Network load balancers, their target groups and health checks speak.

use std::fmt;

use serde::Serialize;

use crate::provision::spec::item::{Invalid, Item, Read};

/// A protocol of a listener, a target group or a health check; which of them a place takes is its own rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
    /// TCP.
    Tcp,
    /// TLS, whose content is passed on as bytes.
    Tls,
}

impl Protocol {
    /// Returns whether it needs a certificate on the visitors' side.
    #[must_use]
    pub fn is_secure(self) -> bool {
        match self {
            Self::Https | Self::Tls => true,
            Self::Http | Self::Tcp => false,
        }
    }

    /// Reads the field `name` of `item`, whose table allows some of the words only.
    pub(super) fn read(item: &Item, name: &str) -> Read<Option<Self>> {
        let word = |text: &str| match text {
            "http" => Ok(Self::Http),
            "https" => Ok(Self::Https),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            _ => Err(Invalid),
        };
        item.text(name)?.map(word).transpose()
    }

    /// The word with its article.
    pub(super) fn article(self) -> String {
        match self {
            Self::Tcp | Self::Tls => format!("a {self}"),
            Self::Http | Self::Https => format!("an {self}"),
        }
    }
}

/// Writes the spec's spelling.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}
