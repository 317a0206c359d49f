//! Why a call failed, by the code on the wire.
//!
//! The codes are those that AWS sends (`LoadBalancerNotFound`), which the SDK reports as
//! `ProvideErrorMetadata::code`; the model's exception names (`AccessPointNotFoundException`) are never used.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::request_id::RequestId as _;

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Elastic Load Balancing, 2012-06-01.
    Elb,
    /// EC2.
    Ec2,
    /// AWS Certificate Manager.
    Acm,
    /// IAM.
    Iam,
    /// Elastic Load Balancing, 2015-12-01.
    ElbV2,
    /// Route 53.
    Route53,
    /// S3.
    S3,
    /// Systems Manager.
    Ssm,
    /// Auto Scaling.
    AutoScaling,
}

impl Service {
    /// Returns the prefix of the service's actions in IAM policies.
    #[must_use]
    pub fn action_prefix(self) -> &'static str {
        match self {
            Self::Elb | Self::ElbV2 => "elasticloadbalancing",
            Self::Ec2 => "ec2",
            Self::Acm => "acm",
            Self::Iam => "iam",
            Self::Route53 => "route53",
            Self::S3 => "s3",
            Self::Ssm => "ssm",
            Self::AutoScaling => "autoscaling",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elb | Self::ElbV2 => "ELB",
            Self::Ec2 => "EC2",
            Self::Acm => "ACM",
            Self::Iam => "IAM",
            Self::Route53 => "Route 53",
            Self::S3 => "S3",
            Self::Ssm => "SSM",
            Self::AutoScaling => "Auto Scaling",
        })
    }
}

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// AWS answered with an error.
    Refused {
        /// The code on the wire.
        code: String,
        /// AWS's words.
        message: String,
        /// The request's id, for AWS's support.
        request_id: Option<String>,
    },
    /// No credentials could be had.
    Credentials(String),
    /// Nothing accepts connections at the endpoint.
    NotListening(String),
    /// The connection broke or no answer came in time; the call may have taken effect.
    Lost(String),
    /// The call was never sent, or its answer could not be understood.
    Malformed(String),
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    /// The service called.
    pub service: Service,
    /// The operation called.
    pub operation: &'static str,
    /// What went wrong.
    pub failure: Failure,
}

impl AwsError {
    /// Returns the code on the wire, if AWS answered.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match &self.failure {
            Failure::Refused { code, .. } => Some(code),
            Failure::Credentials(_) | Failure::NotListening(_) | Failure::Lost(_) | Failure::Malformed(_) => {
                None
            }
        }
    }

    /// Returns AWS's words, or ours where it gave none.
    #[must_use]
    pub fn message(&self) -> &str {
        match &self.failure {
            Failure::Refused { message: text, .. }
            | Failure::Credentials(text)
            | Failure::NotListening(text)
            | Failure::Lost(text)
            | Failure::Malformed(text) => text,
        }
    }

    /// Says whether AWS answered with `code`.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code() == Some(code)
    }

    /// Says whether AWS answered with one of `codes`.
    #[must_use]
    pub fn is_any(&self, codes: &[&str]) -> bool {
        self.code().is_some_and(|code| codes.contains(&code))
    }

    /// Says whether the call may have taken effect although it failed.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match &self.failure {
            Failure::Lost(_) => true,
            Failure::Refused { code, .. } => SERVER_FAULTS.contains(&code.as_str()),
            Failure::Credentials(_) | Failure::NotListening(_) | Failure::Malformed(_) => false,
        }
    }

    /// Says whether AWS was asked too often.
    #[must_use]
    pub fn is_throttle(&self) -> bool {
        self.is_any(THROTTLES)
    }

    /// Says whether the same call may well succeed a moment later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.may_have_happened() || self.is_throttle()
    }

    /// Says what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match &self.failure {
            Failure::Refused { code, .. } => match code.as_str() {
                // To look at an object is to be allowed to read it; without being allowed to list the bucket, one
                // that is not there is forbidden, too.
                "AccessDenied" if self.service == Service::S3 => Some(format!(
                    "allow {} on the bucket's objects, and s3:ListBucket on the bucket, in the IAM policy of these \
                     credentials, and look at the bucket's own policy",
                    if self.operation == "PutObject" { "s3:PutObject" } else { "s3:GetObject" }
                )),
                "PermanentRedirect" => {
                    Some("name a bucket in the stack's region in proxy.deploy.bucket".to_owned())
                }
                "NoSuchBucket" => {
                    Some("create it with `aws s3 mb`, or name another in proxy.deploy.bucket".to_owned())
                }
                "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => Some(format!(
                    "allow {}:{} in the IAM policy of these credentials",
                    self.service.action_prefix(),
                    self.operation
                )),
                "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => {
                    Some("sign in again: the session token has expired".to_owned())
                }
                "InvalidClientTokenId" | "UnrecognizedClientException" | "AuthFailure" => {
                    Some("check the access key: AWS does not know it in this region".to_owned())
                }
                "SignatureDoesNotMatch" => Some("check the secret key and this machine's clock".to_owned()),
                _ => None,
            },
            Failure::Credentials(_) => Some(
                "set AWS_PROFILE or --profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; \
                 --local needs none"
                    .to_owned(),
            ),
            Failure::NotListening(_) => {
                Some("check --endpoint-url; the local AWS is started with `elbws local`".to_owned())
            }
            Failure::Lost(_) | Failure::Malformed(_) => None,
        }
    }
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, failure } = self;
        match failure {
            Failure::Refused { code, message, request_id } => {
                write!(f, "{service} refused {operation}: {message} ({code}")?;
                if let Some(id) = request_id {
                    write!(f, ", request {id}")?;
                }
                f.write_str(")")
            }
            Failure::Credentials(text) => write!(f, "no AWS credentials for {operation}: {text}"),
            Failure::NotListening(text) => {
                write!(f, "cannot reach {service} for {operation}: {text}")
            }
            Failure::Lost(text) => write!(f, "no answer from {service} to {operation}: {text}"),
            Failure::Malformed(text) => write!(f, "{service} {operation} failed: {text}"),
        }
    }
}

impl StdError for AwsError {}

/// Codes that ask to slow down.
const THROTTLES: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "DependencyThrottle",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottled",
    // Route 53 takes one change of a zone at a time.
    "PriorRequestNotComplete",
    "SlowDown",
];

/// Codes of a failure on AWS's side.
const SERVER_FAULTS: &[&str] = &["InternalFailure", "InternalError", "ServiceUnavailable", "Unavailable"];

/// Returns what turns the SDK's error of one operation into ours.
pub(super) fn of<E>(
    service: Service,
    operation: &'static str,
) -> impl FnOnce(SdkError<E, Response>) -> AwsError
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    move |error| AwsError { service, operation, failure: failure(&error) }
}

fn failure<E>(error: &SdkError<E, Response>) -> Failure
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    if let SdkError::ServiceError(refusal) = error {
        let metadata = refusal.err().meta();
        let status = refusal.raw().status().as_u16();
        return match metadata.code() {
            Some(code) => Failure::Refused {
                code: code.to_owned(),
                message: metadata.message().unwrap_or("no message").to_owned(),
                request_id: metadata.request_id().map(str::to_owned),
            },
            None if status >= 500 => Failure::Lost(format!("HTTP status {status}")),
            None => Failure::Malformed(format!("HTTP status {status} without an error code")),
        };
    }
    let text = innermost(error);
    if find::<CredentialsError>(error).is_some() {
        return Failure::Credentials(text);
    }
    let refused =
        find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    match error {
        SdkError::DispatchFailure(_) if refused => Failure::NotListening(text),
        SdkError::ConstructionFailure(_) => Failure::Malformed(text),
        // A 2xx whose body broke off or made no sense: the call took effect.
        _ => Failure::Lost(text),
    }
}

/// Finds the cause of type `T` in the chain of `error`.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next: Option<&'a (dyn StdError + 'static)> = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Returns the last cause's text, which is the one that says something.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> AwsError {
        AwsError {
            service: Service::Elb,
            operation: "CreateLoadBalancer",
            failure: Failure::Refused {
                code: code.to_owned(),
                message: "AWS's words".to_owned(),
                request_id: Some("1-2-3".to_owned()),
            },
        }
    }

    #[test]
    fn a_refusal_names_the_operation_the_code_and_the_request() {
        assert_eq!(
            refused("CertificateNotFound").to_string(),
            "ELB refused CreateLoadBalancer: AWS's words (CertificateNotFound, request 1-2-3)"
        );
    }

    #[test]
    fn a_denial_hints_at_the_action_to_allow() {
        let hint = refused("AccessDenied").hint().unwrap();
        assert!(hint.contains("elasticloadbalancing:CreateLoadBalancer"), "{hint}");
        assert_eq!(refused("CertificateNotFound").hint(), None);
    }

    #[test]
    fn only_throttles_and_lost_answers_are_retryable() {
        assert!(refused("Throttling").is_retryable());
        assert!(!refused("Throttling").may_have_happened());
        assert!(refused("InternalFailure").may_have_happened());
        assert!(!refused("ValidationError").is_retryable());
        let lost = AwsError { failure: Failure::Lost("reset".to_owned()), ..refused("") };
        assert!(lost.is_retryable() && lost.may_have_happened());
    }
}
