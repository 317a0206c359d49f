//! The grammars of single values of rules and actions.

use crate::provision::spec::problem::Refusal;
use crate::provision::spec::shape::Text;
use crate::provision::spec::text::{Checked, refuse, shown};

/// AWS: the `RuleCondition` and `RedirectActionConfig` types of the Elastic Load Balancing v2 API.
const MAX: usize = 128;

pub(super) static PATH_PATTERN: Text =
    Text { what: "a path pattern", pattern: "^[/*?][!-~]{0,127}$", check: path_pattern };
pub(super) static HOST_PATTERN: Text =
    Text { what: "a host name", pattern: "^[0-9A-Za-z.*?-]{1,128}$", check: host_pattern };
pub(super) static REDIRECT_PART: Text =
    Text { what: "a host", pattern: "^[\\s\\S]{1,128}$", check: redirect_host };
pub(super) static REDIRECT_PATH: Text =
    Text { what: "a path", pattern: "^/[\\s\\S]{0,127}$", check: redirect_path };
pub(super) static REDIRECT_QUERY: Text =
    Text { what: "a query", pattern: "^[\\s\\S]{0,128}$", check: redirect_query };
pub(super) static BODY: Text = Text { what: "text", pattern: "^[\\s\\S]{0,1024}$", check: body };

fn length(text: &str, what: &str) -> Checked {
    if text.is_empty() {
        return Err(Refusal::new(format!("{what} cannot be empty")));
    }
    if text.len() > MAX {
        return Err(Refusal::new(format!("{what} has at most {MAX} characters, this has {}", text.len())));
    }
    Ok(())
}

fn path_pattern(text: &str) -> Checked {
    length(text, "a path pattern")?;
    if !text.starts_with(['/', '*', '?']) {
        return refuse(
            format!("{} can never fit, since every path begins with a slash", shown(text)),
            format!("write /{text}"),
        );
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(*c);
    match text.chars().find(|c| !allowed(c)) {
        None => Ok(()),
        Some(bad) => refuse(
            format!("a path pattern cannot have the character {}", shown(&bad.to_string())),
            "AWS allows letters, digits, the wildcards * and ?, and _ - . $ / ~ \" ' @ : + &",
        ),
    }
}

fn host_pattern(text: &str) -> Checked {
    length(text, "a host name")?;
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return refuse(format!("{} is a URL, a host is needed", shown(text)), format!("write {host}"));
    }
    if let Some((host, _)) = text.split_once(':') {
        return refuse("a host pattern has no port", format!("write {host}"));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "-.*?".contains(*c);
    if let Some(bad) = text.chars().find(|c| !allowed(c)) {
        return refuse(
            format!("a host pattern cannot have the character {}", shown(&bad.to_string())),
            "AWS allows letters, digits, hyphens, dots and the wildcards * and ?",
        );
    }
    let last = text.rsplit_once('.').map(|(_, last)| last);
    match last {
        Some(last) if !last.is_empty() && last.chars().all(|c| c.is_ascii_alphabetic()) => Ok(()),
        Some(_) => refuse(
            format!("{} has more than letters after its last dot", shown(text)),
            "AWS takes letters alone there, no wildcard",
        ),
        None => {
            refuse(format!("{} has no dot", shown(text)), "for example chat.example.com or *.example.com")
        }
    }
}

/// Finds a `#{…}` that is none of `known`.
fn placeholders(text: &str, known: &[&str]) -> Checked {
    for part in text.split("#{").skip(1) {
        let name = part.split('}').next().filter(|name| name.len() < part.len()).unwrap_or_default();
        if !known.contains(&name) {
            let known: Vec<_> = known.iter().map(|name| format!("#{{{name}}}")).collect();
            return refuse(
                format!("{} has a placeholder that AWS does not know here", shown(text)),
                format!("it knows {}", known.join(", ")),
            );
        }
    }
    Ok(())
}

fn redirect_host(text: &str) -> Checked {
    length(text, "a host")?;
    if text.contains("://") || text.contains('/') {
        return refuse(
            format!("{} is more than a host", shown(text)),
            "the path and the protocol have fields",
        );
    }
    if text.contains(':') {
        return refuse(format!("{} has a port", shown(text)), "the port has a field of its own");
    }
    placeholders(text, &["host"])
}

fn redirect_path(text: &str) -> Checked {
    length(text, "a path")?;
    if !text.starts_with('/') {
        return refuse(format!("{} does not begin with a slash", shown(text)), format!("write /{text}"));
    }
    if text.contains('?') {
        return refuse(format!("{} has a query", shown(text)), "the query has a field of its own");
    }
    placeholders(text, &["host", "path", "port"])
}

fn redirect_query(text: &str) -> Checked {
    if text.len() > MAX {
        return Err(Refusal::new(format!("a query has at most {MAX} characters, this has {}", text.len())));
    }
    if let Some(rest) = text.strip_prefix('?') {
        return refuse("AWS adds the question mark itself", format!("write {}", shown(rest)));
    }
    placeholders(text, &["host", "path", "port", "protocol", "query"])
}

fn body(text: &str) -> Checked {
    if text.len() > 1024 {
        return Err(Refusal::new(format!("the body has at most 1024 bytes, this has {}", text.len())));
    }
    Ok(())
}
