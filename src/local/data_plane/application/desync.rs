//! Requests that two parsers could read differently: their classes, and what each mode of mitigation does with them.
//! Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#desync-mitigation-mode>
//! and, for the reasons, <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html#classification-reasons>.
//! What cannot be parsed at all is refused before it comes here, in every mode, and so is what AWS calls severe. A
//! length beside `Transfer-Encoding`, or one that comes twice, is taken out before, too.

use hyper::header::{CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use crate::local::state::elbv2::Attributes;

/// How far a request is from RFC 7230.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Acceptable,
    Ambiguous,
}

/// A class, and the reason for it as the access log names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) class: Class,
    pub(super) reason: &'static str,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    Pass,
    /// It is the last one on its connections.
    PassAndClose,
    Block,
}

impl Class {
    /// The name in the access log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Acceptable => "Acceptable",
            Self::Ambiguous => "Ambiguous",
        }
    }
}

impl Finding {
    /// What is wrong with a request, the worst first; none if it complies. HTTP/2 has no such readings.
    pub(super) fn of(request: &Parts) -> Option<Self> {
        if request.version == Version::HTTP_2 {
            return None;
        }
        let ambiguous = |reason| Some(Self { class: Class::Ambiguous, reason });
        let acceptable = |reason| Some(Self { class: Class::Acceptable, reason });
        let headers = &request.headers;
        if headers.keys().any(is_suspicious) {
            return ambiguous("SuspiciousHeader");
        }
        let bodiless = [Method::GET, Method::HEAD].contains(&request.method);
        if bodiless && headers.contains_key(TRANSFER_ENCODING) {
            return ambiguous("UndefinedTransferEncodingSemantics");
        }
        match headers.get(CONTENT_LENGTH).filter(|_| bodiless) {
            Some(length) if length == "0" => return acceptable("GetHeadZeroContentLength"),
            Some(_) => return ambiguous("UndefinedContentLengthSemantics"),
            None => {}
        }
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        if headers.values().any(|value| !value.as_bytes().iter().all(is_plain)) {
            return acceptable("NonCompliantHeader");
        }
        None
    }

    /// What a load balancer's mode does with it.
    pub(super) fn treatment(self, balancer: &Attributes) -> Treatment {
        match (balancer.get("routing.http.desync_mitigation_mode"), self.class) {
            ("monitor", _) | ("defensive", Class::Acceptable) => Treatment::Pass,
            ("defensive", Class::Ambiguous) => Treatment::PassAndClose,
            _ => Treatment::Block,
        }
    }
}

/// Whether some parser takes the name for one of those that say where a body ends.
fn is_suspicious(name: &HeaderName) -> bool {
    let plain: String = name.as_str().chars().filter(char::is_ascii_alphabetic).collect();
    ["contentlength", "transferencoding"].contains(&plain.as_str())
        && ![CONTENT_LENGTH, TRANSFER_ENCODING].contains(name)
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use hyper::header::HeaderValue;

    use super::*;

    fn found(method: Method, field: &str, value: &[u8]) -> Option<(&'static str, &'static str)> {
        let request = Request::builder().method(method).header("host", "x");
        let request = request.header(field, HeaderValue::from_bytes(value).unwrap());
        let (request, ()) = request.body(()).unwrap().into_parts();
        Finding::of(&request).map(|finding| (finding.class.name(), finding.reason))
    }

    #[test]
    fn requests_are_classified_by_what_is_wrong_with_them() {
        for (method, field, value, expected) in [
            (Method::GET, "x-plain", &b"a\tb"[..], None),
            (Method::POST, "content-length", b"0", None),
            (Method::POST, "transfer-encoding", b"chunked", None),
            (Method::GET, "content-length", b"0", Some(("Acceptable", "GetHeadZeroContentLength"))),
            (Method::HEAD, "content-length", b"5", Some(("Ambiguous", "UndefinedContentLengthSemantics"))),
            (
                Method::GET,
                "transfer-encoding",
                b"chunked",
                Some(("Ambiguous", "UndefinedTransferEncodingSemantics")),
            ),
            (Method::POST, "content_length", b"5", Some(("Ambiguous", "SuspiciousHeader"))),
            (Method::POST, "transfer--encoding", b"x", Some(("Ambiguous", "SuspiciousHeader"))),
            (Method::GET, "x-name", "Zoë".as_bytes(), Some(("Acceptable", "NonCompliantHeader"))),
        ] {
            assert_eq!(found(method, field, value), expected, "{field}");
        }
    }

    #[test]
    fn a_mode_decides_what_becomes_of_a_class() {
        for (mode, acceptable, ambiguous) in [
            ("monitor", Treatment::Pass, Treatment::Pass),
            ("defensive", Treatment::Pass, Treatment::PassAndClose),
            ("strictest", Treatment::Block, Treatment::Block),
        ] {
            let mut balancer = Attributes::default();
            balancer.set("routing.http.desync_mitigation_mode", mode);
            let of = |class| Finding { class, reason: "" }.treatment(&balancer);
            assert_eq!((of(Class::Acceptable), of(Class::Ambiguous)), (acceptable, ambiguous), "{mode}");
        }
    }
}
