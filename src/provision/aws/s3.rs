//! S3: one object, looked for, written and lent out by a URL. Its errors name the object and the region.

use std::io;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::timeout::TimeoutConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{AwsError, Clients, Failure, Service, error};

/// How long writing an object may take: tens of megabytes from wherever elbws runs.
const WRITTEN_WITHIN: Duration = Duration::from_mins(15);
/// How much of a file is in memory while it is sent, in bytes.
const PIECE: usize = 1 << 20;
/// What was sent is not what was announced.
pub(crate) const BAD_DIGEST: &str = "BadDigest";
/// S3 has no such bucket.
const NO_SUCH_BUCKET: &str = "NoSuchBucket";

/// Where an object is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// Says whether the object is there.
pub(crate) async fn has(clients: &Clients, place: Place<'_>) -> Result<bool, AwsError> {
    let result = clients.s3().head_object().bucket(place.bucket).key(place.key).send().await;
    let Err(error) = result else { return Ok(true) };
    if status(&error) != Some(404) {
        return Err(named(clients, "HeadObject", place, error));
    }
    // A missing bucket and a missing object are the same 404 to a request without a body in its answer.
    match clients.s3().head_bucket().bucket(place.bucket).send().await {
        Ok(_) => Ok(false),
        Err(error) => Err(named(clients, "HeadBucket", place, error)),
    }
}

/// Returns what is in a file, which is read as it is sent.
pub(crate) async fn file(path: &Path) -> io::Result<ByteStream> {
    Ok(ByteStream::read_from().path(path).buffer_size(PIECE).build().await?)
}

/// Writes an object that S3 itself checks against the SHA-256, which is given in hexadecimal digits: what does not match
/// is [`BAD_DIGEST`].
pub(crate) async fn put(
    clients: &Clients,
    place: Place<'_>,
    content: ByteStream,
    sha256: &str,
) -> Result<(), AwsError> {
    let sha256: Vec<u8> = (0..sha256.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(sha256.get(at..at + 2)?, 16).ok())
        .collect();
    let patient = TimeoutConfig::builder().operation_attempt_timeout(WRITTEN_WITHIN).build();
    clients
        .s3()
        .put_object()
        .bucket(place.bucket)
        .key(place.key)
        .content_type("application/octet-stream")
        .checksum_sha256(STANDARD.encode(sha256))
        .body(content)
        .customize()
        .config_override(Builder::default().timeout_config(patient))
        // The checksum is signed, which says the same.
        .disable_payload_signing()
        .send()
        .await
        .map(drop)
        .map_err(|error| named(clients, "PutObject", place, error))
}

/// Returns a URL that reads the object for that long, with no other credentials.
pub(crate) async fn lend(clients: &Clients, place: Place<'_>, time: Duration) -> Result<String, AwsError> {
    const OPERATION: &str = "GetObject";
    let malformed = |text: String| AwsError {
        service: Service::S3,
        operation: OPERATION,
        failure: Failure::Malformed(text),
    };
    let lent = PresigningConfig::expires_in(time).map_err(|error| malformed(error.to_string()))?;
    let request = clients.s3().get_object().bucket(place.bucket).key(place.key).presigned(lent).await;
    Ok(request.map_err(|error| named(clients, OPERATION, place, error))?.uri().to_owned())
}

fn status<E>(error: &SdkError<E, Response>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Says of which object the call was, and what the status means where the answer has no words.
fn named<E>(
    clients: &Clients,
    operation: &'static str,
    place: Place<'_>,
    error: SdkError<E, Response>,
) -> AwsError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = status(&error);
    let elsewhere = error
        .raw_response()
        .and_then(|response| response.headers().get("x-amz-bucket-region"))
        .map(str::to_owned)
        .filter(|region| region != clients.region());
    let found = error::of(Service::S3, operation)(error);
    let failure = failure(status, elsewhere.as_deref(), found.failure, place, clients.region());
    AwsError { failure, ..found }
}

fn failure(
    status: Option<u16>,
    elsewhere: Option<&str>,
    found: Failure,
    place: Place<'_>,
    region: &str,
) -> Failure {
    let Place { bucket, key } = place;
    let refused = |code: &str, message: String| {
        let request_id = match &found {
            Failure::Refused { request_id, .. } => request_id.clone(),
            Failure::Credentials(_) | Failure::NotListening(_) | Failure::Lost(_) | Failure::Malformed(_) => {
                None
            }
        };
        Failure::Refused { code: code.to_owned(), message, request_id }
    };
    match (status, elsewhere) {
        (Some(301 | 307 | 400), Some(elsewhere)) => {
            refused("PermanentRedirect", format!("bucket {bucket} is in {elsewhere}, not in {region}"))
        }
        (Some(301 | 307), None) => {
            refused("PermanentRedirect", format!("bucket {bucket} is in another region than {region}"))
        }
        (Some(403), _) => match &found {
            Failure::Refused { code, message, .. } => {
                refused(code, format!("s3://{bucket}/{key} in {region}: {message}"))
            }
            _ => refused("AccessDenied", format!("s3://{bucket}/{key} in {region}: access denied")),
        },
        (Some(404), _) => refused(NO_SUCH_BUCKET, format!("there is no bucket {bucket}")),
        _ => match found {
            Failure::Refused { code, message, request_id } => {
                let message = format!("s3://{bucket}/{key} in {region}: {message}");
                Failure::Refused { code, message, request_id }
            }
            Failure::Lost(text) => Failure::Lost(format!("s3://{bucket}/{key} in {region}: {text}")),
            Failure::Malformed(text) => {
                Failure::Malformed(format!("s3://{bucket}/{key} in {region}: {text}"))
            }
            Failure::Credentials(_) | Failure::NotListening(_) => found,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { bucket: "artifacts", key: "elbws-proxy/ab" };

    #[track_caller]
    fn check(status: u16, elsewhere: Option<&str>, found: Failure, expected: &str, hint: &str) {
        let failure = failure(Some(status), elsewhere, found, PLACE, "us-east-1");
        let error = AwsError { service: Service::S3, operation: "HeadObject", failure };
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.hint().as_deref().unwrap_or_default(), hint);
    }

    #[test]
    fn errors_name_the_object_the_region_and_the_permission() {
        let wordless = || Failure::Malformed("HTTP status without an error code".to_owned());
        check(
            403,
            None,
            wordless(),
            "S3 refused HeadObject: s3://artifacts/elbws-proxy/ab in us-east-1: access denied (AccessDenied)",
            "allow s3:GetObject on the bucket's objects, and s3:ListBucket on the bucket, in the IAM policy of these \
             credentials, and look at the bucket's own policy",
        );
        check(
            301,
            Some("eu-west-1"),
            wordless(),
            "S3 refused HeadObject: bucket artifacts is in eu-west-1, not in us-east-1 (PermanentRedirect)",
            "name a bucket in the stack's region in proxy.deploy.bucket",
        );
        check(
            404,
            None,
            wordless(),
            "S3 refused HeadObject: there is no bucket artifacts (NoSuchBucket)",
            "create it with `aws s3 mb`, or name another in proxy.deploy.bucket",
        );
        let slow = Failure::Refused {
            code: "SlowDown".to_owned(),
            message: "reduce your request rate".to_owned(),
            request_id: Some("1".to_owned()),
        };
        check(
            503,
            None,
            slow,
            "S3 refused HeadObject: s3://artifacts/elbws-proxy/ab in us-east-1: reduce your request rate (SlowDown, \
             request 1)",
            "",
        );
    }
}
