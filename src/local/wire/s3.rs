//! S3's wire shape, path style: bucket and key in the path, the object itself as the body, and presigned
//! URLs, whose signature is the one that is checked here.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::fmt::Write as _;
use std::fs::File;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::http::request::Parts;
use sha2::{Digest as _, Sha256};
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::error::ApiError;
use super::query::Params;
use super::xml::Members;

/// The one access key whose secret is known, and its secret: what a presigned URL must be signed with.
const TEST_CREDENTIALS: (&str, &str) = ("local", "local");
/// What a client signs of the body: its SHA-256, or that it comes in chunks, or nothing.
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const DATE: StaticFormatDescription = format_description!("[year][month][day]T[hour][minute][second]Z");
/// A presigned URL is good for a week at most.
const LONGEST: i64 = 604_800;

/// One request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Empty for requests to the service.
    pub(crate) bucket: String,
    /// Empty for requests to a bucket.
    pub(crate) key: String,
    pub(crate) params: Params,
    pub(crate) content_type: Option<String>,
    /// Headers `x-amz-meta-…`, without that prefix.
    pub(crate) metadata: Vec<(String, String)>,
    /// The SHA-256 of what came with it, in hexadecimal digits.
    pub(crate) sha256: String,
    /// The bytes of that.
    pub(crate) size: usize,
    /// Until when a presigned URL is good.
    pub(crate) expires_at: Option<OffsetDateTime>,
}

/// What is known of the body that came with a request, without the chunks that it may have come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    pub(crate) sha256: [u8; 32],
    /// In bytes.
    pub(crate) size: usize,
    /// Whether it came to its end as it should.
    pub(crate) whole: bool,
}

impl Content {
    /// A body that came as a whole.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self { sha256: Sha256::digest(body).into(), size: body.len(), whole: true }
    }
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The HTTP status.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What an answer holds.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Empty,
    /// What an object holds, and its type and size.
    Object {
        content_type: String,
        file: Arc<File>,
        size: u64,
    },
    /// A document with that root.
    Xml(&'static str, Members),
    /// A document with that root, and text in it.
    Text(&'static str, String),
}

/// Whether a request is S3's by its credentials: only these may have long bodies.
pub(crate) fn is_meant(parts: &Parts) -> bool {
    header(parts, "authorization").contains("/s3/aws4_request")
        || parts.uri.query().unwrap_or_default().contains("%2Fs3%2Faws4_request")
}

/// Finds the operation that a request is for.
pub(crate) fn route(
    parts: &Parts,
    params: Params,
    body: &Content,
) -> Result<(&'static str, Request), ApiError> {
    let path = parts.uri.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let (bucket, key) = (decoded(bucket), decoded(key));
    let method = &parts.method;
    let operation = match (bucket.is_empty(), key.is_empty(), method) {
        (true, _, &Method::GET) => "ListBuckets",
        (false, true, &Method::PUT) => "CreateBucket",
        (false, true, &Method::HEAD) => "HeadBucket",
        (false, true, &Method::DELETE) => "DeleteBucket",
        (false, true, &Method::GET) if params.has("location") => "GetBucketLocation",
        (false, true, &Method::GET) if params.get("list-type") == Some("2") => "ListObjectsV2",
        (false, false, &Method::PUT) if !parts.headers.contains_key("x-amz-copy-source") => "PutObject",
        (false, false, &Method::HEAD) => "HeadObject",
        (false, false, &Method::GET) => "GetObject",
        (false, false, &Method::DELETE) => "DeleteObject",
        _ => return Err(not_served(method)),
    };
    // What is asked for beside the object itself (`?acl`, `?uploads`) is another operation.
    let others =
        ["acl", "uploads", "uploadId", "tagging", "versioning", "policy", "cors", "lifecycle", "encryption"];
    if others.iter().any(|name| params.has(name)) {
        return Err(not_served(method));
    }
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok());
    let metadata = parts.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((name.to_owned(), value.to_str().ok()?.to_owned()))
    });
    let expires_at = presigned(parts, &params)?;
    check(parts, body)?;
    let request = Request {
        bucket,
        key,
        content_type: content_type.map(str::to_owned),
        metadata: metadata.collect(),
        params,
        sha256: hex(&body.sha256),
        size: body.size,
        expires_at,
    };
    Ok((operation, request))
}

fn not_served(method: &Method) -> ApiError {
    ApiError::new(501, "NotImplemented", format!("the local AWS does not serve this {method} request"))
}

/// Whether a request's body comes in chunks.
pub(crate) fn is_chunked(parts: &Parts) -> bool {
    header(parts, CONTENT_SHA256).starts_with("STREAMING-")
}

/// Checks that a body is what the client says that it is: what it signed, and what it wants checked, in Base64.
fn check(parts: &Parts, body: &Content) -> Result<(), ApiError> {
    if !body.whole {
        let message = "The request body is cut short or malformed";
        return Err(ApiError::bad_request("IncompleteBody", message));
    }
    let signed = header(parts, CONTENT_SHA256);
    if signed.len() == 64 && !is_chunked(parts) && hex(&body.sha256) != signed.to_ascii_lowercase() {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(ApiError::bad_request("XAmzContentSHA256Mismatch", message));
    }
    let checksum = header(parts, "x-amz-checksum-sha256");
    if !checksum.is_empty() && checksum != STANDARD.encode(body.sha256) {
        let message = "The SHA256 you specified did not match the calculated checksum.";
        return Err(ApiError::bad_request("BadDigest", message));
    }
    Ok(())
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Until when a presigned URL is good; none for requests that are signed by a header.
fn presigned(parts: &Parts, params: &Params) -> Result<Option<OffsetDateTime>, ApiError> {
    let Some(signature) = params.get("X-Amz-Signature") else { return Ok(None) };
    let denied = |code: &str, message: &str| ApiError::new(403, code, message);
    let bad = |message: &str| ApiError::bad_request("AuthorizationQueryParametersError", message);
    let credential = params.get("X-Amz-Credential").unwrap_or_default();
    let (access_key, scope) =
        credential.split_once('/').ok_or_else(|| bad("X-Amz-Credential is not a credential"))?;
    if access_key != TEST_CREDENTIALS.0 {
        let message = "The AWS Access Key Id you provided does not exist in our records.";
        return Err(denied("InvalidAccessKeyId", message));
    }
    let date = params.get("X-Amz-Date").unwrap_or_default();
    let at = PrimitiveDateTime::parse(date, DATE).map_err(|_| bad("X-Amz-Date is not a date"))?;
    let seconds = params.get("X-Amz-Expires").and_then(|seconds| seconds.parse::<i64>().ok());
    let seconds = seconds.filter(|seconds| (1..=LONGEST).contains(seconds));
    let seconds = seconds.ok_or_else(|| bad("X-Amz-Expires must be between 1 and 604800 seconds"))?;

    let request = canonical(parts, params.get("X-Amz-SignedHeaders").unwrap_or_default());
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(request)));
    let first = format!("AWS4{}", TEST_CREDENTIALS.1).into_bytes();
    let key = scope.split('/').fold(first, |key, part| hmac(&key, part.as_bytes()).to_vec());
    if hex(&hmac(&key, to_sign.as_bytes())) != signature {
        let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        return Err(denied("SignatureDoesNotMatch", message));
    }
    Ok(Some(at.assume_utc() + Duration::seconds(seconds)))
}

/// The request in the form that is signed.
fn canonical(parts: &Parts, signed_headers: &str) -> String {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("X-Amz-Signature="))
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let headers = signed_headers.split(';').map(|name| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        format!("{name}:{}\n", value.trim())
    });
    let headers: String = headers.collect();
    let (method, path, query) = (&parts.method, parts.uri.path(), pairs.join("&"));
    format!("{method}\n{path}\n{query}\n{headers}\n{signed_headers}\nUNSIGNED-PAYLOAD")
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encoding undone; a plus sign is one.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits =
            after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(value) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(value);
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_codes_are_those_of_rfc_4231() {
        assert_eq!(
            hex(&hmac(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(text in ".*") {
            let _ = decoded(&text);
        }
    }
}
