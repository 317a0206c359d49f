//! Answers as the clients of each protocol read them.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::error::ApiError;
use super::routing::{Call, Output, Protocol, RestOutput};
use super::{json, s3, xml};

const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The body and content type of an answer.
pub(crate) struct Rendered {
    /// The content type.
    pub(crate) content_type: Cow<'static, str>,
    /// The body.
    pub(crate) body: Payload,
    /// The HTTP status.
    pub(crate) status: u16,
    /// Other headers.
    pub(crate) headers: Vec<(String, String)>,
}

/// What an answer's body is.
pub(crate) enum Payload {
    /// This.
    Whole(Bytes),
    /// So many bytes of a file, from its beginning.
    File(Arc<File>, u64),
}

impl From<String> for Payload {
    fn from(text: String) -> Self {
        Self::Whole(text.into())
    }
}

/// Writes a result as the service's clients read it.
pub(crate) fn render(call: &Call, output: Output, request_id: &str) -> Rendered {
    match (output, call.service.protocol()) {
        (Output::Json(value), _) => json_body(200, &value),
        (Output::Rest(RestOutput { status, location, members }), _) => {
            let namespace = match call.service.protocol() {
                Protocol::RestXml { namespace } | Protocol::Query { namespace } => namespace,
                Protocol::Ec2 | Protocol::Json | Protocol::S3 => EC2_NAMESPACE,
            };
            let headers = location.map(|location| ("location".to_owned(), location));
            let body = xml::rest_response(namespace, &call.operation, &members);
            Rendered { status, headers: headers.into_iter().collect(), ..xml_body(200, body) }
        }
        (Output::S3(output), _) => s3_body(output),
        (Output::Xml(members), Protocol::Query { namespace }) => {
            xml_body(200, xml::query_response(namespace, &call.operation, members, request_id))
        }
        (Output::Xml(members), Protocol::Ec2 | Protocol::Json | Protocol::S3 | Protocol::RestXml { .. }) => {
            xml_body(200, xml::ec2_response(EC2_NAMESPACE, &call.operation, members, request_id))
        }
    }
}

/// Writes a refusal in a protocol's envelope.
pub(crate) fn render_error(protocol: Protocol, error: &ApiError, request_id: &str) -> Rendered {
    match protocol {
        Protocol::Query { namespace } | Protocol::RestXml { namespace } => {
            xml_body(error.status, xml::query_error(namespace, error, request_id))
        }
        Protocol::Ec2 => xml_body(error.status, xml::ec2_error(error, request_id)),
        Protocol::Json => json_body(error.status, &json::error(error)),
        Protocol::S3 => xml_body(error.status, xml::s3_error(error, request_id)),
    }
}

fn xml_body(status: u16, body: String) -> Rendered {
    Rendered { content_type: "text/xml".into(), body: body.into(), status, headers: Vec::new() }
}

fn json_body(status: u16, body: &Value) -> Rendered {
    let body = body.to_string().into();
    Rendered { content_type: json::CONTENT_TYPE.into(), body, status, headers: Vec::new() }
}

fn s3_body(output: s3::Output) -> Rendered {
    let s3::Output { status, headers, body } = output;
    let (content_type, body) = match body {
        s3::Body::Empty => ("application/xml".into(), String::new().into()),
        s3::Body::Object { content_type, file, size } => {
            (Cow::Owned(content_type), Payload::File(file, size))
        }
        s3::Body::Text(root, text) => ("application/xml".into(), xml::s3_text(root, &text).into()),
        s3::Body::Xml(root, members) => ("application/xml".into(), xml::s3_response(root, &members).into()),
    };
    Rendered { content_type, body, status, headers }
}
