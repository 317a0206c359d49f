//! Which certificate the secure listeners get, and the imports and deletions that follow from it.

use std::collections::BTreeSet;

use serde_json::json;

use super::failure::PlanError;
use super::fields::changed;
use super::order::{After, Draft, DraftStep};
use super::security_group::prefixed;
use super::{Action, Disruption, IamName, Operation, Reference, TagChange};
use crate::provision::resource::{
    Certificate, CertificateFiles, CertificateSource, CertificateStore, Kind, Observed, RESOURCE_TAG,
    ResourceKey, Stack,
};

/// Returns the key of the stack's imported certificate.
pub(super) fn certificate_key() -> ResourceKey {
    ResourceKey::new(Kind::Certificate, "main")
}

/// The certificates of a stack, as its listeners refer to them.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// The one that clients are shown.
    pub(super) main: Option<Reference>,
    /// Those that are chosen by SNI.
    pub(super) additional: Vec<Reference>,
}

/// Plans the certificates and returns how listeners refer to them.
pub(super) fn plan(
    stack: &Stack,
    observed: &Observed,
    draft: &mut Draft,
    errors: &mut Vec<PlanError>,
) -> Certificates {
    let main = stack
        .certificate
        .as_ref()
        .and_then(|source| resolve(stack, observed, source, &certificate_key(), draft, errors));
    let additional = stack.additional_certificates.iter().enumerate().filter_map(|(index, source)| {
        let key = ResourceKey::new(Kind::Certificate, format!("additional-{}", index + 1));
        resolve(stack, observed, source, &key, draft, errors)
    });
    Certificates { main, additional: additional.collect() }
}

fn resolve(
    stack: &Stack,
    observed: &Observed,
    source: &CertificateSource,
    key: &ResourceKey,
    draft: &mut Draft,
    errors: &mut Vec<PlanError>,
) -> Option<Reference> {
    let wanted = match source {
        CertificateSource::Arn(arn) => match observed.certificates.iter().find(|found| found.arn == *arn) {
            None => Err(PlanError::UnknownCertificate { arn: arn.clone() }),
            Some(found) if !found.issued => Err(PlanError::CertificateNotIssued { arn: arn.clone() }),
            Some(_) => Ok(Reference::Existing(arn.clone())),
        },
        CertificateSource::Domain(domain) => {
            longest_lived(observed, domain).map(|found| Reference::Existing(found.arn.clone())).ok_or_else(
                || PlanError::NoCertificateCovers { domain: domain.clone(), region: observed.region.clone() },
            )
        }
        CertificateSource::Files(files) => Ok(import(stack, observed, files, key, draft)),
    };
    wanted.map_err(|error| errors.push(error)).ok()
}

/// Plans the deletion of the stack's imported certificates but those that are `wanted`, and those that a load balancer
/// which stays is `listening` with.
pub(super) fn plan_deletions(
    stack: &str,
    observed: &Observed,
    wanted: &Certificates,
    listening: &BTreeSet<&String>,
    draft: &mut Draft,
) {
    let is_wanted = |arn: &String| {
        let reference = Reference::Existing(arn.clone());
        wanted.main.as_ref() == Some(&reference) || wanted.additional.contains(&reference)
    };
    for old in observed
        .certificates
        .iter()
        .filter(|found| found.tags.are_of(stack) && !is_wanted(&found.arn) && !listening.contains(&found.arn))
    {
        let key = ResourceKey::new(Kind::Certificate, &old.arn);
        let fields = changed(Some(&form(old.fingerprint.as_deref(), &old.domains)), None::<&()>);
        draft.change(Action::Delete, &key, fields, Disruption::None);
        draft.step(
            DraftStep::new(Operation::DeleteCertificate { arn: old.arn.clone() }, &key).removes().after([
                After::EveryMade(Kind::Listener),
                After::EveryGone(Kind::Listener),
                After::EveryGone(Kind::LoadBalancer),
            ]),
        );
    }
}

/// Returns the issued ACM certificate for the domain that expires last. Between two that expire together the
/// ARN decides, so that the choice is the same each time.
fn longest_lived<'a>(observed: &'a Observed, domain: &str) -> Option<&'a Certificate> {
    observed
        .certificates
        .iter()
        .filter(|found| found.store == CertificateStore::Acm && found.issued && found.covers(domain))
        .max_by_key(|found| (found.not_after, &found.arn))
}

fn import(
    stack: &Stack,
    observed: &Observed,
    files: &CertificateFiles,
    key: &ResourceKey,
    draft: &mut Draft,
) -> Reference {
    let tags = stack.tags.owned_by(&stack.name, key);
    let ours = |found: &&Certificate| {
        found.store == files.store
            && found.tags.0.get(RESOURCE_TAG) == Some(&key.to_string())
            && found.tags.are_of(&stack.name)
    };
    let same = |found: &Certificate| found.fingerprint.as_deref() == Some(&files.fingerprint);
    let current = observed
        .certificates
        .iter()
        .filter(ours)
        .max_by_key(|found| (same(found), found.not_after, &found.arn));
    let desired = form(Some(&files.fingerprint), &files.domains);
    if let Some(current) = current {
        if let Some(change) = TagChange::between(&current.tags, &tags) {
            let fields = prefixed("tags", changed(Some(&current.tags.without_reserved()), Some(&tags)));
            draft.change(Action::Update, key, fields, Disruption::None);
            let operation = Operation::TagCertificate { arn: current.arn.clone(), tags: change };
            draft.step(DraftStep::new(operation, key));
        }
        if same(current) {
            return Reference::Existing(current.arn.clone());
        }
    }
    // ACM takes a new certificate under the old ARN only while the type and size of the key stay
    // (https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html); IAM never does.
    let over = current.filter(|current| {
        current.store == CertificateStore::Acm
            && current.key_algorithm.as_deref().is_none_or(|algorithm| algorithm == files.key_algorithm)
    });
    let before = current.map(|current| form(current.fingerprint.as_deref(), &current.domains));
    let (action, disruption) = match (over, current) {
        (Some(_), _) => (Action::Update, Disruption::NewConnections),
        (None, Some(_)) => (Action::Replace, Disruption::NewConnections),
        (None, None) => (Action::Create, Disruption::None),
    };
    draft.change(action, key, changed(before.as_ref(), Some(&desired)), disruption);
    let iam = match files.store {
        CertificateStore::Acm => None,
        CertificateStore::Iam => Some(IamName {
            name: format!("{}-{}", stack.name, files.fingerprint.get(..16).unwrap_or(&files.fingerprint)),
            path: format!("/elbws/{}/", stack.name),
        }),
    };
    let operation = Operation::ImportCertificate {
        key: key.clone(),
        files: files.clone(),
        over: over.map(|over| over.arn.clone()),
        iam,
        tags,
    };
    draft.step(DraftStep::new(operation, key).makes());
    match over {
        Some(over) => Reference::Existing(over.arn.clone()),
        None => Reference::Planned(key.clone()),
    }
}

/// The names are sorted: ACM lists the subject first, a file in the order of its own.
fn form(fingerprint: Option<&str>, domains: &[String]) -> serde_json::Value {
    let domains: BTreeSet<&String> = domains.iter().collect();
    json!({ "fingerprint": fingerprint, "domains": domains })
}
