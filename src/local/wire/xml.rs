//! The XML of answers: a small tree, its escaping, and the envelopes of the query services and of EC2.

use quick_xml::escape::escape;

use super::error::ApiError;

const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

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

    /// Adds all members of another structure.
    #[must_use]
    pub(crate) fn append(mut self, members: Self) -> Self {
        self.0.extend(members.0);
        self
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
                Content::Text(text) => enclose(out, name, |out| write_text(out, text)),
                Content::Members(members) => enclose(out, name, |out| members.write(out)),
            }
        }
    }
}

/// Writes text so that a reader gets it back. What XML 1.0 cannot carry at all becomes U+FFFD: clients' own words
/// come back to them in refusals (<https://www.w3.org/TR/xml/#charsets>).
fn write_text(out: &mut String, text: &str) {
    for character in escape(text).chars() {
        match character {
            '\t' | '\n' => out.push(character),
            // A bare carriage return would be read as a line feed.
            '\r' => out.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            _ => out.push(character),
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

/// The answer of a REST service.
pub(crate) fn rest_response(namespace: &str, operation: &str, members: &Members) -> String {
    document(&format!("{operation}Response"), Some(namespace), members)
}

/// An answer of S3.
pub(crate) fn s3_response(root: &str, members: &Members) -> String {
    document(root, Some(S3_NAMESPACE), members)
}

/// An answer of S3 that is one text.
pub(crate) fn s3_text(root: &str, text: &str) -> String {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{S3_NAMESPACE}\">");
    write_text(&mut out, text);
    out + "</" + root + ">\n"
}

/// The refusal of S3.
pub(crate) fn s3_error(error: &ApiError, request_id: &str) -> String {
    let members = Members::new()
        .text("Code", &error.code)
        .text("Message", &error.message)
        .text("RequestId", request_id);
    document("Error", None, &members)
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
    use proptest::prelude::*;
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    fn read_text(xml: &str) -> String {
        let mut reader = Reader::from_str(xml);
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Text(part) => text.push_str(&part.xml10_content()),
                Event::GeneralRef(reference) => {
                    if let Some(character) = reference.resolve_char_ref().unwrap() {
                        text.push(character);
                    } else {
                        let name = reference.xml10_content();
                        text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap());
                    }
                }
                Event::Eof => return text,
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read_back(text in any::<String>()) {
            let mut xml = String::new();
            Members::new().text("a", &text).write(&mut xml);
            let can_carry = |c: char| !matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
            let expected: String = text.chars().map(|c| if can_carry(c) { c } else { '\u{fffd}' }).collect();
            prop_assert_eq!(read_text(&xml), expected);
        }
    }

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
