//! What certificates take: those that are found are read, those from files are imported and deleted again.

use super::{Place, Statement, allow};
use crate::provision::resource::{CertificateSource, CertificateStore, Stack};

/// A stack that had files once finds what was imported among all of them.
pub(super) const ACM_READS: &[&str] =
    &["DescribeCertificate", "GetCertificate", "ListCertificates", "ListTagsForCertificate"];
pub(super) const IAM_READS: &[&str] = &["GetServerCertificate", "ListServerCertificates"];

pub(super) fn statements(stack: &Stack, place: Place<'_>) -> Vec<Statement> {
    let sources = || stack.certificate.iter().chain(&stack.additional_certificates);
    let has = |store: CertificateStore| {
        sources().any(|source| match source {
            CertificateSource::Files(files) => files.store == store,
            CertificateSource::Arn(_) | CertificateSource::Domain(_) => false,
        })
    };
    let mut statements = Vec::new();
    if has(CertificateStore::Acm) {
        let all = || [place.arn("acm", "certificate/*")];
        statements.push(
            allow("NewCertificate", "acm", &["AddTagsToCertificate", "ImportCertificate"])
                .on(all())
                .tagging(stack),
        );
        let own =
            ["AddTagsToCertificate", "DeleteCertificate", "ImportCertificate", "RemoveTagsFromCertificate"];
        statements.push(allow("OwnCertificate", "acm", &own).on(all()).of(stack));
    }
    if has(CertificateStore::Iam) {
        let own = [
            "DeleteServerCertificate",
            "TagServerCertificate",
            "UntagServerCertificate",
            "UploadServerCertificate",
        ];
        let path = format!("arn:aws:iam::*:server-certificate/elbws/{}/*", stack.name);
        statements.push(allow("ServerCertificate", "iam", &own).on([path]));
    }
    statements
}
