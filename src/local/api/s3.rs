//! S3: buckets and objects, as much as a deploy needs, and presigned URLs.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use crate::local::ACCOUNT_ID;
use crate::local::blobs::{Blobs, Draft};
use crate::local::state::State;
use crate::local::state::s3::{Bucket, Object};
use crate::local::wire::error::ApiError;
use crate::local::wire::s3::{Body, Output, Request};
use crate::local::wire::xml::Members;

const PAGE: usize = 1000;

/// What an operation works with.
pub(crate) struct Context<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) blobs: &'a mut Blobs,
    /// What came with the request, if anything did.
    pub(crate) draft: Option<Draft>,
    pub(crate) region: &'a str,
    pub(crate) now: OffsetDateTime,
}

/// Runs an operation.
pub(crate) fn handle(
    context: &mut Context<'_>,
    operation: &str,
    request: &Request,
) -> Result<Output, ApiError> {
    if request.expires_at.is_some_and(|expires_at| context.now >= expires_at) {
        return Err(ApiError::new(403, "AccessDenied", "Request has expired"));
    }
    match operation {
        "CreateBucket" => create_bucket(context, request),
        "DeleteBucket" => delete_bucket(context, request),
        "DeleteObject" => delete_object(context, request),
        "GetBucketLocation" => location(context, request),
        "GetObject" | "HeadObject" => get_object(context, request),
        "HeadBucket" => {
            let region = bucket(context, request)?.region.clone();
            Ok(Output { headers: vec![("x-amz-bucket-region".to_owned(), region)], ..empty(200) })
        }
        "ListBuckets" => Ok(list_buckets(context)),
        "ListObjectsV2" => list_objects(context, request),
        "PutObject" => put_object(context, request),
        _ => Err(ApiError::new(501, "NotImplemented", format!("there is no operation {operation}"))),
    }
}

fn empty(status: u16) -> Output {
    Output { status, headers: Vec::new(), body: Body::Empty }
}

fn xml(root: &'static str, members: Members) -> Output {
    Output { status: 200, headers: Vec::new(), body: Body::Xml(root, members) }
}

fn bucket<'a>(context: &'a mut Context<'_>, request: &Request) -> Result<&'a mut Bucket, ApiError> {
    let missing = || ApiError::not_found("NoSuchBucket", "The specified bucket does not exist");
    context.state.buckets.get_mut(&request.bucket).ok_or_else(missing)
}

fn create_bucket(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    let name = &request.bucket;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    let ends = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let valid = (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && ends(name.bytes().next())
        && ends(name.bytes().last())
        && !name.contains("..");
    if !valid {
        return Err(ApiError::bad_request("InvalidBucketName", "The specified bucket is not valid."));
    }
    if let Some(present) = context.state.buckets.get(name) {
        // As in AWS, us-east-1 alone takes it for done.
        if present.region == "us-east-1" && context.region == "us-east-1" {
            return Ok(Output { headers: vec![("location".to_owned(), format!("/{name}"))], ..empty(200) });
        }
        let message = "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(ApiError::conflict("BucketAlreadyOwnedByYou", message));
    }
    let bucket =
        Bucket { region: context.region.to_owned(), created_at: context.now, objects: BTreeMap::new() };
    context.state.buckets.insert(name.clone(), bucket);
    Ok(Output { headers: vec![("location".to_owned(), format!("/{name}"))], ..empty(200) })
}

fn delete_bucket(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    if !bucket(context, request)?.objects.is_empty() {
        return Err(ApiError::conflict("BucketNotEmpty", "The bucket you tried to delete is not empty"));
    }
    context.state.buckets.remove(&request.bucket);
    Ok(empty(204))
}

fn location(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    let region = bucket(context, request)?.region.clone();
    // us-east-1 is the one region that is none here.
    let constraint = if region == "us-east-1" { String::new() } else { region };
    Ok(Output { status: 200, headers: Vec::new(), body: Body::Text("LocationConstraint", constraint) })
}

fn list_buckets(context: &Context<'_>) -> Output {
    let buckets = context.state.buckets.iter().map(|(name, bucket)| {
        Members::new().text("Name", name).text("CreationDate", rfc3339(bucket.created_at))
    });
    let owner = Members::new().text("ID", ACCOUNT_ID).text("DisplayName", "local");
    xml(
        "ListAllMyBucketsResult",
        Members::new().structure("Owner", owner).structures("Buckets", "Bucket", buckets),
    )
}

fn list_objects(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    let prefix = request.params.get("prefix").unwrap_or_default();
    let most =
        request.params.get("max-keys").and_then(|most| most.parse::<usize>().ok()).unwrap_or(PAGE).min(PAGE);
    let start = request.params.get("continuation-token").or_else(|| request.params.get("start-after"));
    let objects = &bucket(context, request)?.objects;
    let mut rest = objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix) && start.is_none_or(|start| key.as_str() > start));
    let page: Vec<(&String, &Object)> = rest.by_ref().take(most).collect();
    let next = rest.next().and(page.last()).map(|(key, _)| (*key).clone());
    let members = Members::new()
        .text("Name", &request.bucket)
        .text("Prefix", prefix)
        .text("KeyCount", page.len())
        .text("MaxKeys", most)
        .text("IsTruncated", next.is_some())
        .optional("NextContinuationToken", next);
    let members = page.into_iter().fold(members, |members, (key, object)| {
        let listed = Members::new()
            .text("Key", key)
            .text("LastModified", rfc3339(object.modified_at))
            .text("ETag", etag(object))
            .text("Size", object.size)
            .text("StorageClass", "STANDARD");
        members.structure("Contents", listed)
    });
    Ok(xml("ListBucketResult", members))
}

fn put_object(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    bucket(context, request)?;
    if request.key.len() > 1024 {
        return Err(ApiError::bad_request("KeyTooLongError", "Your key is too long"));
    }
    let object = Object {
        sha256: request.sha256.clone(),
        size: request.size,
        content_type: request.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned()),
        metadata: request.metadata.clone(),
        modified_at: context.now,
    };
    let draft = match context.draft.take() {
        Some(draft) => Ok(draft),
        None => context.blobs.draft(),
    };
    draft
        .and_then(|draft| context.blobs.keep(&object.sha256, draft))
        .map_err(|error| ApiError::internal(format!("cannot keep the object: {error}")))?;
    let tag = etag(&object);
    let former = bucket(context, request)?.objects.insert(request.key.clone(), object);
    forget(context, former);
    Ok(Output { headers: vec![("etag".to_owned(), tag)], ..empty(200) })
}

fn get_object(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    let missing = || ApiError::not_found("NoSuchKey", "The specified key does not exist.");
    let object = bucket(context, request)?.objects.get(&request.key).ok_or_else(missing)?.clone();
    let file = context
        .blobs
        .get(&object.sha256)
        .map_err(|error| ApiError::internal(format!("cannot read the object: {error}")))?;
    let modified = object.modified_at.format(&Rfc2822).unwrap_or_default().replace("+0000", "GMT");
    let mut headers = vec![("etag".to_owned(), etag(&object)), ("last-modified".to_owned(), modified)];
    headers.extend(object.metadata.into_iter().map(|(name, value)| (format!("x-amz-meta-{name}"), value)));
    Ok(Output {
        status: 200,
        headers,
        body: Body::Object { content_type: object.content_type, file, size: object.size as u64 },
    })
}

/// It succeeds for one that is not there, too.
fn delete_object(context: &mut Context<'_>, request: &Request) -> Result<Output, ApiError> {
    let former = bucket(context, request)?.objects.remove(&request.key);
    forget(context, former);
    Ok(empty(204))
}

/// What an object held goes when no other holds the same.
fn forget(context: &mut Context<'_>, former: Option<Object>) {
    let Some(former) = former else { return };
    let mut objects = context.state.buckets.values().flat_map(|bucket| bucket.objects.values());
    if objects.all(|object| object.sha256 != former.sha256) {
        context.blobs.forget(&former.sha256);
    }
}

/// Not the MD5 that S3 often takes, but as long: clients must not rely on which it is.
fn etag(object: &Object) -> String {
    format!("\"{}\"", object.sha256.get(..32).unwrap_or_default())
}

fn rfc3339(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}
