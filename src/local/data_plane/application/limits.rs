//! How long the headers of requests and responses may be. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html#http-header-quotas>

use hyper::HeaderMap;
use hyper::http::request::Parts;

use super::LONGEST_HEADER;
use super::answer::Failure;

const REQUEST_LINE: u64 = 16 * 1024;
const SINGLE_FIELD: usize = 16 * 1024;
const RESPONSE_HEADER: u64 = 32 * 1024;

/// The lines of a header, with what ends each.
pub(super) fn header_length(headers: &HeaderMap) -> u64 {
    headers.iter().map(|(name, value)| (name.as_str().len() + value.len() + 4) as u64).sum()
}

/// The line of a request in HTTP/1.1, with what ends it and the header.
pub(super) fn request_line_length(request: &Parts) -> u64 {
    let path = request.uri.path_and_query().map_or(1, |path| path.as_str().len());
    // Two spaces, the version, and two line ends.
    (request.method.as_str().len() + path + 14) as u64
}

/// Why a request is too long, if it is.
pub(super) fn refusal(request: &Parts) -> Option<Failure> {
    if request_line_length(request) > REQUEST_LINE {
        return Some(Failure::UriTooLong);
    }
    let longest = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).max();
    let too_long =
        longest > Some(SINGLE_FIELD) || header_length(&request.headers) > u64::from(LONGEST_HEADER);
    too_long.then_some(Failure::BadRequest)
}

/// Whether a target's response has too long a header.
pub(super) fn exceeds(response: &HeaderMap) -> bool {
    header_length(response) > RESPONSE_HEADER
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn refused(path: usize, fields: &[usize]) -> Option<Failure> {
        let mut request = Request::get(format!("/{}", "p".repeat(path)));
        for (index, length) in fields.iter().enumerate() {
            request = request.header(format!("x-{index:02}"), "v".repeat(*length));
        }
        refusal(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_line_a_field_and_a_header_have_limits_of_their_own() {
        let kilobytes = |count: usize| count * 1024;
        for (path, fields, expected) in [
            (kilobytes(15), vec![], None),
            (kilobytes(16), vec![], Some(Failure::UriTooLong)),
            (1, vec![kilobytes(15)], None),
            (1, vec![kilobytes(16)], Some(Failure::BadRequest)),
            (1, vec![kilobytes(15); 4], None),
            (1, vec![kilobytes(13); 5], Some(Failure::BadRequest)),
        ] {
            assert_eq!(refused(path, &fields), expected, "{path} {fields:?}");
        }
    }
}
