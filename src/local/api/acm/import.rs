//! `ImportCertificate`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{check_arn, new_arn, not_found, tags};
use crate::local::api::Context;
use crate::local::api::input::{missing, text, validation};
use crate::local::certificate::KeyPair;
use crate::local::state::acm::{Certificate, Origin};
use crate::local::wire::error::ApiError;

/// Takes a certificate in, or puts it in the place of one that was imported before, whose ARN stays.
pub(super) fn import(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let body = blob(input, "Certificate", 32_768)?.ok_or_else(|| missing("Certificate"))?;
    let private_key = blob(input, "PrivateKey", 5_120)?.ok_or_else(|| missing("PrivateKey"))?;
    let chain = blob(input, "CertificateChain", 2_097_152)?;
    let refuse = |message: String| ApiError::bad_request("ValidationException", message);
    let key_pair =
        KeyPair::check(&body, &private_key, chain.as_deref()).map_err(|error| refuse(error.to_string()))?;
    if key_pair.facts.not_after < context.now {
        return Err(refuse("The certificate has expired.".to_owned()));
    }
    if key_pair.facts.not_before > context.now {
        return Err(refuse("The certificate is not valid yet.".to_owned()));
    }
    let tags = tags::read(input)?;
    let origin = Origin::Imported { at: context.now };

    if let Some(arn) = text(input, "CertificateArn")? {
        check_arn(arn)?;
        if !tags.is_empty() {
            return Err(refuse("Tagging is not permitted on re-import.".to_owned()));
        }
        let held = context.here().acm.certificates.get_mut(arn).ok_or_else(|| not_found(arn))?;
        if !matches!(held.origin, Origin::Imported { .. }) {
            return Err(refuse(format!("The certificate {arn} was not imported.")));
        }
        held.key_pair = key_pair;
        held.origin = origin;
        return Ok(json!({ "CertificateArn": arn }));
    }
    let certificate = Certificate { arn: new_arn(context), created_at: context.now, origin, key_pair, tags };
    let answer = json!({ "CertificateArn": certificate.arn });
    context.here().acm.certificates.insert(certificate.arn.clone(), certificate);
    Ok(answer)
}

/// A blob of PEM: base64 on the wire, text within.
fn blob(input: &Value, name: &str, longest: usize) -> Result<Option<String>, ApiError> {
    let Some(encoded) = text(input, name)? else { return Ok(None) };
    let malformed = || ApiError::bad_request("SerializationException", format!("{name} is not base64"));
    let bytes = STANDARD.decode(encoded).map_err(|_| malformed())?;
    if bytes.is_empty() || bytes.len() > longest {
        let constraint = format!("Member must have length between 1 and {longest}");
        return Err(validation(Some("…"), &crate::local::wire::query::member(name), &constraint));
    }
    // What is no text is no PEM either, and is refused as such.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
