//! Whether a request fulfils the conditions of a rule. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>

use std::net::IpAddr;

use hyper::http::request::Parts;
use ipnet::IpNet;

use crate::local::state::elbv2::{Condition, Listener, QueryPair, Rule};

/// A request, as conditions see it.
pub(super) struct Subject<'a> {
    pub(super) request: &'a Parts,
    /// The name that it is for, without a port.
    pub(super) host: &'a str,
    pub(super) client: IpAddr,
}

/// The rule that takes a request, with its priority; none where the default one does.
pub(super) fn rule<'a>(listener: &'a Listener, subject: &Subject<'_>) -> Option<(u16, &'a Rule)> {
    let mut rules = listener.rules.iter();
    let (priority, rule) =
        rules.find(|(_, rule)| rule.conditions.iter().all(|condition| fulfils(subject, condition)))?;
    Some((*priority, rule))
}

fn fulfils(subject: &Subject<'_>, condition: &Condition) -> bool {
    let Subject { request, host, client } = subject;
    match condition {
        Condition::Host(patterns) => any(patterns, host, Case::Ignored),
        Condition::Path(patterns) => any(patterns, request.uri.path(), Case::Matters),
        Condition::Header { name, values } => {
            let fields = request.headers.get_all(name.as_str());
            fields.iter().any(|field| any(values, &String::from_utf8_lossy(field.as_bytes()), Case::Ignored))
        }
        Condition::Method(methods) => methods.iter().any(|method| method == request.method.as_str()),
        Condition::Query(pairs) => {
            let query = request.uri.query().unwrap_or_default();
            let mut given = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            given.any(|(key, value)| pairs.iter().any(|pair| in_query(pair, key, value)))
        }
        Condition::SourceIp(blocks) => {
            blocks.iter().any(|block| block.parse::<IpNet>().is_ok_and(|block| block.contains(client)))
        }
    }
}

fn in_query(wanted: &QueryPair, key: &str, value: &str) -> bool {
    wanted.key.as_ref().is_none_or(|wanted| matches(wanted, key, Case::Ignored))
        && matches(&wanted.value, value, Case::Ignored)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Matters,
    Ignored,
}

fn any(patterns: &[String], text: &str, case: Case) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text, case))
}

/// Whether a text is what a pattern says, in which `*` is any text, `?` any character, and a backslash before
/// either takes that away.
fn matches(pattern: &str, text: &str, case: Case) -> bool {
    #[derive(Clone, Copy)]
    enum Piece {
        Any,
        One,
        Just(char),
    }
    let mut pieces = Vec::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        pieces.push(match character {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Just(characters.next().unwrap_or('\\')),
            other => Piece::Just(other),
        });
    }
    let same = |own: char, other: char| {
        own == other || case == Case::Ignored && own.to_lowercase().eq(other.to_lowercase())
    };
    let text: Vec<char> = text.chars().collect();
    // Where to go on when what follows the last `*` does not fit: one character further on.
    let (mut piece, mut at, mut retry) = (0, 0, None);
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                retry = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::Just(own)) if same(*own, text[at]) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::Just(_)) | None => {
                let Some((star, from)) = retry else { return false };
                retry = Some((star, from + 1));
                (piece, at) = (star + 1, from + 1);
            }
        }
    }
    pieces[piece..].iter().all(|piece| std::matches!(piece, Piece::Any))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    #[test]
    fn wildcards_stand_for_any_text_and_any_character() {
        for (pattern, text, expected) in [
            ("/ws/*", "/ws/", true),
            ("/ws/*", "/ws/a/b", true),
            ("/ws/*", "/ws", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*.js", "/a.js.js", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("/WS/*", "/ws/", false),
        ] {
            assert_eq!(matches(pattern, text, Case::Matters), expected, "{pattern} {text}");
        }
        assert!(matches("*.EXAMPLE.com", "chat.example.COM", Case::Ignored));
    }

    fn fulfilled(condition: &Condition) -> bool {
        let request = Request::get("/ws/chat?room=Lobby&x&version=v1").header("X-Mode", "Beta 2").body(());
        let (request, ()) = request.unwrap().into_parts();
        let subject =
            Subject { request: &request, host: "Chat.example.com", client: "127.0.0.1".parse().unwrap() };
        fulfils(&subject, condition)
    }

    #[test]
    fn each_kind_of_condition_asks_its_own_part_of_a_request() {
        let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
        let header =
            |name: &str, value: &str| Condition::Header { name: name.to_owned(), values: values(&[value]) };
        let pair = |key: Option<&str>, value: &str| {
            Condition::Query(vec![QueryPair { key: key.map(str::to_owned), value: value.to_owned() }])
        };
        for (condition, expected) in [
            (Condition::Host(values(&["other.com", "*.example.com"])), true),
            (Condition::Host(values(&["example.com"])), false),
            (Condition::Path(values(&["/ws/*"])), true),
            (Condition::Path(values(&["/ws/chat?*"])), false),
            (header("x-mode", "beta*"), true),
            (header("x-mode", "beta"), false),
            (header("x-other", "*"), false),
            (Condition::Method(values(&["POST", "GET"])), true),
            (Condition::Method(values(&["get"])), false),
            (pair(Some("room"), "lobby"), true),
            (pair(None, "v?"), true),
            (pair(Some("version"), "v2"), false),
            (pair(Some("x"), ""), true),
            (Condition::SourceIp(values(&["10.0.0.0/8", "127.0.0.0/8"])), true),
            (Condition::SourceIp(values(&["::/0"])), false),
        ] {
            assert_eq!(fulfilled(&condition), expected, "{condition:?}");
        }
    }
}
