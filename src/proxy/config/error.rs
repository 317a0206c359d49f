//! What is wrong with a configuration, where, and what was probably meant.

use std::io;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("the configuration cannot be read")]
    Read(#[source] io::Error),
    /// Not YAML, or not the fields and types that are known.
    #[error("{message}")]
    Yaml {
        /// What is wrong, beginning with the field's path where there is one.
        message: String,
        /// Line and column, from 1.
        place: Option<(usize, usize)>,
        /// What was probably meant.
        hint: Option<String>,
    },
    /// A field whose value does not fit the others.
    #[error("{field}: {message}")]
    Field {
        /// The path of the field, such as `routes[1].path`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

impl ConfigError {
    /// What the user may do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Yaml { hint, .. } => hint.as_deref(),
            Self::Read(_) | Self::Field { .. } => None,
        }
    }

    /// Line and column in the file, from 1.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::Yaml { place, .. } => *place,
            Self::Read(_) | Self::Field { .. } => None,
        }
    }

    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { field: field.into(), message: message.into() }
    }

    pub(super) fn yaml(error: &serde_yaml::Error) -> Self {
        let place = error.location().map(|at| (at.line(), at.column()));
        let full = error.to_string();
        // The place is kept apart from the message, which ends with it.
        let message = full.rsplit_once(" at line ").map_or(full.as_str(), |(message, _)| message);
        Self::Yaml { message: message.to_owned(), place, hint: suggestion(message) }
    }
}

/// `did you mean` for serde's ``unknown field `x`, expected one of `a`, `b` ``, and for variants likewise.
fn suggestion(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown ")?;
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    let near = quoted.map(|known| (strsim::damerau_levenshtein(wrong, known), known)).min()?;
    let close = near.0 <= 1 + wrong.len() / 3;
    close.then(|| format!("did you mean `{}`?", near.1))
}
