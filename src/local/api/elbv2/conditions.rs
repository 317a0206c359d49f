//! Conditions of rules: reading them, and describing them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::local::state::elbv2::{Condition, QueryPair};
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;
use crate::local::wire::xml::Members;

/// The default quota of values in all conditions of a rule.
const MOST_VALUES: usize = 5;
const LONGEST_VALUE: usize = 128;
/// Of methods and of names of headers.
const LONGEST_NAME: usize = 40;

const FIELDS: [&str; 6] =
    ["path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip"];

/// The conditions that `Conditions` gives, checked.
pub(super) fn asked_for(params: &Params) -> Result<Vec<Condition>, ApiError> {
    let mut conditions: Vec<Condition> = Vec::new();
    for params in params.structures("Conditions") {
        let condition = parse(&params)?;
        let repeats = |other: &Condition| field(other) == field(&condition);
        let once = !matches!(condition, Condition::Header { .. } | Condition::Query(_));
        if once && conditions.iter().any(repeats) {
            let message = format!("A rule can only have one '{}' condition", field(&condition));
            return Err(ApiError::validation(message));
        }
        conditions.push(condition);
    }
    if conditions.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    if conditions.iter().map(count).sum::<usize>() > MOST_VALUES {
        return Err(ApiError::validation(format!("A rule can only have '{MOST_VALUES}' condition values")));
    }
    Ok(conditions)
}

fn parse(params: &Params) -> Result<Condition, ApiError> {
    let name = params.required("Field")?;
    let config = |name: &str| params.structure(name);
    let regular = ["HostHeaderConfig", "PathPatternConfig", "HttpHeaderConfig"]
        .iter()
        .any(|name| !config(name).list("RegexValues").is_empty());
    if regular || !params.list("RegexValues").is_empty() {
        return Err(ApiError::validation(
            "Regular expressions in conditions are not served by the local AWS",
        ));
    }
    match name {
        "host-header" => {
            let values = values(params, "HostHeaderConfig")?;
            let allowed = |character: char| character.is_ascii_alphanumeric() || "-._*?:".contains(character);
            check(&values, LONGEST_VALUE, |value| value.chars().all(allowed), name)?;
            Ok(Condition::Host(values))
        }
        "path-pattern" => {
            let values = values(params, "PathPatternConfig")?;
            let allowed = |character: char| {
                character.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?!,;=()%#".contains(character)
            };
            check(&values, LONGEST_VALUE, |value| value.chars().all(allowed), name)?;
            Ok(Condition::Path(values))
        }
        "http-header" => {
            let config = config("HttpHeaderConfig");
            let header = config.get("HttpHeaderName").unwrap_or_default().to_owned();
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if header.is_empty() || header.len() > LONGEST_NAME || !header.bytes().all(token) {
                return Err(ApiError::validation(format!("The HTTP header name '{header}' is not valid")));
            }
            if header.eq_ignore_ascii_case("host") {
                return Err(ApiError::validation("Use a host-header condition for the header 'host'"));
            }
            let values = config.list("Values");
            check(&values, LONGEST_VALUE, |_| true, name)?;
            Ok(Condition::Header { name: header, values })
        }
        "http-request-method" => {
            let values = config("HttpRequestMethodConfig").list("Values");
            let allowed = |byte: u8| byte.is_ascii_uppercase() || b"-_".contains(&byte);
            check(&values, LONGEST_NAME, |value| value.bytes().all(allowed), name)?;
            Ok(Condition::Method(values))
        }
        "query-string" => {
            let mut pairs = Vec::new();
            for pair in config("QueryStringConfig").structures("Values") {
                let key = pair.get("Key").filter(|key| !key.is_empty()).map(str::to_owned);
                let value = pair.get("Value").unwrap_or_default().to_owned();
                check(std::slice::from_ref(&value), LONGEST_VALUE, |_| true, name)?;
                pairs.push(QueryPair { key, value });
            }
            if pairs.is_empty() {
                return Err(missing(name));
            }
            Ok(Condition::Query(pairs))
        }
        "source-ip" => {
            let values = config("SourceIpConfig").list("Values");
            let block = |value: &str| value.parse::<IpNet>().is_ok() && value.parse::<IpAddr>().is_err();
            check(&values, LONGEST_VALUE, block, name)?;
            Ok(Condition::SourceIp(values))
        }
        other => {
            let known = FIELDS.join(", ");
            Err(ApiError::validation(format!("Condition field '{other}' must be one of '[{known}]'")))
        }
    }
}

/// Values of conditions that may be given without a structure, too.
fn values(params: &Params, config: &str) -> Result<Vec<String>, ApiError> {
    let plain = params.list("Values");
    let within = params.structure(config).list("Values");
    match (plain.is_empty(), within.is_empty()) {
        (false, false) if plain != within => {
            Err(ApiError::validation(format!("Only one of Values and {config} can be specified")))
        }
        (false, _) => Ok(plain),
        (true, _) => Ok(within),
    }
}

fn check(
    values: &[String],
    longest: usize,
    valid: impl Fn(&str) -> bool,
    field: &str,
) -> Result<(), ApiError> {
    if values.is_empty() || values.iter().any(String::is_empty) {
        return Err(missing(field));
    }
    match values.iter().find(|value| value.chars().count() > longest || !valid(value)) {
        None => Ok(()),
        Some(value) => {
            Err(ApiError::validation(format!("The value '{value}' of the '{field}' condition is not valid")))
        }
    }
}

fn missing(field: &str) -> ApiError {
    ApiError::validation(format!("A value must be specified for the '{field}' condition"))
}

fn field(condition: &Condition) -> &'static str {
    match condition {
        Condition::Host(_) => "host-header",
        Condition::Path(_) => "path-pattern",
        Condition::Header { .. } => "http-header",
        Condition::Method(_) => "http-request-method",
        Condition::Query(_) => "query-string",
        Condition::SourceIp(_) => "source-ip",
    }
}

fn count(condition: &Condition) -> usize {
    match condition {
        Condition::Host(values)
        | Condition::Path(values)
        | Condition::Header { values, .. }
        | Condition::Method(values)
        | Condition::SourceIp(values) => values.len(),
        Condition::Query(pairs) => pairs.len(),
    }
}

/// A condition as it is described. Host names and paths are in both places.
pub(super) fn members(condition: &Condition) -> Members {
    let plain = |values: &[String]| Members::new().texts("Values", "member", values);
    let members = Members::new().text("Field", field(condition));
    match condition {
        Condition::Host(values) => {
            members.texts("Values", "member", values).structure("HostHeaderConfig", plain(values))
        }
        Condition::Path(values) => {
            members.texts("Values", "member", values).structure("PathPatternConfig", plain(values))
        }
        Condition::Header { name, values } => {
            let config = Members::new().text("HttpHeaderName", name).texts("Values", "member", values);
            members.structure("HttpHeaderConfig", config)
        }
        Condition::Method(values) => members.structure("HttpRequestMethodConfig", plain(values)),
        Condition::Query(pairs) => {
            let pairs = pairs
                .iter()
                .map(|pair| Members::new().optional("Key", pair.key.as_ref()).text("Value", &pair.value));
            members.structure("QueryStringConfig", Members::new().structures("Values", "member", pairs))
        }
        Condition::SourceIp(values) => members.structure("SourceIpConfig", plain(values)),
    }
}
