//! IAM, 2010-05-08: server certificates. IAM has no regions.

mod server_certificate;
mod tags;

use super::Context;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// Runs an operation.
pub(crate) fn handle(context: &mut Context<'_>, action: &str, params: &Params) -> Result<Members, ApiError> {
    match action {
        "DeleteServerCertificate" => server_certificate::delete(context, params),
        "GetServerCertificate" => server_certificate::get(context, params),
        "ListServerCertificateTags" => tags::list(context, params),
        "ListServerCertificates" => server_certificate::list(context, params),
        "TagServerCertificate" => tags::add(context, params),
        "UntagServerCertificate" => tags::remove(context, params),
        "UpdateServerCertificate" => server_certificate::update(context, params),
        "UploadServerCertificate" => server_certificate::upload(context, params),
        _ => Err(ApiError::invalid_action(action, "2010-05-08")),
    }
}

/// One page of something that has names: those after `Marker`, at most `MaxItems`, and whether there are more.
fn page<T>(params: &Params, items: Vec<T>, name: impl Fn(&T) -> &str) -> Result<(Vec<T>, Members), ApiError> {
    let most = params.integer("MaxItems")?.unwrap_or(100);
    if !(1..=1000).contains(&most) {
        let constraint = "Member must have value between 1 and 1000";
        return Err(ApiError::constraint(Some(&most.to_string()), "maxItems", constraint));
    }
    let marker = params.get("Marker").unwrap_or_default().to_owned();
    let mut items: Vec<T> = items.into_iter().filter(|item| name(item) > marker.as_str()).collect();
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let more = items.len() > most;
    items.truncate(most);
    let marker = items.last().filter(|_| more).map(|last| name(last).to_owned());
    let ending = Members::new().text("IsTruncated", more).optional("Marker", marker);
    Ok((items, ending))
}
