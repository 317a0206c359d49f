//! The XML of answers: a small tree, its escaping, and the envelopes of the query services and of EC2.

use quick_xml::escape::escape;

use super::error::ApiError;

/// The members of one structure, in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members(Vec<Element>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Element {
    name: String,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Text(String),
    Members(Members),
}

impl Members {
    /// A structure without members.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a scalar.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers pass numbers and borrowed strings alike")]
    pub(crate) fn text(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push(Element { name: name.into(), content: Content::Text(value.to_string()) });
        self
    }

    /// Adds a scalar if there is one.
    #[must_use]
    pub(crate) fn optional(self, name: impl Into<String>, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds a structure.
    #[must_use]
    pub(crate) fn structure(mut self, name: impl Into<String>, members: Self) -> Self {
        self.0.push(Element { name: name.into(), content: Content::Members(members) });
        self
    }

    /// Adds a list of scalars, each in an element named `item`: `member` in the query services, `item` in EC2.
    #[must_use]
    pub(crate) fn texts<T: ToString>(
        self,
        name: impl Into<String>,
        item: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let list = values.into_iter().fold(Self::new(), |list, value| list.text(item, value));
        self.structure(name, list)
    }

    /// Adds a list of structures, each in an element named `item`.
    #[must_use]
    pub(crate) fn structures(
        self,
        name: impl Into<String>,
        item: &str,
        values: impl IntoIterator<Item = Self>,
    ) -> Self {
        let list = values.into_iter().fold(Self::new(), |list, value| list.structure(item, value));
        self.structure(name, list)
    }

    fn write(&self, out: &mut String) {
        for Element { name, content } in &self.0 {
            match content {
                Content::Members(Self(members)) if members.is_empty() => {
                    out.push('<');
                    out.push_str(name);
                    out.push_str("/>");
                }
                Content::Text(text) => enclose(out, name, |out| out.push_str(&escape(text.as_str()))),
                Content::Members(members) => enclose(out, name, |out| members.write(out)),
            }
        }
    }
}

fn enclose(out: &mut String, name: &str, content: impl FnOnce(&mut String)) {
    for part in ["<", name, ">"] {
        out.push_str(part);
    }
    content(out);
    for part in ["</", name, ">"] {
        out.push_str(part);
    }
}

fn document(root: &str, namespace: Option<&str>, members: &Members) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
    out.push_str(root);
    if let Some(namespace) = namespace {
        out.push_str(" xmlns=\"");
        out.push_str(namespace);
        out.push('"');
    }
    out.push('>');
    members.write(&mut out);
    out.push_str("</");
    out.push_str(root);
    out.push_str(">\n");
    out
}

/// The answer of a query service.
pub(crate) fn query_response(namespace: &str, operation: &str, members: Members, request_id: &str) -> String {
    let envelope = Members::new()
        .structure(format!("{operation}Result"), members)
        .structure("ResponseMetadata", Members::new().text("RequestId", request_id));
    document(&format!("{operation}Response"), Some(namespace), &envelope)
}

/// The refusal of a query service.
pub(crate) fn query_error(namespace: &str, error: &ApiError, request_id: &str) -> String {
    let fault = if error.status >= 500 { "Receiver" } else { "Sender" };
    let envelope = Members::new()
        .structure(
            "Error",
            Members::new().text("Type", fault).text("Code", &error.code).text("Message", &error.message),
        )
        .text("RequestId", request_id);
    document("ErrorResponse", Some(namespace), &envelope)
}

/// The answer of EC2.
pub(crate) fn ec2_response(namespace: &str, operation: &str, members: Members, request_id: &str) -> String {
    let mut envelope = Members::new().text("requestId", request_id);
    envelope.0.extend(members.0);
    document(&format!("{operation}Response"), Some(namespace), &envelope)
}

/// The refusal of EC2.
pub(crate) fn ec2_error(error: &ApiError, request_id: &str) -> String {
    let one = Members::new().text("Code", &error.code).text("Message", &error.message);
    let envelope = Members::new()
        .structure("Errors", Members::new().structure("Error", one))
        .text("RequestID", request_id);
    document("Response", None, &envelope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_empty_structures_close_themselves() {
        let members = Members::new().text("Name", "a<b>&\"c'").structure("Empty", Members::new());
        let xml = query_response("urn:x", "Do", members, "r-1");
        assert!(xml.contains(
            "<DoResponse xmlns=\"urn:x\"><DoResult><Name>a&lt;b&gt;&amp;&quot;c&apos;</Name><Empty/></DoResult>"
        ));
        assert!(xml.contains("<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>"));
    }

    #[test]
    fn errors_have_the_envelope_of_their_protocol() {
        let error = ApiError::bad_request("LoadBalancerNotFound", "none");
        assert!(query_error("urn:x", &error, "r").contains(
            "<Error><Type>Sender</Type><Code>LoadBalancerNotFound</Code><Message>none</Message></Error><RequestId>r</RequestId>"
        ));
        assert!(ec2_error(&error, "r").contains(
            "<Response><Errors><Error><Code>LoadBalancerNotFound</Code><Message>none</Message></Error></Errors><RequestID>r</RequestID></Response>"
        ));
        assert!(query_error("urn:x", &ApiError::internal("x"), "r").contains("<Type>Receiver</Type>"));
    }
}
