//! The patterns of rules' conditions: which texts fit, and one that does; pure.

/// Whether a text fits a pattern, in which `*` stands for any characters and `?` for one.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html#path-conditions>
pub(super) fn fits(pattern: &str, text: &str) -> bool {
    let (mut wanted, mut found) = (pattern.chars(), text.chars());
    match wanted.next() {
        None => text.is_empty(),
        Some('*') => loop {
            if fits(wanted.as_str(), found.as_str()) {
                return true;
            }
            if found.next().is_none() {
                return false;
            }
        },
        Some(first) => {
            let next = found.next();
            next.is_some_and(|next| first == '?' || first == next) && fits(wanted.as_str(), found.as_str())
        }
    }
}

/// A path that fits a pattern.
pub(super) fn path(pattern: &str) -> String {
    pattern.replace('*', "").replace('?', "x")
}

/// A host that fits a pattern.
pub(super) fn host(pattern: &str) -> String {
    pattern.replace('*', "www").replace('?', "x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, text, expected) in [
            ("/ws/*", "/ws/", true),
            ("/ws/*", "/ws/a/b", true),
            ("/ws/*", "/ws", false),
            ("/ws", "/ws", true),
            ("*", "", true),
            ("/?/x", "/é/x", true),
            ("/?/x", "//x", false),
            ("*.png", "/a/b.png", true),
            ("*.png", "/a/b.jpg", false),
            ("*a*", "bab", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        for pattern in ["/ws/*", "/a?c", "*.png"] {
            assert!(fits(pattern, &path(pattern)), "{pattern}");
        }
        assert_eq!(host("*.example.com"), "www.example.com");
    }
}
