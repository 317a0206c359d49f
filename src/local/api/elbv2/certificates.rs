//! Certificates of secure listeners beside the default one, chosen by the name that a client asks for.

use super::listeners::check_certificate;
use super::{Context, arn, page, required_structures};
use crate::local::state::elbv2::Listener;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of certificates of a load balancer, default ones aside.
const MOST: usize = 25;

/// `AddListenerCertificates`: one that is there already is no error.
pub(super) fn add(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let listener = secure(context, params)?;
    let present = listener.more_certificates.clone();
    let above = arn::load_balancer_of(&listener.arn);
    let named = named(params)?;
    for arn in &named {
        check_certificate(context, arn)?;
    }
    let new: Vec<&String> = named.iter().filter(|arn| !present.contains(arn)).collect();
    let region = &mut context.here().elbv2;
    let others = region.load_balancers.get(&above).map_or(0, |balancer| {
        balancer.listeners.values().map(|listener| listener.more_certificates.len()).sum::<usize>()
    });
    if others + new.len() > MOST {
        let message =
            format!("The maximum number of certificates has been reached on load balancer '{above}'");
        return Err(ApiError::bad_request("TooManyCertificates", message));
    }
    arn::listener(region, params)?.more_certificates.extend(new.into_iter().cloned());
    let added = named.iter().map(|arn| one(arn, false));
    Ok(Members::new().structures("Certificates", "member", added))
}

/// `RemoveListenerCertificates`: one that is not there is no error; the default one is only replaced.
pub(super) fn remove(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let named = named(params)?;
    let listener = secure(context, params)?;
    let default = listener.certificate.as_ref();
    let is_default = |arn: &&String| default == Some(arn) && !listener.more_certificates.contains(arn);
    if let Some(arn) = named.iter().find(is_default) {
        let message =
            format!("Certificate '{arn}' is the default certificate of the listener and cannot be removed");
        return Err(ApiError::bad_request("OperationNotPermitted", message));
    }
    listener.more_certificates.retain(|arn| !named.contains(arn));
    Ok(Members::new())
}

/// `DescribeListenerCertificates`: the default one first.
pub(super) fn describe(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let listener = arn::listener(&mut context.here().elbv2, params)?;
    let mut sorted: Vec<(String, Members)> =
        listener.more_certificates.iter().map(|arn| (format!("1/{arn}"), one(arn, false))).collect();
    sorted.extend(listener.certificate.iter().map(|arn| (format!("0/{arn}"), one(arn, true))));
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    let page = page(params, sorted.into_iter())?;
    Ok(Members::new().structures("Certificates", "member", page.items).optional("NextMarker", page.next))
}

fn one(arn: &str, is_default: bool) -> Members {
    Members::new().text("CertificateArn", arn).text("IsDefault", is_default)
}

fn secure<'a>(context: &'a mut Context<'_>, params: &Params) -> Result<&'a mut Listener, ApiError> {
    let listener = arn::listener(&mut context.here().elbv2, params)?;
    if listener.protocol.is_secure() {
        return Ok(listener);
    }
    let message = format!(
        "Certificates cannot be specified for listeners with protocol '{}'",
        listener.protocol.name()
    );
    Err(ApiError::validation(message))
}

/// The certificates that a request names, each once.
fn named(params: &Params) -> Result<Vec<String>, ApiError> {
    let mut arns: Vec<String> = Vec::new();
    for certificate in required_structures(params, "Certificates")? {
        if certificate.has("IsDefault") {
            return Err(ApiError::validation("IsDefault cannot be specified"));
        }
        let arn = certificate.required("CertificateArn")?;
        if !arns.iter().any(|known| known == arn) {
            arns.push(arn.to_owned());
        }
    }
    Ok(arns)
}
