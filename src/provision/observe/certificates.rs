//! The certificates that a stack may use, and those that it has imported.

use std::collections::BTreeSet;

use super::super::aws::acm::Summary;
use super::super::aws::{AwsError, Clients, acm, iam};
use super::super::resource::{Certificate, CertificateSource, CertificateStore, Stack};
use futures_util::future::try_join_all;

/// Lists ACM's certificates. A stack that uses none may be run by someone who may not list them.
pub(super) async fn list(clients: &Clients, stack: &Stack) -> Result<Vec<Summary>, AwsError> {
    match acm::list(clients).await {
        Err(error) if !needs_acm(stack) && error.is_any(&["AccessDenied", "AccessDeniedException"]) => {
            Ok(Vec::new())
        }
        listed => listed,
    }
}

/// Reads of the `listed` certificates what matters to the stack, and the server certificates that do. `listening`
/// are those on the load balancers' listeners.
pub(super) async fn certificates(
    clients: &Clients,
    stack: &Stack,
    listed: Vec<Summary>,
    listening: &BTreeSet<String>,
) -> Result<Vec<Certificate>, AwsError> {
    let (from_acm, named, from_iam) = tokio::try_join!(
        try_join_all(listed.iter().map(|summary| one_of_acm(clients, stack, summary, listening))),
        named(clients, stack, &listed),
        server_certificates(clients, stack),
    )?;
    let mut certificates: Vec<_> = from_acm.into_iter().flatten().chain(named).chain(from_iam).collect();
    certificates.sort_by(|a, b| a.arn.cmp(&b.arn));
    certificates.dedup_by(|a, b| a.arn == b.arn);
    Ok(certificates)
}

fn needs_acm(stack: &Stack) -> bool {
    sources(stack).any(|source| match source {
        CertificateSource::Arn(arn) => !is_of_iam(arn),
        CertificateSource::Domain(_) => true,
        CertificateSource::Files(files) => files.store == CertificateStore::Acm,
    })
}

/// Returns where the stack's certificates come from, the main one's first.
fn sources(stack: &Stack) -> impl Iterator<Item = &CertificateSource> {
    stack.certificate.iter().chain(&stack.additional_certificates)
}

fn is_of_iam(arn: &str) -> bool {
    arn.contains(":server-certificate/")
}

/// Reads what is missing of a listed certificate; none where it is of no matter to the stack.
async fn one_of_acm(
    clients: &Clients,
    stack: &Stack,
    summary: &Summary,
    listening: &BTreeSet<String>,
) -> Result<Option<Certificate>, AwsError> {
    let listed = &summary.certificate;
    let mut selected = None;
    for source in sources(stack) {
        let found = match source {
            CertificateSource::Arn(arn) => (listed.arn == *arn).then(|| listed.clone()),
            CertificateSource::Domain(domain) => covering(clients, summary, domain).await?,
            CertificateSource::Files(_) => None,
        };
        selected = selected.or(found);
    }
    if !may_be_ours(stack, summary, listening) {
        return Ok(selected);
    }
    let tags = acm::tags(clients, &listed.arn).await?;
    if !tags.are_of(&stack.name) {
        return Ok(selected);
    }
    let fingerprint = acm::fingerprint(clients, &listed.arn).await?;
    Ok(Some(Certificate { fingerprint, tags, ..selected.unwrap_or_else(|| listed.clone()) }))
}

/// Says whether a certificate's tags are worth a call: it was imported, and nobody else's use of it shows that
/// it is someone else's.
fn may_be_ours(stack: &Stack, summary: &Summary, listening: &BTreeSet<String>) -> bool {
    let is_of_the_files = sources(stack).any(|source| match source {
        CertificateSource::Files(files) => {
            files.domains.iter().any(|domain| summary.certificate.domains.contains(domain))
        }
        CertificateSource::Arn(_) | CertificateSource::Domain(_) => false,
    });
    summary.imported && (!summary.in_use || is_of_the_files || listening.contains(&summary.certificate.arn))
}

/// Returns the listed certificate if it covers `domain`, with what decides between several that do.
async fn covering(
    clients: &Clients,
    summary: &Summary,
    domain: &str,
) -> Result<Option<Certificate>, AwsError> {
    let listed = &summary.certificate;
    if !listed.issued {
        return Ok(None);
    }
    let covers = listed.covers(domain);
    let is_complete = if covers { listed.not_after.is_some() } else { !summary.has_more_domains };
    if is_complete {
        return Ok(covers.then(|| listed.clone()));
    }
    let described = acm::describe(clients, &listed.arn).await?;
    Ok(described
        .map(|described| described.certificate)
        .filter(|certificate| certificate.issued && certificate.covers(domain)))
}

/// Reads the certificates that the spec names by ARN, where no list has them.
async fn named(clients: &Clients, stack: &Stack, listed: &[Summary]) -> Result<Vec<Certificate>, AwsError> {
    let arns = sources(stack).filter_map(|source| match source {
        CertificateSource::Arn(arn) => Some(arn.as_str()),
        CertificateSource::Domain(_) | CertificateSource::Files(_) => None,
    });
    let found = try_join_all(arns.map(|arn| one_named(clients, arn, listed))).await?;
    Ok(found.into_iter().flatten().collect())
}

async fn one_named(
    clients: &Clients,
    arn: &str,
    listed: &[Summary],
) -> Result<Option<Certificate>, AwsError> {
    if is_of_iam(arn) {
        let found = iam::certificate(clients, iam::name_in(arn)).await?;
        return Ok(found.filter(|found| found.arn == arn));
    }
    if listed.iter().any(|summary| summary.certificate.arn == arn) {
        return Ok(None);
    }
    match acm::describe(clients, arn).await {
        Ok(found) => Ok(found.map(|found| found.certificate)),
        // An ARN of another region or account, or none at all, names nothing here.
        Err(error) if error.is_any(&["ValidationException", "InvalidArnException"]) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the stack's server certificates: those under its path in IAM. They are looked for even where the spec
/// has none: a run that was killed after the listeners were given another one has left them.
async fn server_certificates(clients: &Clients, stack: &Stack) -> Result<Vec<Certificate>, AwsError> {
    let path = format!("/elbws/{}/", stack.name);
    let imports = sources(stack).any(
        |source| matches!(source, CertificateSource::Files(files) if files.store == CertificateStore::Iam),
    );
    let names = match iam::names(clients, &path).await {
        // A stack that uses none may be run by someone who may not list them.
        Err(error) if !imports && error.is_any(&["AccessDenied", "AccessDeniedException"]) => Vec::new(),
        listed => listed?,
    };
    let found = try_join_all(names.iter().map(|name| iam::certificate(clients, name))).await?;
    Ok(found.into_iter().flatten().collect())
}
