//! What connections begin with: how an operator sees whether a load balancer sends PROXY headers.

use super::Counter;
use crate::proxy::proxy_protocol::Form;

/// What a connection began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// A PROXY header.
    Header(Form),
    /// Something else, such as a request.
    Bare,
}

impl Beginning {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Header(Form::V1), Self::Header(Form::V2), Self::Header(Form::Local), Self::Bare];

    /// The name that metrics and status use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header(Form::V1) => "v1",
            Self::Header(Form::V2) => "v2",
            Self::Header(Form::Local) => "local",
            Self::Bare => "none",
        }
    }

    /// Its counter.
    #[must_use]
    pub fn counter(self) -> Counter {
        match self {
            Self::Header(Form::V1) => Counter::BegunV1,
            Self::Header(Form::V2) => Counter::BegunV2,
            Self::Header(Form::Local) => Counter::BegunLocal,
            Self::Bare => Counter::BegunBare,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Header(Form::V1) => 0,
            Self::Header(Form::V2) => 1,
            Self::Header(Form::Local) => 2,
            Self::Bare => 3,
        }
    }
}
