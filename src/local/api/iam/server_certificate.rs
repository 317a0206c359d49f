//! Server certificates: upload, get, list, update, delete.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::{page, tags};
use crate::local::ACCOUNT_ID;
use crate::local::api::Context;
use crate::local::certificate::{CertificateError, KeyPair};
use crate::local::state::State;
use crate::local::state::iam::ServerCertificate;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Server certificates that an account may have.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST: usize = 20;

pub(super) fn upload(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let name = params.required("ServerCertificateName")?;
    check_name("serverCertificateName", name)?;
    let path = params.get("Path").unwrap_or("/");
    check_path(path)?;
    let body = params.required("CertificateBody")?;
    let private_key = params.required("PrivateKey")?;
    let tags = tags::read(params)?;
    if context.state.iam.server_certificates.contains_key(name) {
        return Err(taken(name));
    }
    let key_pair = KeyPair::check(body, private_key, params.get("CertificateChain")).map_err(refusal)?;
    if context.state.iam.server_certificates.len() >= MOST {
        let message = format!("Cannot exceed quota for ServerCertificatesPerAccount: {MOST}");
        return Err(ApiError::conflict("LimitExceeded", message));
    }
    let id = context.ids.resource("ASCA").replacen('-', "", 1).to_ascii_uppercase();
    let certificate = ServerCertificate {
        name: name.to_owned(),
        path: path.to_owned(),
        id,
        arn: arn(path, name),
        uploaded_at: context.now,
        key_pair,
        tags,
    };
    let answer = Members::new().structure("ServerCertificateMetadata", metadata(&certificate)).structures(
        "Tags",
        "member",
        tags::set(&certificate.tags),
    );
    context.state.iam.server_certificates.insert(certificate.name.clone(), certificate);
    Ok(answer)
}

fn refusal(error: CertificateError) -> ApiError {
    let code = match error {
        CertificateError::Mismatch => "KeyPairMismatch",
        CertificateError::Body
        | CertificateError::Several
        | CertificateError::Key
        | CertificateError::KeyKind
        | CertificateError::Chain(_) => "MalformedCertificate",
    };
    ApiError::bad_request(code, error.to_string())
}

pub(super) fn get(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let certificate = find(context.state, params)?;
    let described = Members::new()
        .structure("ServerCertificateMetadata", metadata(certificate))
        .text("CertificateBody", &certificate.key_pair.body)
        .optional("CertificateChain", certificate.key_pair.chain.as_ref())
        .structures("Tags", "member", tags::set(&certificate.tags));
    Ok(Members::new().structure("ServerCertificate", described))
}

pub(super) fn list(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let prefix = params.get("PathPrefix").unwrap_or("/");
    if !prefix.starts_with('/') {
        let constraint = r"Member must satisfy regular expression pattern: \u002F[\u0021-\u007F]*";
        return Err(ApiError::constraint(Some(prefix), "pathPrefix", constraint));
    }
    let certificates = context.state.iam.server_certificates.values();
    let certificates = certificates.filter(|certificate| certificate.path.starts_with(prefix)).collect();
    let (certificates, ending) = page(params, certificates, |certificate| &certificate.name)?;
    let described = certificates.into_iter().map(metadata);
    Ok(ending.structures("ServerCertificateMetadataList", "member", described))
}

/// Gives a certificate another name or path, and with them another ARN. Load balancers that serve it go on
/// doing so, and show the new one.
pub(super) fn update(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let held = find(context.state, params)?;
    let (old_name, old_arn) = (held.name.clone(), held.arn.clone());
    let path = params.get("NewPath").unwrap_or(&held.path).to_owned();
    check_path(&path)?;
    let name = params.get("NewServerCertificateName").unwrap_or(&held.name).to_owned();
    check_name("newServerCertificateName", &name)?;
    let certificates = &mut context.state.iam.server_certificates;
    if name != old_name && certificates.contains_key(&name) {
        return Err(taken(&name));
    }
    let new_arn = arn(&path, &name);
    if let Some(mut certificate) = certificates.remove(&old_name) {
        certificate.arn.clone_from(&new_arn);
        certificate.path = path;
        certificate.name.clone_from(&name);
        certificates.insert(name, certificate);
    }
    let balancers =
        context.state.regions.values_mut().flat_map(|region| region.elb.load_balancers.values_mut());
    for listener in balancers.flat_map(|balancer| balancer.listeners.values_mut()) {
        if listener.certificate.as_ref() == Some(&old_arn) {
            listener.certificate = Some(new_arn.clone());
        }
    }
    Ok(Members::new())
}

pub(super) fn delete(context: &mut Context<'_>, params: &Params) -> Result<Members, ApiError> {
    let certificate = find(context.state, params)?;
    let (name, id) = (certificate.name.clone(), certificate.id.clone());
    if let Some(user) = context.state.certificate_users(&certificate.arn).first() {
        let message = format!(
            "Certificate: {id} is currently in use by {user}. Please remove it first before deleting it from IAM."
        );
        return Err(ApiError::conflict("DeleteConflict", message));
    }
    context.state.iam.server_certificates.remove(&name);
    Ok(Members::new())
}

/// The certificate that `ServerCertificateName` names.
fn find<'a>(state: &'a State, params: &Params) -> Result<&'a ServerCertificate, ApiError> {
    let name = params.required("ServerCertificateName")?;
    state.iam.server_certificates.get(name).ok_or_else(|| absent(name))
}

/// The same, to be changed.
pub(super) fn find_mut<'a>(
    state: &'a mut State,
    params: &Params,
) -> Result<&'a mut ServerCertificate, ApiError> {
    let name = params.required("ServerCertificateName")?;
    state.iam.server_certificates.get_mut(name).ok_or_else(|| absent(name))
}

fn absent(name: &str) -> ApiError {
    let message = format!("The Server Certificate with name {name} cannot be found.");
    ApiError::not_found("NoSuchEntity", message)
}

fn taken(name: &str) -> ApiError {
    let message = format!("The Server Certificate with name {name} already exists.");
    ApiError::conflict("EntityAlreadyExists", message)
}

fn check_name(member: &str, name: &str) -> Result<(), ApiError> {
    let word = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
    if (1..=128).contains(&name.len()) && name.chars().all(word) {
        return Ok(());
    }
    let constraint = r"Member must satisfy regular expression pattern: [\w+=,.@-]+";
    Err(ApiError::constraint(Some(name), member, constraint))
}

/// A slash, or something between two slashes.
fn check_path(path: &str) -> Result<(), ApiError> {
    let inner = path.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let visible = |inner: &str| !inner.is_empty() && inner.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if path.len() <= 512 && (path == "/" || inner.is_some_and(visible)) {
        return Ok(());
    }
    let message = "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.";
    Err(ApiError::validation(message))
}

fn arn(path: &str, name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:server-certificate{path}{name}")
}

fn metadata(certificate: &ServerCertificate) -> Members {
    Members::new()
        .text("ServerCertificateName", &certificate.name)
        .text("ServerCertificateId", &certificate.id)
        .text("Path", &certificate.path)
        .text("Arn", &certificate.arn)
        .text("UploadDate", timestamp(certificate.uploaded_at))
        .text("Expiration", timestamp(certificate.key_pair.facts.not_after))
}

/// A time as IAM writes it: in UTC, to the second.
fn timestamp(time: OffsetDateTime) -> String {
    let time = time.to_offset(UtcOffset::UTC);
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
