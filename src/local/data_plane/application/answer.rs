//! What an Application Load Balancer answers on its own account.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>

use bytes::Bytes;
use hyper::ext::ReasonPhrase;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, LOCATION, SERVER};
use hyper::{Response, StatusCode};
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::local::data_plane::http::body::Carried;
use crate::local::state::elbv2::FixedResponse;

/// Why a request gets no target's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No name that it is for, a header that is too long, or what the desync mitigation mode does not let through.
    BadRequest,
    /// A method that is not served.
    Method,
    /// Nothing came of the rest of the request for the idle timeout.
    ClientTimeout,
    /// A request line that is too long.
    UriTooLong,
    /// More than 30 addresses in `X-Forwarded-For`.
    TooManyAddresses,
    /// The client's version of HTTP is not one for the group's.
    Incompatible,
    /// What came was no HTTP or had too long a header, or nothing came before the target closed the connection; or
    /// there was none.
    BadGateway,
    /// There is no target.
    NoTarget,
    /// No connection in ten seconds, or nothing of the response for the idle timeout.
    Timeout,
}

impl Failure {
    fn status(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Method => (405, "Method Not Allowed"),
            Self::ClientTimeout => (408, "Request Time-out"),
            Self::UriTooLong => (414, "Request-URI Too Large"),
            Self::TooManyAddresses => (463, ""),
            Self::Incompatible => (464, ""),
            Self::BadGateway => (502, "Bad Gateway"),
            Self::NoTarget => (503, "Service Temporarily Unavailable"),
            Self::Timeout => (504, "Gateway Time-out"),
        }
    }

    /// A page that says no more than the status.
    pub(super) fn response(self, now: OffsetDateTime) -> Response<Carried> {
        let (status, words) = self.status();
        let title = format!("{status} {words}");
        let title = title.trim_end();
        let mut response = own(status, "text/html", page(title), now);
        if !words.is_empty() {
            response.extensions_mut().insert(ReasonPhrase::from_static(words.as_bytes()));
        }
        response
    }
}

/// A redirect.
pub(super) fn redirect(status: u16, location: &str, now: OffsetDateTime) -> Response<Carried> {
    let title = if status == 301 { "301 Moved Permanently" } else { "302 Found" };
    let mut response = own(status, "text/html", page(title), now);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A fixed response.
pub(super) fn fixed(fixed: &FixedResponse, now: OffsetDateTime) -> Response<Carried> {
    let content_type = fixed.content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
    own(fixed.status, content_type, fixed.body.clone().unwrap_or_default(), now)
}

fn page(title: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )
}

fn own(status: u16, content_type: &str, body: String, now: OffsetDateTime) -> Response<Carried> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Carried::Own(Some(Bytes::from(body))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    if let Ok(content_type) = HeaderValue::from_str(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(CONTENT_LENGTH, length);
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let date = now.to_offset(UtcOffset::UTC).format(format).ok();
    if let Some(date) = date.and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.insert(DATE, date);
    }
    response
}
