//! The certificates that a stack may use, and those that it has imported.

use std::collections::BTreeSet;

use super::super::aws::acm::Summary;
use super::super::aws::{AwsError, Clients, acm, iam};
use super::super::resource::{Certificate, CertificateSource, CertificateStore, LoadBalancer, Stack};
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

/// Reads of the `listed` certificates what matters to the stack, and the server certificates that do.
pub(super) async fn certificates(
    clients: &Clients,
    stack: &Stack,
    listed: Vec<Summary>,
    balancer: Option<&LoadBalancer>,
) -> Result<Vec<Certificate>, AwsError> {
    let listening: BTreeSet<&str> = balancer
        .iter()
        .flat_map(|balancer| balancer.listeners.values())
        .filter_map(|listener| listener.certificate.as_deref())
        .collect();
    let (from_acm, named, from_iam) = tokio::try_join!(
        try_join_all(listed.iter().map(|summary| one_of_acm(clients, stack, summary, &listening))),
        named(clients, stack, &listed),
        server_certificates(clients, stack),
    )?;
    let mut certificates: Vec<_> = from_acm.into_iter().flatten().chain(named).chain(from_iam).collect();
    certificates.sort_by(|a, b| a.arn.cmp(&b.arn));
    certificates.dedup_by(|a, b| a.arn == b.arn);
    Ok(certificates)
}

fn needs_acm(stack: &Stack) -> bool {
    match &stack.certificate {
        None => false,
        Some(CertificateSource::Arn(arn)) => !is_of_iam(arn),
        Some(CertificateSource::Domain(_)) => true,
        Some(CertificateSource::Files(files)) => files.store == CertificateStore::Acm,
    }
}

fn is_of_iam(arn: &str) -> bool {
    arn.contains(":server-certificate/")
}

/// Reads what is missing of a listed certificate; none where it is of no matter to the stack.
async fn one_of_acm(
    clients: &Clients,
    stack: &Stack,
    summary: &Summary,
    listening: &BTreeSet<&str>,
) -> Result<Option<Certificate>, AwsError> {
    let listed = &summary.certificate;
    let selected = match &stack.certificate {
        Some(CertificateSource::Arn(arn)) => (listed.arn == *arn).then(|| listed.clone()),
        Some(CertificateSource::Domain(domain)) => covering(clients, summary, domain).await?,
        Some(CertificateSource::Files(_)) | None => None,
    };
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
fn may_be_ours(stack: &Stack, summary: &Summary, listening: &BTreeSet<&str>) -> bool {
    let is_of_the_files = match &stack.certificate {
        Some(CertificateSource::Files(files)) => {
            files.domains.iter().any(|domain| summary.certificate.domains.contains(domain))
        }
        Some(CertificateSource::Arn(_) | CertificateSource::Domain(_)) | None => false,
    };
    summary.imported
        && (!summary.in_use || is_of_the_files || listening.contains(summary.certificate.arn.as_str()))
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

/// Reads the certificate that the spec names by ARN, where no list has it.
async fn named(
    clients: &Clients,
    stack: &Stack,
    listed: &[Summary],
) -> Result<Option<Certificate>, AwsError> {
    let Some(CertificateSource::Arn(arn)) = &stack.certificate else { return Ok(None) };
    if is_of_iam(arn) {
        let found = iam::certificate(clients, iam::name_in(arn)).await?;
        return Ok(found.filter(|found| found.arn == *arn));
    }
    if listed.iter().any(|summary| summary.certificate.arn == *arn) {
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
    let imports = matches!(
        &stack.certificate,
        Some(CertificateSource::Files(files)) if files.store == CertificateStore::Iam
    );
    let names = match iam::names(clients, &path).await {
        // A stack that uses none may be run by someone who may not list them.
        Err(error) if !imports && error.is_any(&["AccessDenied", "AccessDeniedException"]) => Vec::new(),
        listed => listed?,
    };
    let found = try_join_all(names.iter().map(|name| iam::certificate(clients, name))).await?;
    Ok(found.into_iter().flatten().collect())
}
