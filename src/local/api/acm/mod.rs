//! ACM, by JSON 1.1. Every refusal has HTTP status 400.

mod describe;
mod import;
mod list;
mod request;
mod tags;

use serde_json::{Value, json};

use super::Context;
use super::input::{required_text, validation};
use crate::local::ACCOUNT_ID;
use crate::local::state::acm::Certificate;
use crate::local::wire::error::ApiError;

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, operation: &str, input: &Value) -> Result<Value, ApiError> {
    match operation {
        "AddTagsToCertificate" => tags::add(context, input),
        "DeleteCertificate" => delete(context, input),
        "DescribeCertificate" => describe::describe(context, input),
        "GetCertificate" => get(context, input),
        "ImportCertificate" => import::import(context, input),
        "ListCertificates" => list::list(context, input),
        "ListTagsForCertificate" => tags::list(context, input),
        "RemoveTagsFromCertificate" => tags::remove(context, input),
        "RequestCertificate" => request::request(context, input),
        _ => Err(ApiError::unknown_operation(operation)),
    }
}

fn get(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let pair = &find(context, input)?.key_pair;
    let mut answer = json!({ "Certificate": pair.body });
    if let Some(chain) = &pair.chain {
        answer["CertificateChain"] = json!(chain);
    }
    Ok(answer)
}

fn delete(context: &mut Context<'_>, input: &Value) -> Result<Value, ApiError> {
    let arn = find(context, input)?.arn.clone();
    if !context.state.certificate_users(&arn).is_empty() {
        let message = format!("Certificate {arn} is in use.");
        return Err(ApiError::bad_request("ResourceInUseException", message));
    }
    context.here().acm.certificates.remove(&arn);
    Ok(json!({}))
}

/// The certificate that `CertificateArn` names.
fn find<'a>(context: &'a mut Context<'_>, input: &Value) -> Result<&'a mut Certificate, ApiError> {
    let arn = required_text(input, "CertificateArn")?;
    check_arn(arn)?;
    context.here().acm.certificates.get_mut(arn).ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> ApiError {
    ApiError::bad_request("ResourceNotFoundException", format!("Could not find certificate {arn}."))
}

/// Refuses what is not the ARN of a certificate.
fn check_arn(arn: &str) -> Result<(), ApiError> {
    if !(20..=2048).contains(&arn.len()) {
        return Err(validation(Some(arn), "certificateArn", "Member must have length between 20 and 2048"));
    }
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    match fields.as_slice() {
        ["arn", _, "acm", _, ACCOUNT_ID, resource] if resource.starts_with("certificate/") => Ok(()),
        _ => Err(ApiError::bad_request(
            "InvalidArnException",
            format!("The certificate ARN is not valid: {arn}"),
        )),
    }
}

fn new_arn(context: &mut Context<'_>) -> String {
    format!("arn:aws:acm:{}:{ACCOUNT_ID}:certificate/{}", context.region, context.ids.uuid())
}
