//! What is read off PEM texts: a certificate's fingerprint and names, and the blocks of a file.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;

use crate::provision::resource::sha256_of;

/// Returns the SHA-256 of the first certificate's DER form in lower-case hexadecimal; none where the text
/// holds no certificate.
pub(crate) fn fingerprint(pem: &[u8]) -> Option<String> {
    let leaf = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
    Some(sha256_of(leaf))
}

/// Returns the blocks of a PEM text whose label ends with `label`, each with its two lines around it.
pub(crate) fn blocks<'a>(text: &'a str, label: &str) -> Vec<&'a str> {
    const BEGIN: &str = "-----BEGIN ";
    const LINE_END: &str = "-----";
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        rest = &rest[start..];
        let Some(length) = rest[BEGIN.len()..].find(LINE_END) else { break };
        let found = &rest[BEGIN.len()..BEGIN.len() + length];
        let last = format!("-----END {found}-----");
        let Some(end) = rest.find(&last) else { break };
        let (block, after) = rest.split_at(end + last.len());
        if found.ends_with(label) {
            blocks.push(block);
        }
        rest = after;
    }
    blocks
}

/// Returns the DNS names that the first certificate is for: its subject alternative names, or its common name
/// where it has none; empty where the text holds no certificate.
pub(crate) fn domains(pem: &[u8]) -> Vec<String> {
    let Some(Ok(leaf)) = CertificateDer::pem_slice_iter(pem).next() else { return Vec::new() };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&leaf) else { return Vec::new() };
    let names: Vec<_> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.iter())
        .into_iter()
        .flatten()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect();
    if !names.is_empty() {
        return names;
    }
    let subject = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    subject.map(str::to_owned).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_certificate_counts_and_text_around_it_does_not() {
        // "abc" and "abcd" as DER: the content is of no matter here.
        let pem = "subject=x\n-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n\
                   -----BEGIN CERTIFICATE-----\nYWJjZA==\n-----END CERTIFICATE-----\n";
        assert_eq!(
            fingerprint(pem.as_bytes()).unwrap(),
            // FIPS 180-2, appendix B.1: SHA-256 of "abc".
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(fingerprint(b"no certificate"), None);
    }

    #[test]
    fn blocks_are_cut_out_by_their_label() {
        let leaf = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----";
        let key = "-----BEGIN EC PRIVATE KEY-----\nYWJj\n-----END EC PRIVATE KEY-----";
        let text = format!(
            "-----BEGIN EC PARAMETERS-----\nYWJj\n-----END EC PARAMETERS-----\n{key}\nx\n{leaf}\r\n{leaf}\n"
        );
        assert_eq!(blocks(&text, "PRIVATE KEY"), [key]);
        assert_eq!(blocks(&text, "CERTIFICATE"), [leaf, leaf]);
        // One shorter loses the last line's end, with which the second block is still whole.
        for cut in 0..text.len() - 1 {
            assert!(blocks(&text[..cut], "CERTIFICATE").len() < 2);
        }
    }
}
