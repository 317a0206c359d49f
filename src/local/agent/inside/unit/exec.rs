//! A command line of a unit (systemd.service(5), "Command lines"). Pure.

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Whether its failure is none of the unit's (`-`).
    pub(super) may_fail: bool,
    words: Vec<String>,
}

impl Line {
    /// Reads a command line with its prefixes.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let command = text.trim_start_matches(['-', '@', ':', '+', '!']);
        let prefix = text.get(..text.len() - command.len()).unwrap_or_default();
        if prefix.contains('@') {
            return Err(format!("the stand-in for systemd cannot name a program otherwise: {text}"));
        }
        let words = words(command)?;
        if words.is_empty() {
            return Err("a command line is empty".to_owned());
        }
        Ok(Self { may_fail: prefix.contains('-'), words })
    }

    /// The program and its arguments: `${NAME}` within words, `$NAME` as a word that becomes any number of them.
    pub(super) fn expanded(&self, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut expanded = Vec::new();
        for word in &self.words {
            match word.strip_prefix('$').filter(|name| is_name(name)) {
                Some(name) => {
                    let value = variable(name).unwrap_or_default();
                    expanded.extend(value.split_ascii_whitespace().map(str::to_owned));
                }
                None => expanded.push(within(word, &variable)),
            }
        }
        expanded
    }
}

fn within(word: &str, variable: &impl Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let named = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        if let Some((name, after)) = named.filter(|(name, _)| is_name(name)) {
            text.push_str(&variable(name).unwrap_or_default());
            rest = after;
        } else {
            text.push('$');
            rest = after.strip_prefix('$').unwrap_or(after);
        }
    }
    text.push_str(rest);
    text.replace("%%", "%")
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Splits at white space, but not within quotes.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = None::<String>;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', _) => match letters.next() {
                Some('n') => word.get_or_insert_default().push('\n'),
                Some('t') => word.get_or_insert_default().push('\t'),
                Some('s') => word.get_or_insert_default().push(' '),
                Some(other) => word.get_or_insert_default().push(other),
                None => return Err(format!("nothing is after the last backslash: {text}")),
            },
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, None) if letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed: {text}"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_variables() {
        let variable = |name: &str| match name {
            "MAINPID" => Some("42".to_owned()),
            "TWO" => Some("a b".to_owned()),
            _ => None,
        };
        for (text, may_fail, expected) in [
            ("/bin/kill -HUP $MAINPID", false, &["/bin/kill", "-HUP", "42"][..]),
            (
                "-/bin/a $TWO x${TWO}y '$$1' \"q ' q\" ''",
                true,
                &["/bin/a", "a", "b", "xa by", "$1", "q ' q", ""],
            ),
            ("+/bin/a $NONE 50%% a\\sb", false, &["/bin/a", "50%", "a b"]),
        ] {
            let line = Line::parse(text).unwrap();
            assert_eq!(line.may_fail, may_fail, "{text}");
            assert_eq!(line.expanded(variable), expected, "{text}");
        }
        for wrong in ["", "-", "/bin/a 'b", "/bin/a \\", "@/bin/a b"] {
            assert!(Line::parse(wrong).is_err(), "{wrong}");
        }
    }
}
