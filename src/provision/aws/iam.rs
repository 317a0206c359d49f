//! IAM server certificates.

use std::collections::BTreeSet;

use aws_sdk_iam::error::SdkError;
use aws_sdk_iam::types::{ServerCertificate, Tag};
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::acm::Material;
use super::{AwsError, Clients, Failure, Service, error, pem};
use crate::provision::resource::{Certificate, CertificateStore, Tags};

/// There is no such server certificate.
pub(crate) const NOT_FOUND: &str = "NoSuchEntity";
/// There is one of this name already.
pub(crate) const EXISTS: &str = "EntityAlreadyExists";

fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    error::of(Service::Iam, operation)
}

/// Returns the name in a server certificate's ARN, `arn:aws:iam::…:server-certificate/path/name`.
pub(crate) fn name_in(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Lists the names of the server certificates under `path`, sorted.
pub(crate) async fn names(clients: &Clients, path: &str) -> Result<Vec<String>, AwsError> {
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let page = clients
            .iam()
            .list_server_certificates()
            .path_prefix(path)
            .set_marker(marker)
            .send()
            .await
            .map_err(failed("ListServerCertificates"))?;
        names.extend(
            page.server_certificate_metadata_list.into_iter().map(|found| found.server_certificate_name),
        );
        marker = page.marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a server certificate with its fingerprint, names and tags.
pub(crate) async fn certificate(clients: &Clients, name: &str) -> Result<Option<Certificate>, AwsError> {
    let answer = clients
        .iam()
        .get_server_certificate()
        .server_certificate_name(name)
        .send()
        .await
        .map_err(failed("GetServerCertificate"));
    match answer {
        Ok(output) => Ok(output.server_certificate.and_then(certificate_from)),
        Err(error) if error.is(NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Uploads a server certificate and returns its ARN.
pub(crate) async fn upload(
    clients: &Clients,
    name: &str,
    path: &str,
    material: &Material,
    tags: &Tags,
) -> Result<String, AwsError> {
    const OPERATION: &str = "UploadServerCertificate";
    let tags = tags_to(tags, OPERATION)?;
    let output = clients
        .iam()
        .upload_server_certificate()
        .server_certificate_name(name)
        .path(path)
        .certificate_body(&material.certificate)
        .private_key(&material.private_key)
        .set_certificate_chain(material.chain.clone())
        .set_tags((!tags.is_empty()).then_some(tags))
        .send()
        .await
        .map_err(failed(OPERATION))?;
    output
        .server_certificate_metadata
        .map(|metadata| metadata.arn)
        .ok_or_else(|| malformed(OPERATION, "the answer names no certificate"))
}

pub(crate) async fn delete(clients: &Clients, name: &str) -> Result<(), AwsError> {
    clients
        .iam()
        .delete_server_certificate()
        .server_certificate_name(name)
        .send()
        .await
        .map_err(failed("DeleteServerCertificate"))
        .map(drop)
}

pub(crate) async fn add_tags(clients: &Clients, name: &str, tags: &Tags) -> Result<(), AwsError> {
    const OPERATION: &str = "TagServerCertificate";
    clients
        .iam()
        .tag_server_certificate()
        .server_certificate_name(name)
        .set_tags(Some(tags_to(tags, OPERATION)?))
        .send()
        .await
        .map_err(failed(OPERATION))
        .map(drop)
}

pub(crate) async fn remove_tags(
    clients: &Clients,
    name: &str,
    keys: &BTreeSet<String>,
) -> Result<(), AwsError> {
    clients
        .iam()
        .untag_server_certificate()
        .server_certificate_name(name)
        .set_tag_keys(Some(keys.iter().cloned().collect()))
        .send()
        .await
        .map_err(failed("UntagServerCertificate"))
        .map(drop)
}

fn certificate_from(found: ServerCertificate) -> Option<Certificate> {
    let metadata = found.server_certificate_metadata?;
    let body = found.certificate_body.as_bytes();
    Some(Certificate {
        arn: metadata.arn,
        store: CertificateStore::Iam,
        issued: true,
        domains: pem::domains(body),
        key_algorithm: None,
        not_after: metadata.expiration.map(|time| time.secs()),
        fingerprint: pem::fingerprint(body),
        tags: found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
    })
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
    AwsError { service: Service::Iam, operation, failure: Failure::Malformed(text.to_owned()) }
}
