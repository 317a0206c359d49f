//! What `shape` found sound, and how the sections take it.

use std::collections::BTreeMap;

use super::problem::{Place, Problems, Refusal};
use super::seconds::Seconds;

/// A value with its path and place.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value of the kind that the field's table asks for.
#[derive(Debug)]
pub(super) enum Value {
    Boolean(bool),
    Integer(u64),
    Seconds(Seconds),
    Text(String),
    List(Vec<Item>),
    /// The known fields of an object, or the entries of a map, in the order of the text.
    Map(Vec<(String, Item)>),
    /// What did not fit; the problem is reported already.
    Invalid,
}

/// The value was not sound, and that is reported already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invalid;

/// What reading a field gives. An `Err` needs no further report.
pub(super) type Read<T> = Result<T, Invalid>;

impl Item {
    /// Stands in for a section that is not given and has a default for everything. Problems with its defaults
    /// are this item's, which they come from.
    pub(super) fn defaults_from(&self) -> Self {
        Self { path: self.path.clone(), place: self.place, value: Value::Map(Vec::new()) }
    }

    /// Returns the field `name`, if it is given.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(items) => items.iter().find(|(key, _)| key == name).map(|(_, item)| item),
            Value::Boolean(_)
            | Value::Integer(_)
            | Value::Seconds(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Invalid => None,
        }
    }

    /// Returns the field `name` or, where it is not given, this item: where a problem with it is reported.
    pub(super) fn at(&self, name: &str) -> &Self {
        self.get(name).unwrap_or(self)
    }

    pub(super) fn report(&self, problems: &mut Problems, refusal: Refusal) {
        problems.add(self.place, &self.path, refusal);
    }

    pub(super) fn as_text(&self) -> Read<&str> {
        if let Value::Text(text) = &self.value { Ok(text) } else { Err(Invalid) }
    }

    pub(super) fn as_boolean(&self) -> Read<bool> {
        if let Value::Boolean(value) = self.value { Ok(value) } else { Err(Invalid) }
    }

    pub(super) fn as_seconds(&self) -> Read<Seconds> {
        if let Value::Seconds(value) = self.value { Ok(value) } else { Err(Invalid) }
    }

    /// Takes an integer; the table's range is what makes it fit.
    pub(super) fn as_number<T: TryFrom<u64>>(&self) -> Read<T> {
        if let Value::Integer(value) = self.value {
            T::try_from(value).map_err(|_| Invalid)
        } else {
            Err(Invalid)
        }
    }

    pub(super) fn as_list(&self) -> Read<&[Self]> {
        if let Value::List(items) = &self.value { Ok(items) } else { Err(Invalid) }
    }

    pub(super) fn as_map(&self) -> Read<&[(String, Self)]> {
        if let Value::Map(items) = &self.value { Ok(items) } else { Err(Invalid) }
    }

    pub(super) fn text(&self, name: &str) -> Read<Option<&str>> {
        self.get(name).map(Self::as_text).transpose()
    }

    pub(super) fn boolean(&self, name: &str, default: bool) -> Read<bool> {
        self.get(name).map_or(Ok(default), Self::as_boolean)
    }

    pub(super) fn seconds(&self, name: &str, default: Seconds) -> Read<Seconds> {
        self.get(name).map_or(Ok(default), Self::as_seconds)
    }

    pub(super) fn number<T: TryFrom<u64>>(&self, name: &str) -> Read<Option<T>> {
        self.get(name).map(Self::as_number).transpose()
    }

    /// Takes a map of text, empty where it is not given.
    pub(super) fn tags(&self, name: &str) -> Read<BTreeMap<String, String>> {
        let Some(item) = self.get(name) else { return Ok(BTreeMap::new()) };
        item.as_map()?.iter().map(|(key, value)| Ok((key.clone(), value.as_text()?.to_owned()))).collect()
    }

    /// Takes a list of text without duplicates, which are reported.
    pub(super) fn texts(&self, name: &str, problems: &mut Problems) -> Read<Vec<String>> {
        let Some(item) = self.get(name) else { return Ok(Vec::new()) };
        let mut texts: Vec<String> = Vec::new();
        let mut sound = Ok(());
        for (at, item) in item.as_list()?.iter().enumerate() {
            let Ok(text) = item.as_text() else {
                sound = Err(Invalid);
                continue;
            };
            if let Some(first) = texts.iter().position(|other| other == text) {
                let refusal = Refusal::new(format!("{text} is given twice, first as {name}[{first}]"));
                item.report(problems, refusal.hint(format!("remove {name}[{at}]")));
            }
            texts.push(text.to_owned());
        }
        sound.map(|()| texts)
    }
}
