//! Scalars read by their kind, in YAML 1.2's core schema: plain `80` is a number, `"80"` and `yes` are text.

use super::item::Value;
use super::problem::Refusal;
use super::read::{expected, mismatch};
use super::seconds::Seconds;
use super::shape::Kind;
use super::suggest::unknown_value;
use super::text::shown;
use super::yaml::Content;

pub(super) fn read_scalar(text: &str, plain: bool, kind: &Kind) -> Result<Value, Refusal> {
    match kind {
        Kind::Boolean => match text {
            "true" | "True" | "TRUE" if plain => Ok(Value::Boolean(true)),
            "false" | "False" | "FALSE" if plain => Ok(Value::Boolean(false)),
            _ => Err(not_a_boolean(text, plain)),
        },
        Kind::Integer { min, max } => {
            if !plain && text.parse::<u64>().is_ok() {
                return Err(Refusal::new(format!("expected a number, found the text \"{text}\""))
                    .hint("remove the quotes"));
            }
            let Some(number) = whole_number(text) else {
                return Err(mismatch(&expected(kind), &Content::Scalar { text: text.to_owned(), plain }));
            };
            if (*min..=*max).contains(&number) {
                Ok(Value::Integer(number))
            } else {
                let range = format!("{text} is out of range, which is {min} to {max}");
                Err(Refusal::new(if min == max { format!("expected {min}, found {text}") } else { range }))
            }
        }
        Kind::Duration { min, max } => {
            let Some(seconds) = Seconds::parse(text) else {
                return Err(Refusal::new(format!(
                    "expected a duration, found {}",
                    found_scalar(text, plain)
                ))
                .hint("write 30s, 5m, 1h, 1d or plain seconds"));
            };
            if (*min..=*max).contains(&seconds.0) {
                Ok(Value::Seconds(seconds))
            } else {
                Err(Refusal::new(format!("{text} is out of range, which is {min} s to {max} s")))
            }
        }
        Kind::Text(rule) => {
            if plain && !is_text(text) {
                return Err(Refusal::new(format!(
                    "expected {}, found {}",
                    rule.what,
                    found_scalar(text, plain)
                ))
                .hint(format!("quote it: \"{text}\"")));
            }
            (rule.check)(text).map(|()| Value::Text(text.to_owned()))
        }
        Kind::Choice(choice) => {
            if choice.values.contains(&text) {
                Ok(Value::Text(text.to_owned()))
            } else {
                Err(unknown_value(text, choice))
            }
        }
        Kind::List { .. }
        | Kind::Map { .. }
        | Kind::Object(_)
        | Kind::Variants(_)
        | Kind::OneOf { .. }
        | Kind::Elsewhere(_) => {
            Err(mismatch(&expected(kind), &Content::Scalar { text: text.to_owned(), plain }))
        }
    }
}

/// Whether a scalar is of the kind at all, be its value right or wrong.
pub(super) fn is_of_kind(text: &str, plain: bool, kind: &Kind) -> bool {
    match kind {
        Kind::Boolean => plain && matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE"),
        Kind::Integer { .. } => whole_number(text).is_some(),
        Kind::Duration { .. } => Seconds::parse(text).is_some(),
        Kind::Text(_) => !plain || is_text(text),
        Kind::Choice(choice) => choice.values.contains(&text),
        Kind::List { .. }
        | Kind::Map { .. }
        | Kind::Object(_)
        | Kind::Variants(_)
        | Kind::OneOf { .. }
        | Kind::Elsewhere(_) => false,
    }
}

/// Reads digits alone: no sign, no leading zero (octal to some, decimal to others), no `0x`.
fn whole_number(text: &str) -> Option<u64> {
    let sound = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if sound { text.parse().ok() } else { None }
}

fn not_a_boolean(text: &str, plain: bool) -> Refusal {
    let refusal = Refusal::new(format!("expected true or false, found {}", found_scalar(text, plain)));
    match text.to_ascii_lowercase().as_str() {
        "true" | "false" => refusal.hint("remove the quotes"),
        "yes" | "on" | "y" => refusal.hint("write true; yes and on are text in YAML 1.2"),
        "no" | "off" | "n" => refusal.hint("write false; no and off are text in YAML 1.2"),
        _ => refusal,
    }
}

/// Whether a plain scalar is text in YAML 1.2's core schema, rather than a number or a boolean.
fn is_text(text: &str) -> bool {
    !matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") && !is_number(text)
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let based = |prefix: &str, radix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_digit(radix)))
    };
    let special = matches!(digits, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN");
    // `f64` also reads words such as `inf` and `nan`, which are text to YAML.
    let float = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.parse::<f64>().is_ok();
    float || special || based("0x", 16) || based("0o", 8)
}

/// What a message says was found.
pub(super) fn found_scalar(text: &str, plain: bool) -> String {
    let shown = shown(text);
    if !plain || is_text(text) {
        format!("the text {shown}")
    } else if is_number(text) {
        format!("the number {}", shown.trim_matches('"'))
    } else {
        format!("the boolean {}", shown.trim_matches('"'))
    }
}
