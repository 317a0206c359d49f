//! Header fields: names, values and the questions asked of all of them.

use super::{HeadError, MAX_FIELDS};

/// One field of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name as it was sent.
    pub name: &'a [u8],
    /// The value without the white space around it.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Whether this field has that name, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a head, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields<'a>(Vec<Field<'a>>);

impl<'a> Fields<'a> {
    /// Parses the lines of a head after its first, each ended by CRLF, the empty last one included or not.
    pub(super) fn parse(mut lines: &'a [u8]) -> Result<Self, HeadError> {
        let mut fields = Vec::with_capacity(16);
        while !lines.is_empty() && lines != b"\r\n" {
            let end = memchr::memchr(b'\n', lines).ok_or(HeadError::Malformed("a line without end"))?;
            let (line, rest) = lines.split_at(end + 1);
            let line = line.strip_suffix(b"\r\n").ok_or(HeadError::Malformed("a bare line feed"))?;
            if fields.len() == MAX_FIELDS {
                return Err(HeadError::TooLarge);
            }
            fields.push(field(line)?);
            lines = rest;
        }
        Ok(Self(fields))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> + '_ {
        self.0.iter()
    }

    /// The values of every field of that name.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.0.iter().filter(move |field| field.is(name)).map(|field| field.value)
    }

    /// The value of the only field of that name; `Err` when there are several.
    pub fn only(&self, name: &str) -> Result<Option<&'a [u8]>, HeadError> {
        let mut all = self.0.iter().filter(|field| field.is(name));
        let first = all.next().map(|field| field.value);
        if all.next().is_some() {
            return Err(HeadError::Malformed("a field that may stand once stands twice"));
        }
        Ok(first)
    }

    /// Whether a comma-separated list field holds that member, in any case.
    #[must_use]
    pub fn lists(&self, name: &str, member: &str) -> bool {
        self.members(name).any(|one| one.eq_ignore_ascii_case(member.as_bytes()))
    }

    /// The members of a comma-separated list field.
    pub fn members<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        self.all(name).flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    }
}

pub(super) fn field(line: &[u8]) -> Result<Field<'_>, HeadError> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HeadError::Malformed("a folded field"));
    }
    let colon = memchr::memchr(b':', line).ok_or(HeadError::Malformed("a field without colon"))?;
    let (name, value) = line.split_at(colon);
    if !is_token(name) {
        return Err(HeadError::Malformed("a field name that is not a token"));
    }
    let value = value.get(1..).unwrap_or_default();
    // All of them looked at, as the processor does that with many at once.
    if !value.iter().fold(true, |clean, byte| clean & is_value_byte(*byte)) {
        return Err(HeadError::Malformed("a control character in a field"));
    }
    Ok(Field { name, value: trim(value) })
}

/// Optional white space is space and tab only; `trim_ascii` would take more.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Whether the bytes are a token (RFC 9110, section 5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    const TOKEN: [bool; 256] = token_table();
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN.get(usize::from(*byte)).copied().unwrap_or(false))
}

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let specials = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < specials.len() {
        table[specials[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            table[byte as usize] = true;
        }
        byte += 1;
    }
    table
}
