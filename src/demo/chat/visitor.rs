//! Who a visitor is: the name and room that they ask for, and their address as the proxy tells it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use serde::Deserialize;

const LONGEST_NAME: usize = 32;
const NAMELESS: &str = "guest";
const FIRST_ROOM: &str = "lobby";

/// What a visitor asks for in the query of the WebSocket's URL.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    room: Option<String>,
    name: Option<String>,
}

/// A visitor who may enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) room: String,
    pub(super) name: String,
    pub(super) address: IpAddr,
}

/// A name or room that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is longer than 32 characters")]
pub(super) struct TooLong(&'static str);

impl Visitor {
    pub(super) fn new(wish: Wish, headers: &HeaderMap, peer: SocketAddr) -> Result<Self, TooLong> {
        Ok(Self {
            room: clean(wish.room, FIRST_ROOM).ok_or(TooLong("room"))?,
            name: clean(wish.name, NAMELESS).ok_or(TooLong("name"))?,
            address: forwarded_for(headers).unwrap_or(peer.ip()).to_canonical(),
        })
    }
}

/// The text without control characters and outer blanks, `default` where nothing is left, none if too long.
fn clean(text: Option<String>, default: &str) -> Option<String> {
    let text: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    let text = if text.is_empty() { default } else { text };
    (text.chars().count() <= LONGEST_NAME).then(|| text.to_owned())
}

/// The right-most address of `X-Forwarded-For`: what stands left of it may be the client's own words.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse::<IpAddr>().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(wish: Wish, forwarded: &[&str]) -> Result<Visitor, TooLong> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        Visitor::new(wish, &headers, "[::ffff:127.0.0.9]:4000".parse().unwrap())
    }

    fn wish(room: &str, name: &str) -> Wish {
        Wish { room: Some(room.to_owned()), name: Some(name.to_owned()) }
    }

    #[test]
    fn the_right_most_forwarded_address_counts_else_the_peers() {
        for (forwarded, expected) in [
            (&["198.51.100.7"][..], "198.51.100.7"),
            (&["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            (&["1.1.1.1", "198.51.100.7:5000"], "198.51.100.7"),
            (&["[2001:db8::1]:5000"], "2001:db8::1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&[], "127.0.0.9"),
            (&["unknown"], "127.0.0.9"),
        ] {
            let found = visitor(wish("a", "b"), forwarded).unwrap();
            assert_eq!(found.address.to_string(), expected, "{forwarded:?}");
        }
    }

    #[test]
    fn names_are_cleaned_and_bounded() {
        let found = visitor(wish(" a\u{7}b ", "\n"), &[]).unwrap();
        assert_eq!((found.room.as_str(), found.name.as_str()), ("ab", "guest"));
        assert_eq!(visitor(Wish { room: None, name: None }, &[]).unwrap().room, "lobby");
        assert!(visitor(wish(&"ö".repeat(32), "x"), &[]).is_ok());
        assert_eq!(visitor(wish("x", &"ö".repeat(33)), &[]), Err(TooLong("name")));
    }
}
