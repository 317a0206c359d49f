//! `DescribeCertificate`.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::find;
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::state::acm::{Certificate, Origin, Request};
use crate::local::wire::error::ApiError;

pub(super) fn describe(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let certificate = find(context, input)?.clone();
    let users = context.state.certificate_users(&certificate.arn);
    let facts = &certificate.key_pair.facts;
    let mut detail = json!({
        "CertificateArn": certificate.arn,
        "SubjectAlternativeNames": facts.names,
        "Serial": facts.serial,
        "Subject": facts.subject,
        "Issuer": facts.issuer,
        "CreatedAt": seconds(certificate.created_at),
        "Status": certificate.status(context.now),
        "NotBefore": seconds(facts.not_before),
        "NotAfter": seconds(facts.not_after),
        "KeyAlgorithm": displayed(&facts.key_algorithm),
        "SignatureAlgorithm": facts.signature_algorithm,
        "InUseBy": users,
        "Type": type_name(&certificate),
        "CertificateKeyPairOrigin": key_pair_origin(&certificate),
        "KeyUsages": named(&facts.key_usages),
        "ExtendedKeyUsages": extended(&facts.extended_key_usages),
        "RenewalEligibility": renewal_eligibility(&certificate, !users.is_empty()),
    });
    if let Some(domain) = facts.domain() {
        detail["DomainName"] = json!(domain);
    }
    match &certificate.origin {
        Origin::Imported { at } => {
            detail["ImportedAt"] = json!(seconds(*at));
            detail["Options"] =
                json!({ "CertificateTransparencyLoggingPreference": "DISABLED", "Export": "DISABLED" });
        }
        Origin::Requested(request) => {
            detail["IssuedAt"] = json!(seconds(certificate.created_at));
            detail["Options"] = json!({
                "CertificateTransparencyLoggingPreference": request.transparency,
                "Export": "DISABLED",
            });
            let validations = facts.names.iter().map(|name| validation(request, name));
            detail["DomainValidationOptions"] = validations.collect();
        }
    }
    Ok(json!({ "Certificate": detail }))
}

/// A time as JSON 1.1 has it.
pub(super) fn seconds(time: OffsetDateTime) -> i64 {
    time.unix_timestamp()
}

/// Requests say `RSA_2048`, answers say `RSA-2048`.
/// <https://docs.aws.amazon.com/cli/latest/reference/acm/describe-certificate.html#examples>
pub(super) fn displayed(algorithm: &str) -> String {
    algorithm.replace('_', "-")
}

pub(super) fn type_name(certificate: &Certificate) -> &'static str {
    match certificate.origin {
        Origin::Imported { .. } => "IMPORTED",
        Origin::Requested(_) => "AMAZON_ISSUED",
    }
}

pub(super) fn key_pair_origin(certificate: &Certificate) -> &'static str {
    match certificate.origin {
        Origin::Imported { .. } => "CUSTOMER_PROVIDED",
        Origin::Requested(_) => "AWS_MANAGED",
    }
}

/// What was requested is renewed while something uses it.
pub(super) fn renewal_eligibility(certificate: &Certificate, in_use: bool) -> &'static str {
    match certificate.origin {
        Origin::Requested(_) if in_use => "ELIGIBLE",
        Origin::Requested(_) | Origin::Imported { .. } => "INELIGIBLE",
    }
}

fn named(usages: &[String]) -> Value {
    usages.iter().map(|name| json!({ "Name": name })).collect()
}

fn extended(usages: &[String]) -> Value {
    let identifier = |name: &str| match name {
        "TLS_WEB_SERVER_AUTHENTICATION" => Some("1.3.6.1.5.5.7.3.1"),
        "TLS_WEB_CLIENT_AUTHENTICATION" => Some("1.3.6.1.5.5.7.3.2"),
        "CODE_SIGNING" => Some("1.3.6.1.5.5.7.3.3"),
        "EMAIL_PROTECTION" => Some("1.3.6.1.5.5.7.3.4"),
        "TIME_STAMPING" => Some("1.3.6.1.5.5.7.3.8"),
        "OCSP_SIGNING" => Some("1.3.6.1.5.5.7.3.9"),
        "ANY" => Some("2.5.29.37.0"),
        _ => None,
    };
    let one = |name: &String| match identifier(name) {
        Some(identifier) => json!({ "Name": name, "OID": identifier }),
        None => json!({ "Name": name }),
    };
    usages.iter().map(one).collect()
}

/// How the control of a domain was shown. The DNS record is the same for a domain and its wildcard.
fn validation(request: &Request, name: &str) -> Value {
    let domain = name.strip_prefix("*.").unwrap_or(name);
    let mut option = json!({
        "DomainName": name,
        "ValidationDomain": domain,
        "ValidationStatus": "SUCCESS",
        "ValidationMethod": request.validation,
    });
    match request.validation.as_str() {
        "DNS" => {
            let (label, target) = (digest(&format!("{ACCOUNT_ID}/{domain}")), digest(domain));
            option["ResourceRecord"] = json!({
                "Name": format!("_{}.{domain}.", &label[..32]),
                "Type": "CNAME",
                "Value": format!("_{}.{}.acm-validations.aws.", &target[..32], &target[32..42]),
            });
        }
        "EMAIL" => {
            let mailboxes = ["admin", "administrator", "hostmaster", "postmaster", "webmaster"];
            option["ValidationEmails"] = mailboxes.iter().map(|name| format!("{name}@{domain}")).collect();
        }
        _ => {}
    }
    option
}

fn digest(seed: &str) -> String {
    Sha256::digest(seed).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
