//! The spec that a verb is given: a path, or `-` for standard input.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context as _, anyhow};

use super::failure::{Exit, Failure};
use crate::provision::desired::{CertificateContent, desired};
use crate::provision::resource::Stack;
use crate::provision::spec::{self, CertificateFiles, CertificateSource, Spec};

/// The longest text that is read; the parser refuses far shorter ones, with a reason.
const MAX_BYTES: u64 = 8 << 20;

/// Returns what messages call the spec at `path`.
pub(crate) fn name(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

/// Reads the text that `path` names.
pub(crate) fn read_text(path: &str) -> Result<String, Failure> {
    let bytes = if path == "-" { take(io::stdin().lock()) } else { File::open(path).and_then(take) };
    let usage = |error, hint: &str| Failure { error, hint: Some(hint.to_owned()), exit: Exit::Usage };
    let bytes = bytes.with_context(|| format!("cannot read {}", name(path))).map_err(|error| {
        usage(error, "SPEC is the path of a spec, or - for standard input; `elbws init` writes one")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.split(|byte| *byte == b'\n').count();
        usage(anyhow!("line {line} of {} is not UTF-8 text", name(path)), "save it as UTF-8")
    })
}

fn take(source: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a spec out of a text that came from `path`.
pub(crate) fn parse(path: &str, text: &str) -> Result<Spec, Failure> {
    spec::parse(name(path), text, folder(path)).map_err(|errors| Failure {
        error: errors.into(),
        hint: None,
        exit: Exit::Usage,
    })
}

/// Returns the folder that paths in the spec are relative to; for standard input, where the user stands.
pub(crate) fn folder(path: &str) -> &Path {
    if path == "-" { Path::new("") } else { Path::new(path).parent().unwrap_or(Path::new("")) }
}

/// What a verb needs of the certificate's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// They are imported, so they must be there.
    Needed,
    /// Nothing is imported; they may be gone.
    NotNeeded,
}

/// Returns what a spec desires, with what its certificates' files hold.
pub(crate) fn stack(spec: &Spec, files: Files) -> Result<Stack, Failure> {
    let mut contents: Vec<(&CertificateFiles, CertificateContent)> = Vec::new();
    for (field, paths) in certificate_files(spec) {
        match (paths.load(), files) {
            (Ok(loaded), _) => {
                let content = CertificateContent {
                    fingerprint: loaded.leaf_fingerprint_sha256,
                    domains: loaded.domains,
                    key_algorithm: loaded.key_algorithm,
                };
                contents.push((paths, content));
            }
            (Err(_), Files::NotNeeded) => contents.push((paths, CertificateContent::default())),
            (Err(error), Files::Needed) => {
                return Err(Failure {
                    hint: error.problem.hint().map(str::to_owned),
                    error: anyhow::Error::new(error).context(format!("{field} cannot be used")),
                    exit: Exit::Usage,
                });
            }
        }
    }
    let content = |wanted: &CertificateFiles| {
        contents.iter().find(|(paths, _)| *paths == wanted).map(|(_, content)| content.clone())
    };
    Ok(desired(spec, content))
}

/// Yields the files that the spec's certificates name, each with the field.
fn certificate_files(spec: &Spec) -> impl Iterator<Item = (String, &CertificateFiles)> {
    let first = spec.certificate.iter().map(|wanted| ("certificate.files".to_owned(), &wanted.source));
    let more = spec.certificate.iter().flat_map(|wanted| wanted.additional.iter().enumerate());
    let more = more.map(|(at, source)| (format!("certificate.additional[{at}].files"), source));
    first.chain(more).filter_map(|(field, source)| match source {
        CertificateSource::Files(files) => Some((field, files)),
        CertificateSource::Arn(_) | CertificateSource::Domain(_) => None,
    })
}
