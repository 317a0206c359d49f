//! REST-XML: which operation a method and a path ask for, and the parameters in path and query.
//! <https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html>

use hyper::Method;

use super::document::Node;
use super::error::ApiError;
use super::query::Params;

/// The parameters of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Those in the path by the names of the service model, those in the query by the names there.
    pub(crate) params: Params,
    /// The body, if there is one.
    pub(crate) body: Option<Node>,
}

/// An operation and where it is found; a part of the path in braces is a parameter.
struct Operation {
    name: &'static str,
    method: Method,
    path: &'static str,
}

/// Those of Route 53, below the version.
const ROUTE_53: &[Operation] = &[
    Operation { name: "ChangeResourceRecordSets", method: Method::POST, path: "hostedzone/{Id}/rrset" },
    Operation {
        name: "ChangeTagsForResource",
        method: Method::POST,
        path: "tags/{ResourceType}/{ResourceId}",
    },
    Operation { name: "CreateHostedZone", method: Method::POST, path: "hostedzone" },
    Operation { name: "DeleteHostedZone", method: Method::DELETE, path: "hostedzone/{Id}" },
    Operation { name: "GetChange", method: Method::GET, path: "change/{Id}" },
    Operation { name: "GetHostedZone", method: Method::GET, path: "hostedzone/{Id}" },
    Operation { name: "GetHostedZoneCount", method: Method::GET, path: "hostedzonecount" },
    Operation { name: "ListHostedZones", method: Method::GET, path: "hostedzone" },
    Operation { name: "ListHostedZonesByName", method: Method::GET, path: "hostedzonesbyname" },
    Operation { name: "ListResourceRecordSets", method: Method::GET, path: "hostedzone/{Id}/rrset" },
    Operation { name: "ListTagsForResource", method: Method::GET, path: "tags/{ResourceType}/{ResourceId}" },
];

/// Finds the operation of Route 53 that a request is for.
pub(crate) fn route_53(
    method: &Method,
    path: &str,
    mut params: Params,
    body: &[u8],
) -> Result<(&'static str, Request), ApiError> {
    let unknown =
        || ApiError::not_found("UnknownOperationException", format!("There is no operation {method} {path}"));
    let below = path.strip_prefix("/2013-04-01/").ok_or_else(unknown)?;
    let parts: Vec<&str> = below.trim_end_matches('/').split('/').collect();
    for operation in ROUTE_53.iter().filter(|operation| operation.method == *method) {
        let expected: Vec<&str> = operation.path.split('/').collect();
        let fits = expected.len() == parts.len()
            && expected
                .iter()
                .zip(&parts)
                .all(|(expected, part)| expected.starts_with('{') || expected == part);
        if !fits {
            continue;
        }
        for (expected, part) in expected.iter().zip(&parts) {
            if let Some(name) = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                params.set(name, part);
            }
        }
        let body =
            match body {
                [] => None,
                body => Some(Node::parse(body).map_err(|error| {
                    ApiError::bad_request("InvalidInput", format!("Invalid XML ; {error}"))
                })?),
            };
        return Ok((operation.name, Request { params, body }));
    }
    Err(unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_operations_and_parameters() {
        for (method, path, expected, id) in [
            (Method::POST, "/2013-04-01/hostedzone", "CreateHostedZone", None),
            (Method::GET, "/2013-04-01/hostedzone/Z1", "GetHostedZone", Some("Z1")),
            (Method::POST, "/2013-04-01/hostedzone/Z1/rrset/", "ChangeResourceRecordSets", Some("Z1")),
            (Method::GET, "/2013-04-01/change/C1", "GetChange", Some("C1")),
        ] {
            let (name, request) = route_53(&method, path, Params::default(), b"").unwrap();
            assert_eq!((name, request.params.get("Id")), (expected, id));
        }
        for path in ["/", "/2013-04-01/x", "/2012-01-01/hostedzone", "/2013-04-01/hostedzone/Z1/x"] {
            assert_eq!(route_53(&Method::GET, path, Params::default(), b"").unwrap_err().status, 404);
        }
        let refused =
            route_53(&Method::POST, "/2013-04-01/hostedzone", Params::default(), b"<a>").unwrap_err();
        assert_eq!(refused.code, "InvalidInput");
    }
}
