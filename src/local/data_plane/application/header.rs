//! The header fields that an Application Load Balancer puts into requests and responses, and those that it
//! takes out. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{COOKIE, EXPECT, HOST, HeaderName, HeaderValue, SERVER};

use crate::local::data_plane::tls::Handshake;
use crate::local::state::elbv2::Attributes;

const FORWARDED_FOR: &str = "x-forwarded-for";
const TRACE_ID: &str = "x-amzn-trace-id";
/// Requests with more addresses in `X-Forwarded-For` are refused.
const MOST_ADDRESSES: usize = 30;

/// The attributes of response headers, and the headers that they set.
const RESPONSE: [(&str, HeaderName); 10] = [
    ("access_control_allow_credentials", HeaderName::from_static("access-control-allow-credentials")),
    ("access_control_allow_headers", HeaderName::from_static("access-control-allow-headers")),
    ("access_control_allow_methods", HeaderName::from_static("access-control-allow-methods")),
    ("access_control_allow_origin", HeaderName::from_static("access-control-allow-origin")),
    ("access_control_expose_headers", HeaderName::from_static("access-control-expose-headers")),
    ("access_control_max_age", HeaderName::from_static("access-control-max-age")),
    ("content_security_policy", HeaderName::from_static("content-security-policy")),
    ("strict_transport_security", HeaderName::from_static("strict-transport-security")),
    ("x_content_type_options", HeaderName::from_static("x-content-type-options")),
    ("x_frame_options", HeaderName::from_static("x-frame-options")),
];

/// Who asks, and where.
pub(super) struct Origin<'a> {
    pub(super) client: SocketAddr,
    pub(super) scheme: &'static str,
    /// The listener's port.
    pub(super) port: u16,
    pub(super) handshake: Option<&'a Handshake>,
    /// The trace id that the request is given.
    pub(super) trace: &'a str,
}

/// Whether a request comes by too many proxies.
pub(super) fn has_too_many_addresses(headers: &HeaderMap) -> bool {
    let values = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).count() > MOST_ADDRESSES
}

/// Puts in who the client is and how it came.
pub(super) fn forward(
    headers: &mut HeaderMap,
    origin: &Origin<'_>,
    balancer: &Attributes,
    listener: &Attributes,
) {
    // The 100 that it asks for was sent when its body was first read.
    headers.remove(EXPECT);
    if balancer.flag("routing.http.drop_invalid_header_fields.enabled") {
        drop_invalid(headers);
    }
    forward_for(headers, origin.client, balancer);
    headers.insert("x-forwarded-proto", HeaderValue::from_static(origin.scheme));
    headers.insert("x-forwarded-port", HeaderValue::from(origin.port));
    if let Ok(value) = HeaderValue::from_str(origin.trace) {
        headers.insert(TRACE_ID, value);
    }
    if balancer.flag("routing.http.x_amzn_tls_version_and_cipher_suite.enabled")
        && let Some(handshake) = origin.handshake
    {
        let told = [("version", Some(handshake.version)), ("cipher_suite", handshake.cipher)];
        for (what, value) in told {
            let name = listener.get(&format!("routing.http.request.x_amzn_tls_{what}.header_name"));
            if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
    }
    if balancer.flag("routing.http.x_amzn_tls_kx.enabled")
        && let Some(group) = origin.handshake.and_then(|handshake| handshake.key_exchange)
    {
        headers.insert("x-amzn-tls-kx", HeaderValue::from_static(group));
    }
    join_cookies(headers);
    if !balancer.flag("routing.http.preserve_host_header.enabled") {
        add_port(headers, origin.port);
    }
}

fn forward_for(headers: &mut HeaderMap, client: SocketAddr, balancer: &Attributes) {
    match balancer.get("routing.http.xff_header_processing.mode") {
        "preserve" => return,
        "remove" => {
            headers.remove(FORWARDED_FOR);
            return;
        }
        _ => {}
    }
    let mut addresses = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        if !value.is_empty() {
            addresses.extend_from_slice(value.as_bytes());
            addresses.extend_from_slice(b", ");
        }
    }
    let with_port = balancer.flag("routing.http.xff_client_port.enabled");
    let own = if with_port { client.to_string() } else { client.ip().to_string() };
    addresses.extend_from_slice(own.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&addresses) {
        headers.insert(FORWARDED_FOR, value);
    }
}

/// Takes out the fields whose names are not letters, digits and hyphens.
fn drop_invalid(headers: &mut HeaderMap) {
    let valid =
        |name: &HeaderName| name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let invalid: Vec<HeaderName> = headers.keys().filter(|name| !valid(name)).cloned().collect();
    for name in invalid {
        headers.remove(name);
    }
}

/// HTTP/2 clients may send cookies apart; HTTP/1.1 has one field for them (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

/// The port of a listener that is not 80 or 443 goes into a `Host` that has none.
fn add_port(headers: &mut HeaderMap, port: u16) {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let bare = host.filter(|host| !host.is_empty() && !host.rsplit(']').next().unwrap_or(host).contains(':'));
    if let Some(bare) = bare.filter(|_| port != 80 && port != 443)
        && let Ok(value) = HeaderValue::from_str(&format!("{bare}:{port}"))
    {
        headers.insert(HOST, value);
    }
}

/// The trace id for a request: its root stays, and what passed is told beside it.
///
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html>
pub(super) fn trace(headers: &HeaderMap, own: &str) -> String {
    let given = headers.get(TRACE_ID).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let fields: Vec<&str> = given
        .split(';')
        .map(str::trim)
        .filter(|field| !field.is_empty() && !field.starts_with("Self="))
        .collect();
    if fields.iter().any(|field| field.starts_with("Root=")) {
        format!("Self={own};{}", fields.join(";"))
    } else {
        let rest = fields.iter().fold(String::new(), |rest, field| rest + ";" + field);
        format!("Root={own}{rest}")
    }
}

/// Sets the headers that the listener's attributes name.
pub(super) fn respond(headers: &mut HeaderMap, listener: &Attributes) {
    for (attribute, name) in RESPONSE {
        let value = listener.get(&format!("routing.http.response.{attribute}.header_value"));
        if let Ok(value) = HeaderValue::from_str(value)
            && !value.is_empty()
        {
            headers.insert(name, value);
        }
    }
    if listener.get("routing.http.response.server.enabled") == "false" {
        headers.remove(SERVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::state::elb::Scheme;
    use crate::local::state::elbv2::{Kind, Protocol};

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        headers
    }

    fn forwarded(fields: &[(&str, &str)], attributes: &[(&str, &str)]) -> HeaderMap {
        let mut balancer = Attributes::of_load_balancer(Kind::Application, Scheme::InternetFacing);
        for (key, value) in attributes {
            balancer.set(key, value);
        }
        let mut headers = map(fields);
        let handshake = Handshake {
            cipher: Some("ECDHE-RSA-AES128-GCM-SHA256"),
            version: "TLSv1.2",
            key_exchange: Some("x25519"),
            alpn: None,
            server_name: None,
            certificate: String::new(),
            took: std::time::Duration::ZERO,
        };
        let origin = Origin {
            client: "198.51.100.7:4711".parse().unwrap(),
            scheme: "https",
            port: 8443,
            handshake: Some(&handshake),
            trace: "Root=1",
        };
        forward(&mut headers, &origin, &balancer, &Attributes::of_listener(Protocol::Https));
        headers
    }

    #[test]
    fn the_list_of_addresses_is_appended_to_kept_or_taken_out() {
        let fields =
            [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2"), ("x-forwarded-proto", "x")];
        let of = |attributes: &[(&str, &str)]| {
            let headers = forwarded(&fields, attributes);
            assert_eq!(
                (&headers["x-forwarded-proto"], &headers["x-forwarded-port"]),
                (&HeaderValue::from_static("https"), &HeaderValue::from(8443))
            );
            headers
                .get_all(FORWARDED_FOR)
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let mode = "routing.http.xff_header_processing.mode";
        assert_eq!(of(&[]), ["192.0.2.1, 192.0.2.2, 198.51.100.7"]);
        assert_eq!(
            of(&[("routing.http.xff_client_port.enabled", "true")]),
            ["192.0.2.1, 192.0.2.2, 198.51.100.7:4711"]
        );
        assert_eq!(of(&[(mode, "preserve")]), ["192.0.2.1", "192.0.2.2"]);
        assert!(of(&[(mode, "remove")]).is_empty());
    }

    #[test]
    fn hosts_get_the_port_cookies_are_one_field_and_odd_names_may_go() {
        let fields = [
            ("host", "chat.example.com"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("x_odd", "1"),
            ("x-even", "2"),
        ];
        let headers = forwarded(&fields, &[]);
        assert_eq!(
            (&headers["host"], &headers["cookie"]),
            (&HeaderValue::from_static("chat.example.com:8443"), &HeaderValue::from_static("a=b; c=d"))
        );
        assert_eq!(headers.get_all("cookie").iter().count(), 1);
        assert!(headers.contains_key("x_odd"));
        assert!(!headers.contains_key("x-amzn-tls-version") && !headers.contains_key("x-amzn-tls-kx"));
        let headers = forwarded(
            &fields,
            &[
                ("routing.http.preserve_host_header.enabled", "true"),
                ("routing.http.drop_invalid_header_fields.enabled", "true"),
                ("routing.http.x_amzn_tls_version_and_cipher_suite.enabled", "true"),
                ("routing.http.x_amzn_tls_kx.enabled", "true"),
            ],
        );
        assert_eq!(headers["host"], "chat.example.com");
        assert!(!headers.contains_key("x_odd") && headers.contains_key("x-even"));
        assert_eq!(headers["x-amzn-tls-version"], "TLSv1.2");
        assert_eq!(headers["x-amzn-tls-cipher-suite"], "ECDHE-RSA-AES128-GCM-SHA256");
        assert_eq!(headers["x-amzn-tls-kx"], "x25519");
    }

    #[test]
    fn a_trace_keeps_its_root() {
        for (given, expected) in [
            ("", "Root=1-new"),
            ("Root=1-old", "Self=1-new;Root=1-old"),
            ("Self=1-other;Root=1-old;CalledFrom=app", "Self=1-new;Root=1-old;CalledFrom=app"),
            ("CalledFrom=app", "Root=1-new;CalledFrom=app"),
        ] {
            let headers = if given.is_empty() { HeaderMap::new() } else { map(&[(TRACE_ID, given)]) };
            assert_eq!(trace(&headers, "1-new"), expected, "{given}");
        }
    }
}
