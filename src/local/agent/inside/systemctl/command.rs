//! A command line of `systemctl` or `journalctl`, taken apart. Pure.

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) words: Vec<String>,
    pub(super) quiet: bool,
    pub(super) value: bool,
    pub(super) now: bool,
    pub(super) properties: Vec<String>,
    pub(super) units: Vec<String>,
    pub(super) lines: Option<usize>,
}

impl Command {
    pub(super) fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut command = Self::default();
        while let Some(word) = words.next() {
            let (name, given) = match word.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
                _ => (word, None),
            };
            let mut value = || {
                given
                    .clone()
                    .or_else(|| words.next().map(str::to_owned))
                    .ok_or(format!("{name} needs a value"))
            };
            match name {
                "--quiet" | "-q" => command.quiet = true,
                "--value" => command.value = true,
                "--now" => command.now = true,
                "--no-pager" | "--full" | "-l" | "--system" | "--all" | "-a" | "--plain" | "--no-legend" => {}
                "--property" | "-p" => command.properties.extend(value()?.split(',').map(str::to_owned)),
                "--unit" | "-u" => command.units.push(value()?),
                "--lines" | "-n" => {
                    let text = value()?;
                    command.lines = match text.as_str() {
                        "all" => None,
                        number => Some(number.parse().map_err(|_| format!("{text} is no number of lines"))?),
                    };
                }
                option if option.starts_with('-') => {
                    return Err(format!("this stand-in has no option {option}"));
                }
                word => command.words.push(word.to_owned()),
            }
        }
        Ok(command)
    }
}

/// The name of a service without `.service`.
pub(super) fn plain(name: &str) -> Result<&str, String> {
    let plain = name.strip_suffix(".service").unwrap_or(name);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte);
    if plain.is_empty() || plain.starts_with(['.', '-']) || !plain.bytes().all(known) {
        return Err(format!("Unit name {name} is not valid."));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_taken_apart() {
        let parse = |line: &str| Command::parse(line.split(' '));
        let command = parse("show --property=MainPID,Result --value elbws-proxy").unwrap();
        assert_eq!(command.words, ["show", "elbws-proxy"]);
        assert_eq!(
            (command.properties, command.value),
            (vec!["MainPID".to_owned(), "Result".to_owned()], true)
        );
        let command = parse("--unit elbws-proxy --lines 20 --no-pager").unwrap();
        assert_eq!((command.units, command.lines), (vec!["elbws-proxy".to_owned()], Some(20)));
        let command = parse("is-active --quiet a.service").unwrap();
        assert!(command.quiet);
        assert_eq!(plain("a.service").unwrap(), "a");
        for wrong in ["--frobnicate", "-n", "-n many"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", ".service", "../a", "a/b", "-a"] {
            assert!(plain(wrong).is_err(), "{wrong}");
        }
    }
}
