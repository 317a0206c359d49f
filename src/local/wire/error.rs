//! The one error of every operation: a code, a message and the HTTP status that AWS answers with.

/// What a client gets in place of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The wire code, `LoadBalancerNotFound` or the like.
    pub(crate) code: String,
    /// The sentence for people.
    pub(crate) message: String,
}

impl ApiError {
    /// An error with a status of its own.
    pub(crate) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// An error of the usual status, 400.
    pub(crate) fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A conflict, 409.
    pub(crate) fn conflict(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// Something that does not exist, 404.
    pub(crate) fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(404, code, message)
    }

    /// The query services' refusal of a parameter.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::bad_request("ValidationError", message)
    }

    /// A value outside of what the service's model allows, in the words of AWS's request validation.
    pub(crate) fn constraint(value: Option<&str>, member: &str, constraint: &str) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// EC2's refusal of a request that lacks a parameter.
    pub(crate) fn missing_parameter(name: &str) -> Self {
        Self::bad_request("MissingParameter", format!("The request must contain the parameter {name}"))
    }

    /// A fault of the local AWS itself.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailure", message)
    }

    /// An operation that a query service does not have (or that is not served here).
    pub(crate) fn invalid_action(action: &str, version: &str) -> Self {
        Self::bad_request(
            "InvalidAction",
            format!("The action {action} is not valid for this web service of version {version}."),
        )
    }

    /// An operation that a JSON service does not have (or that is not served here).
    pub(crate) fn unknown_operation(operation: &str) -> Self {
        Self::bad_request("UnknownOperationException", format!("Unknown operation {operation}"))
    }
}
