//! AWS Certificate Manager.

use std::collections::BTreeSet;

use aws_sdk_acm::config::Config;
use aws_sdk_acm::error::SdkError;
use aws_sdk_acm::primitives::Blob;
use aws_sdk_acm::types::{
    CertificateDetail as ApiDetail, CertificateStatus, CertificateSummary, CertificateType, Filters,
    KeyAlgorithm, RenewalEligibility, Tag,
};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;

use super::{AwsError, Clients, Failure, Service, error, pem};
use crate::provision::resource::path::{CertificateDetail, Renewal};
use crate::provision::resource::{Certificate, CertificateStore, Tags};

/// There is no such certificate.
pub(crate) const NOT_FOUND: &str = "ResourceNotFoundException";

/// What a list of certificates says of one.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// The certificate, without fingerprint and tags.
    pub(crate) certificate: Certificate,
    /// Whether it was imported rather than issued by ACM.
    pub(crate) imported: bool,
    /// Whether something uses it.
    pub(crate) in_use: bool,
    /// Whether it has more names than are listed here.
    pub(crate) has_more_domains: bool,
}

/// The PEM texts of a certificate to import.
pub(crate) struct Material {
    pub(crate) certificate: String,
    pub(crate) private_key: String,
    pub(crate) chain: Option<String>,
}

/// Every type of key; without it the list leaves out ECDSA, RSA 3072 and RSA 4096.
const KEY_TYPES: [KeyAlgorithm; 7] = [
    KeyAlgorithm::EcPrime256v1,
    KeyAlgorithm::EcSecp384r1,
    KeyAlgorithm::EcSecp521r1,
    KeyAlgorithm::Rsa1024,
    KeyAlgorithm::Rsa2048,
    KeyAlgorithm::Rsa3072,
    KeyAlgorithm::Rsa4096,
];

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Acm, operation)
}

/// Lists the certificates that are issued, and those that once were and have expired; sorted by ARN.
pub(crate) async fn list(clients: &Clients) -> Result<Vec<Summary>, AwsError> {
    let includes = Filters::builder().set_key_types(Some(KEY_TYPES.to_vec())).build();
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = clients
            .acm()
            .list_certificates()
            .certificate_statuses(CertificateStatus::Issued)
            .certificate_statuses(CertificateStatus::Expired)
            .includes(includes.clone())
            .max_items(1000)
            .set_next_token(token)
            .send()
            .await
            .map_err(failed("ListCertificates"))?;
        found.extend(page.certificate_summary_list.unwrap_or_default().into_iter().filter_map(summary_from));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    found.sort_by(|a, b| a.certificate.arn.cmp(&b.certificate.arn));
    Ok(found)
}

/// Reads a certificate with all its names, without fingerprint and tags.
pub(crate) async fn describe(clients: &Clients, arn: &str) -> Result<Option<Summary>, AwsError> {
    Ok(described(clients, arn).await?.and_then(summary_from_detail))
}

/// Reads what decides whether a certificate will go on serving; none where there is no such certificate.
pub(crate) async fn detail(clients: &Clients, arn: &str) -> Result<Option<CertificateDetail>, AwsError> {
    Ok(described(clients, arn).await?.and_then(detail_from))
}

async fn described(clients: &Clients, arn: &str) -> Result<Option<ApiDetail>, AwsError> {
    let answer = clients
        .acm()
        .describe_certificate()
        .certificate_arn(arn)
        .send()
        .await
        .map_err(failed("DescribeCertificate"));
    match answer {
        Ok(output) => Ok(output.certificate),
        Err(error) if error.is(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a certificate's tags; none where there is no such certificate.
pub(crate) async fn tags(clients: &Clients, arn: &str) -> Result<Tags, AwsError> {
    let answer = clients
        .acm()
        .list_tags_for_certificate()
        .certificate_arn(arn)
        .send()
        .await
        .map_err(failed("ListTagsForCertificate"));
    match answer {
        Ok(output) => Ok(output
            .tags
            .unwrap_or_default()
            .into_iter()
            .map(|tag| (tag.key, tag.value.unwrap_or_default()))
            .collect()),
        Err(error) if error.is(NOT_FOUND) => Ok(Tags::default()),
        Err(error) => Err(error),
    }
}

/// Reads a certificate's fingerprint; none where there is no such certificate.
pub(crate) async fn fingerprint(clients: &Clients, arn: &str) -> Result<Option<String>, AwsError> {
    let answer =
        clients.acm().get_certificate().certificate_arn(arn).send().await.map_err(failed("GetCertificate"));
    match answer {
        Ok(output) => Ok(output.certificate.and_then(|text| pem::fingerprint(text.as_bytes()))),
        Err(error) if error.is(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Imports a certificate and returns its ARN: over the one with the ARN `over`, or as a new one with `tags`.
///
/// It is sent once, never again by itself: a second import would make a second certificate.
pub(crate) async fn import(
    clients: &Clients,
    material: &Material,
    over: Option<&str>,
    tags: &Tags,
) -> Result<String, AwsError> {
    const OPERATION: &str = "ImportCertificate";
    // ACM takes no tags where it imports over a certificate.
    let tags = if over.is_none() { tags_to(tags, OPERATION)? } else { Vec::new() };
    let output = clients
        .acm()
        .import_certificate()
        .certificate(Blob::new(material.certificate.as_bytes()))
        .private_key(Blob::new(material.private_key.as_bytes()))
        .set_certificate_chain(material.chain.as_deref().map(|chain| Blob::new(chain.as_bytes())))
        .set_certificate_arn(over.map(str::to_owned))
        .set_tags((!tags.is_empty()).then_some(tags))
        .customize()
        .config_override(Config::builder().retry_config(RetryConfig::disabled()))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    output.certificate_arn.ok_or_else(|| malformed(OPERATION, "the answer names no certificate"))
}

pub(crate) async fn delete(clients: &Clients, arn: &str) -> Result<(), AwsError> {
    clients
        .acm()
        .delete_certificate()
        .certificate_arn(arn)
        .send()
        .await
        .map_err(failed("DeleteCertificate"))
        .map(drop)
}

pub(crate) async fn add_tags(clients: &Clients, arn: &str, tags: &Tags) -> Result<(), AwsError> {
    const OPERATION: &str = "AddTagsToCertificate";
    clients
        .acm()
        .add_tags_to_certificate()
        .certificate_arn(arn)
        .set_tags(Some(tags_to(tags, OPERATION)?))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn remove_tags(
    clients: &Clients,
    arn: &str,
    keys: &BTreeSet<String>,
) -> Result<(), AwsError> {
    const OPERATION: &str = "RemoveTagsFromCertificate";
    let tags = keys
        .iter()
        .map(|key| Tag::builder().key(key).build().map_err(|error| malformed(OPERATION, &error.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    clients
        .acm()
        .remove_tags_from_certificate()
        .certificate_arn(arn)
        .set_tags(Some(tags))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

fn summary_from(found: CertificateSummary) -> Option<Summary> {
    let mut domains = found.subject_alternative_name_summaries.unwrap_or_default();
    add_subject(&mut domains, found.domain_name);
    Some(Summary {
        certificate: Certificate {
            arn: found.certificate_arn?,
            store: CertificateStore::Acm,
            // A list by status that leaves the status out has no other.
            issued: found.status.is_none_or(|status| status == CertificateStatus::Issued),
            domains,
            key_algorithm: found.key_algorithm.map(algorithm_from),
            not_after: found.not_after.map(|time| time.secs()),
            fingerprint: None,
            tags: Tags::default(),
        },
        imported: found.r#type.is_none_or(|kind| kind == CertificateType::Imported),
        in_use: found.in_use.unwrap_or_default(),
        has_more_domains: found.has_additional_subject_alternative_names.unwrap_or_default(),
    })
}

fn detail_from(found: ApiDetail) -> Option<CertificateDetail> {
    let status = found.status.as_ref().map(|status| status.as_str().to_owned()).unwrap_or_default();
    let renewal = match (&found.r#type, &found.renewal_eligibility) {
        (Some(CertificateType::Imported), _) => Renewal::Imported,
        (_, Some(RenewalEligibility::Ineligible)) => Renewal::Ineligible,
        _ => Renewal::Managed(
            found.renewal_summary.as_ref().map(|summary| summary.renewal_status.as_str().to_owned()),
        ),
    };
    let certificate = summary_from_detail(found)?.certificate;
    Some(CertificateDetail { certificate, status, renewal })
}

fn summary_from_detail(found: ApiDetail) -> Option<Summary> {
    let mut domains = found.subject_alternative_names.unwrap_or_default();
    add_subject(&mut domains, found.domain_name);
    Some(Summary {
        certificate: Certificate {
            arn: found.certificate_arn?,
            store: CertificateStore::Acm,
            issued: found.status == Some(CertificateStatus::Issued),
            domains,
            key_algorithm: found.key_algorithm.map(algorithm_from),
            not_after: found.not_after.map(|time| time.secs()),
            fingerprint: None,
            tags: Tags::default(),
        },
        imported: found.r#type == Some(CertificateType::Imported),
        in_use: found.in_use_by.is_some_and(|users| !users.is_empty()),
        has_more_domains: false,
    })
}

/// Returns the algorithm as imports compare it: ACM writes `RSA_2048` in some answers and `RSA-2048` in others.
#[allow(clippy::needless_pass_by_value, reason = "it is mapped over what an option holds")]
fn algorithm_from(algorithm: KeyAlgorithm) -> String {
    algorithm.as_str().replace('-', "_")
}

fn add_subject(domains: &mut Vec<String>, subject: Option<String>) {
    if let Some(subject) = subject.filter(|subject| !subject.is_empty() && !domains.contains(subject)) {
        domains.insert(0, subject);
    }
}

fn tags_to(tags: &Tags, operation: &'static str) -> Result<Vec<Tag>, AwsError> {
    tags.0
        .iter()
        .map(|(key, value)| {
            Tag::builder()
                .key(key)
                .value(value)
                .build()
                .map_err(|error| malformed(operation, &error.to_string()))
        })
        .collect()
}

fn malformed(operation: &'static str, text: &str) -> AwsError {
    AwsError { service: Service::Acm, operation, failure: Failure::Malformed(text.to_owned()) }
}
