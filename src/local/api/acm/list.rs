//! `ListCertificates`: filters, order and pages.

use serde_json::{Value, json};

use super::describe::{displayed, key_pair_origin, renewal_eligibility, seconds, type_name};
use crate::local::api::Context;
use crate::local::api::input::{check_choice, choice, integer, text, texts, validation};
use crate::local::state::acm::{Certificate, Origin};
use crate::local::wire::error::ApiError;

const STATUSES: [&str; 7] =
    ["PENDING_VALIDATION", "ISSUED", "INACTIVE", "EXPIRED", "VALIDATION_TIMED_OUT", "REVOKED", "FAILED"];
const ORIGINS: [&str; 3] = ["AWS_MANAGED", "ACME", "CUSTOMER_PROVIDED"];
const KEY_TYPES: [&str; 7] =
    ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];
/// Without a wish for key types, only certificates of these are listed, and only those with a domain.
/// <https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html>
const DEFAULT_KEY_TYPES: [&str; 2] = ["RSA_1024", "RSA_2048"];
/// What every token begins with.
const TOKEN: &str = "after:";

/// Which certificates are wished for.
struct Wish<'a> {
    statuses: Option<Vec<&'a str>>,
    origins: Option<Vec<&'a str>>,
    key_types: Option<Vec<&'a str>>,
    key_usages: Option<Vec<&'a str>>,
    extended_key_usages: Option<Vec<&'a str>>,
    export: Option<&'a str>,
    managed_by: Option<&'a str>,
}

impl<'a> Wish<'a> {
    fn read(input: &'a Value) -> Result<Self, ApiError> {
        let includes = &input["Includes"];
        Ok(Self {
            statuses: choices(input, "CertificateStatuses", &STATUSES)?,
            origins: choices(input, "CertificateKeyPairOrigins", &ORIGINS)?,
            key_types: choices(includes, "keyTypes", &KEY_TYPES)?.filter(|types| !types.is_empty()),
            key_usages: texts(includes, "keyUsage")?.filter(|usages| !usages.is_empty()),
            extended_key_usages: texts(includes, "extendedKeyUsage")?.filter(|usages| !usages.is_empty()),
            export: choice(includes, "exportOption", &["ENABLED", "DISABLED"])?,
            managed_by: choice(includes, "managedBy", &["CLOUDFRONT"])?,
        })
    }

    fn admits(&self, certificate: &Certificate, status: &str) -> bool {
        let facts = &certificate.key_pair.facts;
        let one = |wished: &Option<Vec<&str>>, found: &str| {
            wished.as_ref().is_none_or(|wished| wished.is_empty() || wished.contains(&found))
        };
        let any = |wished: &Option<Vec<&str>>, found: &[String]| {
            wished.as_ref().is_none_or(|wished| {
                wished.iter().any(|usage| *usage == "ANY" || found.iter().any(|given| given == usage))
            })
        };
        let key_type = match &self.key_types {
            Some(types) => types.contains(&facts.key_algorithm.as_str()),
            None => DEFAULT_KEY_TYPES.contains(&facts.key_algorithm.as_str()) && facts.domain().is_some(),
        };
        key_type
            && one(&self.statuses, status)
            && one(&self.origins, key_pair_origin(certificate))
            && any(&self.key_usages, &facts.key_usages)
            && any(&self.extended_key_usages, &facts.extended_key_usages)
            && self.export.is_none_or(|export| export == "DISABLED")
            && self.managed_by.is_none()
    }
}

fn choices<'a>(input: &'a Value, name: &str, among: &[&str]) -> Result<Option<Vec<&'a str>>, ApiError> {
    let values = texts(input, name)?;
    for value in values.iter().flatten() {
        check_choice(value, name, among)?;
    }
    Ok(values)
}

/// In which order certificates are listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    ByArn,
    OldestFirst,
    NewestFirst,
}

impl Order {
    fn read(input: &Value) -> Result<Self, ApiError> {
        let by = choice(input, "SortBy", &["CREATED_AT"])?;
        let order = choice(input, "SortOrder", &["ASCENDING", "DESCENDING"])?;
        match (by, order) {
            (None, None) => Ok(Self::ByArn),
            (Some(_), Some("ASCENDING")) => Ok(Self::OldestFirst),
            (Some(_), Some(_)) => Ok(Self::NewestFirst),
            (Some(_), None) | (None, Some(_)) => Err(ApiError::bad_request(
                "ValidationException",
                "SortBy and SortOrder must be specified together.",
            )),
        }
    }

    /// Where a certificate stands; a page ends at a position and the next one begins after it.
    fn position(self, certificate: &Certificate) -> String {
        let created = u64::try_from(seconds(certificate.created_at)).unwrap_or_default();
        match self {
            Self::ByArn => certificate.arn.clone(),
            Self::OldestFirst => format!("{created:020}/{}", certificate.arn),
            Self::NewestFirst => format!("{:020}/{}", u64::MAX - created, certificate.arn),
        }
    }
}

pub(super) fn list(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let wish = Wish::read(input)?;
    let order = Order::read(input)?;
    let most = integer(input, "MaxItems")?.unwrap_or(1000);
    if !(1..=1000).contains(&most) {
        let constraint = "Member must have value between 1 and 1000";
        return Err(validation(Some(&most.to_string()), "maxItems", constraint));
    }
    let after =
        match text(input, "NextToken")? {
            None => None,
            Some(token) => Some(token.strip_prefix(TOKEN).ok_or_else(|| {
                ApiError::bad_request("InvalidArgsException", "The NextToken is not valid.")
            })?),
        };
    let now = context.now;
    let certificates = context.here().acm.certificates.values();
    let mut listed: Vec<(String, Certificate)> = certificates
        .filter(|certificate| wish.admits(certificate, certificate.status(now)))
        .map(|certificate| (order.position(certificate), certificate.clone()))
        .filter(|(position, _)| after.is_none_or(|after| position.as_str() > after))
        .collect();
    listed.sort_by(|one, other| one.0.cmp(&other.0));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = listed.len() > most;
    listed.truncate(most);

    let summaries = listed.iter().map(|(_, certificate)| {
        let in_use = !context.state.certificate_users(&certificate.arn).is_empty();
        summary(certificate, certificate.status(now), in_use)
    });
    let mut answer = json!({ "CertificateSummaryList": summaries.collect::<Vec<_>>() });
    if let Some((position, _)) = listed.last().filter(|_| more) {
        answer["NextToken"] = json!(format!("{TOKEN}{position}"));
    }
    Ok(answer)
}

fn summary(certificate: &Certificate, status: &str, in_use: bool) -> Value {
    let facts = &certificate.key_pair.facts;
    let mut summary = json!({
        "CertificateArn": certificate.arn,
        "SubjectAlternativeNameSummaries": facts.names.iter().take(100).collect::<Vec<_>>(),
        "HasAdditionalSubjectAlternativeNames": facts.names.len() > 100,
        "Status": status,
        "Type": type_name(certificate),
        "KeyAlgorithm": displayed(&facts.key_algorithm),
        "KeyUsages": facts.key_usages,
        "ExtendedKeyUsages": facts.extended_key_usages,
        "ExportOption": "DISABLED",
        "InUse": in_use,
        "RenewalEligibility": renewal_eligibility(certificate, in_use),
        "NotBefore": seconds(facts.not_before),
        "NotAfter": seconds(facts.not_after),
        "CreatedAt": seconds(certificate.created_at),
        "CertificateKeyPairOrigin": key_pair_origin(certificate),
    });
    if let Some(domain) = facts.domain() {
        summary["DomainName"] = json!(domain);
    }
    match certificate.origin {
        Origin::Imported { at } => summary["ImportedAt"] = json!(seconds(at)),
        Origin::Requested(_) => summary["IssuedAt"] = json!(seconds(certificate.created_at)),
    }
    summary
}
