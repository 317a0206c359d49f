//! Request targets and `Host` values (RFC 9112, section 3.2; RFC 3986).

use super::HeadError;

/// Splits a target into the authority of its absolute form, if it has that form, and the origin form.
pub(super) fn split(target: &[u8], options: bool) -> Result<(Option<&[u8]>, &[u8]), HeadError> {
    let clean = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if target.is_empty() || !target.iter().all(clean) {
        return Err(HeadError::Malformed("a request target that is not a URI"));
    }
    if target.first() == Some(&b'/') || (target == b"*" && options) {
        return Ok((None, target));
    }
    let rest = ["http://", "https://"].iter().find_map(|scheme| {
        let (head, rest) = target.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
    });
    let rest = rest.ok_or(HeadError::Malformed("a request target of no known form"))?;
    let path = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path);
    match path.first() {
        None => Ok((Some(authority), b"/")),
        Some(b'/') => Ok((Some(authority), path)),
        // `http://host?query` has an empty path, which the origin form cannot say without a copy.
        Some(_) => Err(HeadError::Malformed("an absolute target without path")),
    }
}

/// Checks a `Host` value: a name or address, perhaps with a port.
///
/// Empty is refused: no http URI has an empty host (RFC 9110, section 4.2.1).
pub(super) fn check_host(host: &[u8]) -> Result<&str, HeadError> {
    let malformed = HeadError::Malformed("a Host that is no host");
    let text = std::str::from_utf8(host).map_err(|_| malformed)?;
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(malformed)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| malformed)?;
        (address, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or(malformed)?) })
    } else {
        let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
        let label = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
        if !name.bytes().all(label) {
            return Err(malformed);
        }
        (name, port)
    };
    let numeric = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    if name.is_empty() || !port.is_none_or(numeric) { Err(malformed) } else { Ok(text) }
}

/// The host without its port.
#[must_use]
pub(super) fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').and_then(|end| host.get(..=end)).unwrap_or(host);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_an_optional_port() {
        for good in ["a", "a.example.com", "a:80", "192.0.2.1:8080", "[::1]", "[::1]:80", "a_b.c", "a:"] {
            assert!(check_host(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a,b", "a/b", "a@b", "a:b", "a:123456", "[::1", "[::1]x", "[g]", "a:1:2",
            "\u{e9}",
        ] {
            assert!(check_host(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!((without_port("a:1"), without_port("[::1]:2"), without_port("b")), ("a", "[::1]", "b"));
    }
}
