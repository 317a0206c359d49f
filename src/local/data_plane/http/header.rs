//! The header fields that a load balancer takes out of a message and puts into a request. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/x-forwarded-headers.html>

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, COOKIE, EXPECT, HeaderName, HeaderValue, PROXY_AUTHENTICATE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

/// What holds for one connection only (RFC 9110, section 7.6.1), beside what `Connection` names.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Takes out what concerns the one connection that the message came by.
pub(in crate::local::data_plane) fn strip(headers: &mut HeaderMap) {
    let mut listed = Vec::new();
    for value in headers.get_all(CONNECTION) {
        let names = value.to_str().unwrap_or_default().split(',');
        listed.extend(names.filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()));
    }
    for name in listed.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The value of a cookie that a request has.
pub(in crate::local::data_plane) fn cookie<'a>(request: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs = request
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Puts in who the client is and how it came; what it says of that itself is kept only in the list of addresses.
pub(in crate::local::data_plane) fn forward(
    headers: &mut HeaderMap,
    client: IpAddr,
    proto: &'static str,
    port: u16,
) {
    // The 100 that it asks for was sent when its body was first read.
    headers.remove(EXPECT);
    let mut addresses = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        if !value.is_empty() {
            addresses.extend_from_slice(value.as_bytes());
            addresses.extend_from_slice(b", ");
        }
    }
    addresses.extend_from_slice(client.to_string().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&addresses) {
        headers.insert(FORWARDED_FOR, value);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    headers.insert("x-forwarded-port", HeaderValue::from(port));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_is_taken_out() {
        let mut headers = map(&[
            ("host", "chat.example.com"),
            ("connection", "Upgrade, X-Mine"),
            ("upgrade", "websocket"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("sec-websocket-key", "x"),
        ]);
        strip(&mut headers);
        assert_eq!(headers, map(&[("host", "chat.example.com"), ("sec-websocket-key", "x")]));
    }

    #[test]
    fn the_client_is_appended_and_the_rest_replaced() {
        let mut headers = map(&[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2, 192.0.2.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "1"),
        ]);
        forward(&mut headers, "198.51.100.7".parse().unwrap(), "http", 80);
        assert_eq!(
            headers,
            map(&[
                ("x-forwarded-for", "192.0.2.1, 192.0.2.2, 192.0.2.3, 198.51.100.7"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-port", "80"),
            ])
        );
    }
}
