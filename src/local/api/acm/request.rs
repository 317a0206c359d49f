//! `RequestCertificate`: validated and issued at once, by the authority that the state holds.

use serde_json::{Value, json};
use time::Duration;

use super::{new_arn, tags};
use crate::local::api::Context;
use crate::local::api::input::{check_choice, choice, list, required_text, text, texts, validation};
use crate::local::authority::{Authority, AuthorityError, KeyAlgorithm};
use crate::local::certificate::KeyPair;
use crate::local::state::acm::{Certificate, Origin, Request};
use crate::local::wire::error::ApiError;

/// How long a token stands for the certificate that it was first given with.
const TOKEN_LIFE: Duration = Duration::hours(1);

pub(super) fn request(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let names = names(input)?;
    let algorithm = algorithm(input)?;
    let request = details(input, &names)?;
    let tags = tags::read(input)?;
    if let Some(arn) = again(context, &names, &request) {
        return Ok(json!({ "CertificateArn": arn }));
    }
    let key_pair = issue(context, &names, algorithm)
        .map_err(|error| ApiError::internal(format!("{error}: {:?}", std::error::Error::source(&error))))?;
    let certificate = Certificate {
        arn: new_arn(context),
        created_at: context.now,
        origin: Origin::Requested(request),
        key_pair,
        tags,
    };
    let answer = json!({ "CertificateArn": certificate.arn });
    context.here().acm.certificates.insert(certificate.arn.clone(), certificate);
    Ok(answer)
}

fn issue(
    context: &mut Context<'_>,
    names: &[String],
    algorithm: KeyAlgorithm,
) -> Result<KeyPair, AuthorityError> {
    let authority = match &context.state.authority {
        Some(authority) => authority,
        None => context.state.authority.insert(Authority::generate(context.now)?),
    };
    authority.issue(names, algorithm, context.now)
}

/// The domain name and the alternative names, each once.
fn names(input: &Value) -> Result<Vec<String>, ApiError> {
    let domain = required_text(input, "DomainName")?;
    let alternatives = texts(input, "SubjectAlternativeNames")?.unwrap_or_default();
    if alternatives.len() > 100 {
        let constraint = "Member must have length less than or equal to 100";
        return Err(validation(Some("…"), "subjectAlternativeNames", constraint));
    }
    let mut names: Vec<String> = Vec::new();
    for (member, name) in [("domainName", domain)]
        .into_iter()
        .chain(alternatives.iter().map(|name| ("subjectAlternativeNames", *name)))
    {
        if !is_domain(name) {
            let constraint = r"Member must satisfy regular expression pattern: ^(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])$";
            return Err(validation(Some(name), member, constraint));
        }
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The model's pattern: labels of letters, digits and inner dashes, at least two, and a `*.` at most in front.
fn is_domain(name: &str) -> bool {
    let labels: Vec<&str> = name.strip_prefix("*.").unwrap_or(name).split('.').collect();
    let label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(label)
        && labels.last().is_some_and(|last| last.len() >= 2)
}

fn algorithm(input: &Value) -> Result<KeyAlgorithm, ApiError> {
    const ALL: [&str; 7] =
        ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];
    match choice(input, "KeyAlgorithm", &ALL)? {
        None | Some("RSA_2048") => Ok(KeyAlgorithm::Rsa2048),
        Some("EC_prime256v1") => Ok(KeyAlgorithm::EcPrime256v1),
        Some("EC_secp384r1") => Ok(KeyAlgorithm::EcSecp384r1),
        // Public certificates come with these three only:
        // https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate-characteristics.html
        Some(other) => Err(ApiError::bad_request(
            "ValidationException",
            format!("The key algorithm {other} is not supported for public certificates."),
        )),
    }
}

fn details(input: &Value, names: &[String]) -> Result<Request, ApiError> {
    let validation_method = choice(input, "ValidationMethod", &["EMAIL", "DNS", "HTTP"])?;
    if text(input, "CertificateAuthorityArn")?.is_some() {
        let message = "The local AWS has no private certificate authorities.";
        return Err(ApiError::bad_request("ValidationException", message));
    }
    for option in list(input, "DomainValidationOptions")?.unwrap_or_default() {
        let name = required_text(option, "DomainName")?;
        let parent = required_text(option, "ValidationDomain")?;
        let known = names.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !known || !(name == parent || name.ends_with(&format!(".{parent}"))) {
            let message = format!("The validation domain {parent} does not fit the domain {name}.");
            return Err(ApiError::bad_request("InvalidDomainValidationOptionsException", message));
        }
    }
    let token = text(input, "IdempotencyToken")?;
    if let Some(token) = token {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=32).contains(&token.len()) || !token.bytes().all(word) {
            let constraint = r"Member must satisfy regular expression pattern: \w+";
            return Err(validation(Some(token), "idempotencyToken", constraint));
        }
    }
    let transparency =
        text(&input["Options"], "CertificateTransparencyLoggingPreference")?.unwrap_or("ENABLED");
    check_choice(transparency, "certificateTransparencyLoggingPreference", &["ENABLED", "DISABLED"])?;
    Ok(Request {
        // What one gets without a choice.
        validation: validation_method.unwrap_or("EMAIL").to_owned(),
        token: token.map(str::to_owned),
        transparency: transparency.to_owned(),
    })
}

/// The certificate that the same request with the same token was answered with.
fn again(context: &mut Context<'_>, names: &[String], request: &Request) -> Option<String> {
    request.token.as_ref()?;
    let now = context.now;
    let mut certificates = context.here().acm.certificates.values();
    let same = |certificate: &&Certificate| {
        certificate.origin == Origin::Requested(request.clone())
            && certificate.key_pair.facts.names == names
            && now - certificate.created_at <= TOKEN_LIFE
    };
    certificates.find(same).map(|certificate| certificate.arn.clone())
}

#[cfg(test)]
mod tests {
    use super::is_domain;

    #[test]
    fn domains_are_names_with_a_dot_and_a_wildcard_at_most_in_front() {
        for name in ["a.example", "*.example.com", "x-1.example.com"] {
            assert!(is_domain(name), "{name}");
        }
        for name in ["example", "a.*.com", "-a.com", "a-.com", "a..com", "a b.com", "a.c", ""] {
            assert!(!is_domain(name), "{name}");
        }
        assert!(!is_domain(&format!("{}.com", "a".repeat(64))));
    }
}
