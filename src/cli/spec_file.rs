//! The spec that a verb is given: a path, or `-` for standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use super::failure::{Exit, Failure};
use crate::provision::desired::{CertificateContent, desired};
use crate::provision::resource::Stack;
use crate::provision::spec::{self, CertificateSource, Spec};

/// Reads the text that `path` names.
pub(crate) fn read_text(path: &str) -> Result<String, Failure> {
    let text = if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.with_context(|| format!("cannot read {path}")).map_err(|error| Failure {
        hint: Some("SPEC is the path of a spec, or - for standard input; `elbws init` writes one".to_owned()),
        error,
        exit: Exit::Usage,
    })
}

/// Reads a spec out of a text that came from `path`.
pub(crate) fn parse(path: &str, text: &str) -> Result<Spec, Failure> {
    let folder = if path == "-" { Path::new("") } else { Path::new(path).parent().unwrap_or(Path::new("")) };
    spec::parse(path, text, folder).map_err(|errors| Failure {
        error: errors.into(),
        hint: None,
        exit: Exit::Usage,
    })
}

/// What a verb needs of the certificate's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// They are imported, so they must be there.
    Needed,
    /// Nothing is imported; they may be gone.
    NotNeeded,
}

/// Returns what a spec desires, with what its certificate's files hold.
pub(crate) fn stack(spec: &Spec, files: Files) -> Result<Stack, Failure> {
    let Some(CertificateSource::Files(paths)) = spec.certificate.as_ref().map(|wanted| &wanted.source) else {
        return Ok(desired(spec, None));
    };
    let content = match (paths.load(), files) {
        (Ok(loaded), _) => CertificateContent {
            fingerprint: loaded.leaf_fingerprint_sha256,
            domains: loaded.domains,
            key_algorithm: loaded.key_algorithm,
        },
        (Err(_), Files::NotNeeded) => CertificateContent::default(),
        (Err(error), Files::Needed) => {
            return Err(Failure {
                hint: error.problem.hint().map(str::to_owned),
                error: anyhow::Error::new(error).context("certificate.files cannot be used"),
                exit: Exit::Usage,
            });
        }
    };
    Ok(desired(spec, Some(content)))
}
