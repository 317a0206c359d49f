//! Where a redirect leads. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html#redirect-actions>

use crate::local::state::elbv2::Redirect;

/// The URL that was asked for.
pub(super) struct Asked<'a> {
    pub(super) protocol: &'a str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// What the ports that the client knows are above the real ones: whoever comes by this machine's ports is
    /// to go on by them.
    pub(super) offset: u16,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
}

/// The URL that a redirect leads to. Its port is always there, as in AWS's own answers.
pub(super) fn location(redirect: &Redirect, asked: &Asked<'_>) -> String {
    let port = asked.port.to_string();
    let lift = |port: String| match port.parse::<u16>().ok().and_then(|port| port.checked_add(asked.offset)) {
        Some(lifted) => lifted.to_string(),
        None => port,
    };
    let fill = |template: &str| {
        template
            .replace("#{protocol}", asked.protocol)
            .replace("#{host}", asked.host)
            .replace("#{port}", &port)
            .replace("#{path}", asked.path.strip_prefix('/').unwrap_or(asked.path))
            .replace("#{query}", asked.query)
    };
    let (protocol, host) = (fill(&redirect.protocol).to_lowercase(), fill(&redirect.host));
    let (port, path, query) = (lift(fill(&redirect.port)), fill(&redirect.path), fill(&redirect.query));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{protocol}://{host}:{port}{path}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_where_a_template_says_so() {
        let asked = |offset| Asked {
            protocol: "http",
            host: "chat.example.com",
            port: 80,
            offset,
            path: "/a/b",
            query: "c=d",
        };
        let redirect = |protocol: &str, host: &str, port: &str, path: &str, query: &str| Redirect {
            protocol: protocol.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            status: 301,
            order: None,
        };
        for (redirect, offset, expected) in [
            (
                redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}"),
                0,
                "https://chat.example.com:443/a/b?c=d",
            ),
            (
                redirect("HTTPS", "#{host}", "443", "/#{path}", "#{query}"),
                8000,
                "https://chat.example.com:8443/a/b?c=d",
            ),
            (
                redirect("#{protocol}", "new.#{host}", "#{port}", "/new/#{path}", ""),
                0,
                "http://new.chat.example.com:80/new/a/b",
            ),
        ] {
            assert_eq!(location(&redirect, &asked(offset)), expected);
        }
    }
}
