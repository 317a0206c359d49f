//! Which operation of which service in which region a request is for.
//!
//! The `SigV4` credential scope names service and region (host names say nothing behind an endpoint URL), then
//! `Version` and `Action`, or `X-Amz-Target`, name the API and its operation. Signatures are not checked.

use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::xml::Members;
use super::{error::ApiError, json, query::Params, rest, s3};

/// The services that are served. In the call log and in fault rules they have the names of the AWS CLI's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// Classic ELB, 2012-06-01.
    Elb,
    /// Application and Network Load Balancers, 2015-12-01.
    ElbV2,
    /// EC2, 2016-11-15.
    Ec2,
    /// ACM, by JSON.
    Acm,
    /// IAM, 2010-05-08.
    Iam,
    /// STS, 2011-06-15.
    Sts,
    /// Route 53, 2013-04-01.
    Route53,
    /// S3, 2006-03-01.
    S3,
    /// Systems Manager, by JSON.
    Ssm,
    /// Auto Scaling, 2011-01-01.
    AutoScaling,
}

/// How a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS query: form in, XML with a `…Result` out.
    Query {
        /// The XML namespace of its answers.
        namespace: &'static str,
    },
    /// EC2 query.
    Ec2,
    /// JSON 1.1 by `X-Amz-Target`.
    Json,
    /// Operations by method and path, XML in and out.
    RestXml {
        /// The XML namespace of its answers.
        namespace: &'static str,
    },
    /// S3's own: objects in and out.
    S3,
}

const ELB_NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2012-06-01/";
const ELBV2_NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

impl Service {
    /// The version of the API; empty for JSON services.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Elb => "2012-06-01",
            Self::ElbV2 => "2015-12-01",
            Self::Ec2 => "2016-11-15",
            Self::Acm | Self::Ssm => "",
            Self::AutoScaling => "2011-01-01",
            Self::Iam => "2010-05-08",
            Self::Sts => "2011-06-15",
            Self::Route53 => "2013-04-01",
            Self::S3 => "2006-03-01",
        }
    }

    /// How it speaks.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Elb => Protocol::Query { namespace: ELB_NAMESPACE },
            Self::ElbV2 => Protocol::Query { namespace: ELBV2_NAMESPACE },
            Self::Ec2 => Protocol::Ec2,
            Self::Acm | Self::Ssm => Protocol::Json,
            Self::AutoScaling => {
                Protocol::Query { namespace: "http://autoscaling.amazonaws.com/doc/2011-01-01/" }
            }
            Self::Iam => Protocol::Query { namespace: "https://iam.amazonaws.com/doc/2010-05-08/" },
            Self::Route53 => Protocol::RestXml { namespace: "https://route53.amazonaws.com/doc/2013-04-01/" },
            Self::S3 => Protocol::S3,
            Self::Sts => Protocol::Query { namespace: "https://sts.amazonaws.com/doc/2011-06-15/" },
        }
    }

    /// The refusal of a client that calls too often.
    pub(crate) fn throttled(self) -> ApiError {
        match self {
            Self::Elb | Self::ElbV2 | Self::Iam | Self::Sts | Self::Route53 | Self::AutoScaling => {
                ApiError::bad_request("Throttling", "Rate exceeded")
            }
            Self::S3 => ApiError::new(503, "SlowDown", "Please reduce your request rate."),
            Self::Ec2 => ApiError::new(503, "RequestLimitExceeded", "Request limit exceeded."),
            Self::Acm | Self::Ssm => ApiError::bad_request("ThrottlingException", "Rate exceeded"),
        }
    }

    fn from_scope(name: &str) -> Option<Self> {
        match name {
            "elasticloadbalancing" => Some(Self::Elb),
            "ec2" => Some(Self::Ec2),
            "acm" => Some(Self::Acm),
            "iam" => Some(Self::Iam),
            "sts" => Some(Self::Sts),
            "route53" => Some(Self::Route53),
            "s3" => Some(Self::S3),
            "ssm" => Some(Self::Ssm),
            "autoscaling" => Some(Self::AutoScaling),
            _ => None,
        }
    }
}

/// One operation that a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The service.
    pub(crate) service: Service,
    /// The region of the credential scope.
    pub(crate) region: String,
    /// `CreateLoadBalancer` or the like.
    pub(crate) operation: String,
    /// Its parameters.
    pub(crate) input: Input,
}

/// The parameters of a call.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Of the query protocols.
    Query(Params),
    /// Of JSON services.
    Json(Value),
    /// Of REST services.
    Rest(rest::Request),
    /// Of S3.
    S3(s3::Request),
}

/// The result of a call.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Of the query protocols.
    Xml(Members),
    /// Of JSON services.
    Json(Value),
    /// Of REST services.
    Rest(RestOutput),
    /// Of S3.
    S3(s3::Output),
}

/// The result of a call to a REST service.
#[derive(Clone, Debug)]
pub(crate) struct RestOutput {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Where what was created is.
    pub(crate) location: Option<String>,
    /// The body.
    pub(crate) members: Members,
}

impl RestOutput {
    /// A plain success.
    pub(crate) fn ok(members: Members) -> Self {
        Self { status: 200, location: None, members }
    }
}

/// A request that names no operation: how to refuse it.
#[derive(Clone, Debug)]
pub(crate) struct Misrouted {
    /// The protocol that the client seems to speak.
    pub(crate) protocol: Protocol,
    /// The refusal.
    pub(crate) error: ApiError,
}

/// Finds the call that a request makes. What came with it is `body`, or an object that is not in memory.
pub(crate) fn route(parts: &Parts, body: &[u8], object: Option<s3::Content>) -> Result<Call, Misrouted> {
    let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let guessed =
        if target.is_some() { Protocol::Json } else { Protocol::Query { namespace: ELB_NAMESPACE } };
    let refuse = |protocol, error| Misrouted { protocol, error };

    let mut params = Params::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let scope = scope(parts, &params).map_err(|error| {
        let error = if target.is_some() && error.code == "MissingAuthenticationToken" {
            ApiError::bad_request("MissingAuthenticationTokenException", "Missing Authentication Token")
        } else {
            error
        };
        refuse(guessed, error)
    })?;
    let Some(service) = Service::from_scope(&scope.service) else {
        let message = format!("the local AWS does not serve {}", scope.service);
        let code = if target.is_some() { "UnknownOperationException" } else { "InvalidAction" };
        return Err(refuse(guessed, ApiError::bad_request(code, message)));
    };
    let protocol = service.protocol();

    if protocol == Protocol::Json {
        let operation = target.and_then(|target| target.rsplit_once('.')).map(|(_, operation)| operation);
        let operation =
            operation.ok_or_else(|| refuse(protocol, ApiError::unknown_operation("without X-Amz-Target")))?;
        let input = json::parse(body).map_err(|error| refuse(protocol, error))?;
        return Ok(Call {
            service,
            region: scope.region,
            operation: operation.to_owned(),
            input: Input::Json(input),
        });
    }

    if protocol == Protocol::S3 {
        let object = object.unwrap_or_else(|| s3::Content::of(body));
        let (operation, input) =
            s3::route(parts, params, &object).map_err(|error| refuse(protocol, error))?;
        let operation = operation.to_owned();
        return Ok(Call { service, region: scope.region, operation, input: Input::S3(input) });
    }
    if let Protocol::RestXml { .. } = protocol {
        let (operation, input) = rest::route_53(&parts.method, parts.uri.path(), params, body)
            .map_err(|error| refuse(protocol, error))?;
        let operation = operation.to_owned();
        return Ok(Call { service, region: scope.region, operation, input: Input::Rest(input) });
    }

    params.extend(body);
    let Some(operation) = params.get("Action").filter(|action| !action.is_empty()).map(str::to_owned) else {
        let error = ApiError::bad_request("MissingAction", "The request must contain the parameter Action");
        return Err(refuse(protocol, error));
    };
    // EC2 clients of any year speak compatible versions; the other services have one API a version.
    let version = params.get("Version").unwrap_or_default();
    let service =
        if service == Service::Elb && version == Service::ElbV2.version() { Service::ElbV2 } else { service };
    let protocol = service.protocol();
    if protocol != Protocol::Ec2 && version != service.version() {
        return Err(refuse(protocol, ApiError::invalid_action(&operation, version)));
    }
    Ok(Call { service, region: scope.region, operation, input: Input::Query(params) })
}

struct Scope {
    region: String,
    service: String,
}

/// Reads `KEY/DATE/REGION/SERVICE/aws4_request` from the Authorization header, or from `X-Amz-Credential`.
fn scope(parts: &Parts, params: &Params) -> Result<Scope, ApiError> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let credential = match header {
        Some(header) => header
            .strip_prefix("AWS4-HMAC-SHA256")
            .and_then(|rest| rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="))),
        None => params.get("X-Amz-Credential"),
    };
    let Some(credential) = credential else {
        return Err(match header {
            Some(_) => ApiError::new(
                403,
                "IncompleteSignature",
                "Authorization header requires 'Credential' parameter.",
            ),
            None => {
                ApiError::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
            }
        });
    };
    let mut fields = credential.rsplit('/');
    let (Some("aws4_request"), Some(service), Some(region)) = (fields.next(), fields.next(), fields.next())
    else {
        let message = format!("Credential must have 5 slash-delimited elements, got '{credential}'");
        return Err(ApiError::new(403, "IncompleteSignature", message));
    };
    let scope = Scope { region: region.to_owned(), service: service.to_owned() };
    if is_region(&scope.region) {
        Ok(scope)
    } else {
        let message = format!("Credential should be scoped to a valid region, not '{}'.", scope.region);
        Err(ApiError::new(403, "SignatureDoesNotMatch", message))
    }
}

/// Whether a name has the form of a region's (`us-east-1`, `us-gov-west-1`): it becomes part of host names.
fn is_region(name: &str) -> bool {
    let fields: Vec<&str> = name.split('-').collect();
    let Some((number, words)) = fields.split_last() else { return false };
    words.len() >= 2
        && name.len() <= 32
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && matches!(number.as_bytes(), [digit] if digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use proptest::prelude::*;

    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/elasticloadbalancing/aws4_request, SignedHeaders=host, Signature=00";

    fn request(headers: &[(&str, &str)], uri: &str) -> Parts {
        let builder =
            headers.iter().fold(Request::post(uri), |builder, (name, value)| builder.header(*name, *value));
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scope_names_service_and_region() {
        let parts = request(&[("authorization", SIGNED)], "/");
        let call = route(&parts, b"Action=DescribeLoadBalancers&Version=2012-06-01", None).unwrap();
        assert_eq!(call.service, Service::Elb);
        assert_eq!(call.region, "eu-west-1");
        assert_eq!(call.operation, "DescribeLoadBalancers");
    }

    #[test]
    fn a_presigned_get_is_routed_by_its_query() {
        let uri = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=k%2F20260101%2Fus-east-1%2Fsts%2Faws4_request";
        let call = route(&request(&[], uri), b"", None).unwrap();
        assert_eq!((call.service, call.operation.as_str()), (Service::Sts, "GetCallerIdentity"));
    }

    #[test]
    fn the_target_names_the_operation_of_a_json_service() {
        let signed = SIGNED.replace("elasticloadbalancing", "acm");
        let headers =
            [("authorization", signed.as_str()), ("x-amz-target", "CertificateManager.ListCertificates")];
        let call = route(&request(&headers, "/"), b"{}", None).unwrap();
        assert_eq!((call.service, call.operation.as_str()), (Service::Acm, "ListCertificates"));
    }

    proptest! {
        #[test]
        fn no_request_makes_it_panic(credential in ".{0,60}", target in "[ -~]{0,20}", body in any::<Vec<u8>>()) {
            for service in
                ["elasticloadbalancing", "ec2", "acm", "iam", "sts", "route53", "ssm", "autoscaling", &credential]
            {
                let signed = format!("AWS4-HMAC-SHA256 Credential=k/d/us-east-1/{service}/aws4_request");
                let mut request = Request::post("/");
                if hyper::header::HeaderValue::from_str(&signed).is_ok() {
                    request = request.header("authorization", signed);
                }
                let parts = request.header("x-amz-target", &target).body(()).unwrap().into_parts().0;
                let _ = route(&parts, &body, None);
            }
        }
    }

    #[test]
    fn what_cannot_be_routed_is_refused() {
        let check = |headers: &[(&str, &str)], body: &str, status: u16, code: &str| {
            let refused = route(&request(headers, "/"), body.as_bytes(), None).unwrap_err();
            assert_eq!((refused.error.status, refused.error.code.as_str()), (status, code));
        };
        let elsewhere = SIGNED.replace("elasticloadbalancing", "dynamodb");
        let bad_region = SIGNED.replace("eu-west-1", "../x");
        check(&[], "Action=DescribeLoadBalancers", 403, "MissingAuthenticationToken");
        check(&[("x-amz-target", "A.B")], "{}", 400, "MissingAuthenticationTokenException");
        check(&[("authorization", "Basic eDp5")], "", 403, "IncompleteSignature");
        check(&[("authorization", "AWS4-HMAC-SHA256 Credential=a/b")], "", 403, "IncompleteSignature");
        check(&[("authorization", &bad_region)], "", 403, "SignatureDoesNotMatch");
        check(&[("authorization", &elsewhere)], "Action=X", 400, "InvalidAction");
        check(&[("authorization", SIGNED)], "Version=2012-06-01", 400, "MissingAction");
        check(&[("authorization", SIGNED)], "Action=X&Version=1999-01-01", 400, "InvalidAction");
    }
}
