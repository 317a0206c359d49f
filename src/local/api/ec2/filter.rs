//! Filters: which there are for a resource, and what they admit.
//!
//! A resource's filters stand in one table of names and values; a name that is not in it is refused, never
//! ignored. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>

use crate::local::state::Tags;
use crate::local::state::ec2::Region;
use crate::local::wire::error::ApiError;
use crate::local::wire::query::Params;

/// A filter's name, and the values that a resource has under it.
pub(super) type Field<T> = (&'static str, fn(&Region, &T) -> Vec<String>);

/// The filters of one request; all of them must admit a resource.
#[derive(Debug)]
pub(super) struct Filters(Vec<Filter>);

#[derive(Debug)]
struct Filter {
    name: String,
    values: Vec<String>,
}

impl Filters {
    /// Reads `Filter.N`; every name must be one of `fields`, or `tag:KEY` or `tag-key` where there are tags.
    pub(super) fn read<T>(params: &Params, fields: &[Field<T>], tagged: bool) -> Result<Self, ApiError> {
        let mut filters = Vec::new();
        for filter in params.ec2_structures("Filter") {
            let name = filter.get("Name").unwrap_or_default().to_owned();
            let of_tags = tagged && (name == "tag-key" || name.starts_with("tag:"));
            if !of_tags && !fields.iter().any(|(field, _)| *field == name) {
                return Err(ApiError::bad_request(
                    "InvalidParameterValue",
                    format!("The filter '{name}' is invalid"),
                ));
            }
            filters.push(Filter { name, values: filter.ec2_list("Value") });
        }
        Ok(Self(filters))
    }

    /// Whether every filter admits a resource: one of its values matches one of the filter's.
    pub(super) fn admit<T>(&self, fields: &[Field<T>], tags: &Tags, region: &Region, resource: &T) -> bool {
        self.0.iter().all(|filter| {
            let values = if let Some(key) = filter.name.strip_prefix("tag:") {
                tags.get(key).cloned().into_iter().collect()
            } else if filter.name == "tag-key" {
                tags.keys().cloned().collect()
            } else {
                let field = fields.iter().find(|(name, _)| *name == filter.name);
                field.map(|(_, values)| values(region, resource)).unwrap_or_default()
            };
            filter.values.iter().any(|pattern| values.iter().any(|value| matches(pattern, value)))
        })
    }
}

/// Whether a pattern with `*` (any run) and `?` (any character) matches a whole value; `\` takes a character
/// as it stands.
fn matches(pattern: &str, value: &str) -> bool {
    let tokens = tokens(pattern);
    let value: Vec<char> = value.chars().collect();
    let (mut token, mut at) = (0, 0);
    // Where to go on when what follows the last `*` turns out not to match: it takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while at < value.len() {
        match tokens.get(token) {
            Some(Token::Run) => {
                retry = Some((token, at));
                token += 1;
                continue;
            }
            Some(Token::Any) => {
                token += 1;
                at += 1;
                continue;
            }
            Some(Token::Exactly(character)) if *character == value[at] => {
                token += 1;
                at += 1;
                continue;
            }
            Some(Token::Exactly(_)) | None => {}
        }
        let Some((run, from)) = retry else { return false };
        retry = Some((run, from + 1));
        (token, at) = (run + 1, from + 1);
    }
    tokens[token..].iter().all(|token| *token == Token::Run)
}

#[derive(PartialEq, Eq)]
enum Token {
    Run,
    Any,
    Exactly(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        tokens.push(match character {
            '*' => Token::Run,
            '?' => Token::Any,
            '\\' => Token::Exactly(characters.next().unwrap_or('\\')),
            other => Token::Exactly(other),
        });
    }
    tokens
}

/// The one value of a field.
#[allow(clippy::needless_pass_by_value, reason = "the tables read best without a `&` before every literal")]
pub(super) fn one(value: impl ToString) -> Vec<String> {
    vec![value.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Field<u32>] = &[("number", |_, number| one(number))];

    fn admits(form: &[u8], number: u32) -> bool {
        let filters = Filters::read(&Params::parse(form), FIELDS, true).unwrap();
        let tags = Tags::from([("App".to_owned(), "ws-chat".to_owned())]);
        filters.admit(FIELDS, &tags, &Region::default(), &number)
    }

    #[test]
    fn every_filter_must_admit_and_any_value_will_do() {
        assert!(admits(b"", 7));
        assert!(admits(b"Filter.1.Name=number&Filter.1.Value.1=6&Filter.1.Value.2=7", 7));
        assert!(!admits(b"Filter.1.Name=number&Filter.1.Value.1=6", 7));
        let both = b"Filter.1.Name=number&Filter.1.Value.1=7&Filter.2.Name=tag:App&Filter.2.Value.1=other";
        assert!(!admits(both, 7));
        assert!(admits(b"Filter.1.Name=tag:App&Filter.1.Value.1=ws-*", 7));
        assert!(admits(b"Filter.1.Name=tag-key&Filter.1.Value.1=App", 7));
        assert!(!admits(b"Filter.1.Name=tag:Other&Filter.1.Value.1=*", 7));
    }

    #[test]
    fn an_unknown_filter_is_refused() {
        let params = Params::parse(b"Filter.1.Name=colour&Filter.1.Value.1=red");
        let error = Filters::read(&params, FIELDS, true).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("InvalidParameterValue", "The filter 'colour' is invalid")
        );
        assert!(Filters::read(&Params::parse(b"Filter.1.Name=tag:App"), FIELDS, false).is_err());
    }

    #[test]
    fn wildcards_match_runs_and_single_characters() {
        for (pattern, value, expected) in [
            ("", "", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c*e", "abcde", true),
            ("a*b", "abab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("ELB *", "ELB chat", true),
            ("ELB *", "xELB chat", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("A", "a", false),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value}");
        }
    }
}
