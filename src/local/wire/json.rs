//! AWS JSON 1.1: bodies and errors. <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>

use serde_json::{Value, json};

use super::error::ApiError;

/// The content type of requests and answers.
pub(crate) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Reads a request's body; an empty one is an empty object.
pub(crate) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => {
            Err(ApiError::bad_request("SerializationException", "The body is not a JSON object"))
        }
    }
}

/// The refusal of a JSON service.
pub(crate) fn error(error: &ApiError) -> Value {
    json!({ "__type": error.code, "message": error.message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_are_bodies() {
        assert_eq!(parse(b""), Ok(json!({})));
        assert_eq!(parse(b"{\"a\":1}"), Ok(json!({ "a": 1 })));
        assert_eq!(parse(b"[]").unwrap_err().code, "SerializationException");
        assert_eq!(parse(b"{").unwrap_err().code, "SerializationException");
    }
}
