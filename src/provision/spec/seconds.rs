//! Durations as the spec writes them: whole seconds, `30s`, `5m`, `1h` or `1d`.

use std::fmt;

use serde::Serialize;

/// A span of whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// Returns the number of seconds.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Reads `30s`, `5m`, `1h`, `1d` or plain seconds; `None` for anything else and for what overflows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, factor) = match text.as_bytes().last()? {
            b's' => (&text[..text.len() - 1], 1),
            b'm' => (&text[..text.len() - 1], 60),
            b'h' => (&text[..text.len() - 1], 3600),
            b'd' => (&text[..text.len() - 1], 86400),
            _ => (text, 1),
        };
        // `u32::from_str` also takes a sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u32>().ok()?.checked_mul(factor).map(Self)
    }
}

/// Writes the largest unit that divides the span: `1h`, `90s`, `0s`.
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            n if n % 86400 == 0 => write!(f, "{}d", n / 86400),
            n if n % 3600 == 0 => write!(f, "{}h", n / 3600),
            n if n % 60 == 0 => write!(f, "{}m", n / 60),
            n => write!(f, "{n}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_plain_seconds_are_read() {
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172_800), ("45", 45)] {
            assert_eq!(Seconds::parse(text), Some(Seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "+5", "-5", "1.5h", "5 m", "1h30m", "500ms", "4294967296", "71582789m", "5é"] {
            assert_eq!(Seconds::parse(text), None, "{text}");
        }
    }

    #[test]
    fn display_reads_back() {
        for seconds in [0, 1, 59, 60, 90, 3600, 5400, 86400] {
            assert_eq!(Seconds::parse(&Seconds(seconds).to_string()), Some(Seconds(seconds)));
        }
    }
}
