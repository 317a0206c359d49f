//! The shape of a spec as data: which fields a section has, and what each may hold.
//!
//! Each section says its fields once, in a table of [`Field`]s. What reads the YAML, the JSON Schema and the
//! reference in `docs/spec.md` all go by those tables, so they cannot disagree.

use super::problem::Refusal;

/// A mapping with known fields.
pub(super) struct Object {
    /// What a message calls it, and its name in the JSON Schema: `listener`.
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
    pub(super) need: Need,
}

/// A mapping whose fields depend on the word in one of them, its tag.
pub(super) struct Variants {
    /// What its name in the JSON Schema begins with.
    pub(super) name: &'static str,
    /// The field that decides.
    pub(super) tag: &'static str,
    /// The words that people write there.
    pub(super) words: &'static Choice,
    /// What a spec without the tag is told.
    pub(super) hint: &'static str,
    /// One for each of the words, in their order.
    pub(super) objects: &'static [&'static Object],
}

impl Variants {
    /// Yields the words, each with its object.
    pub(super) fn cases(&self) -> impl Iterator<Item = (&'static str, &'static Object)> {
        self.words.values.iter().copied().zip(self.objects.iter().copied())
    }
}

/// Which of an object's fields must be given, besides those that are required on their own. The text is the hint
/// for those that miss it.
#[derive(Clone, Copy)]
pub(super) enum Need {
    Nothing,
    ExactlyOne(&'static [&'static str], &'static str),
    AtLeastOne(&'static [&'static str], &'static str),
}

/// A field of an [`Object`].
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// The default as the reference prints it; empty when there is none.
    pub(super) default: &'static str,
    /// One sentence for the reference and the JSON Schema.
    pub(super) doc: &'static str,
}

impl Field {
    /// An optional field.
    pub(super) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, required: false, default: "", doc }
    }

    pub(super) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    pub(super) const fn default(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
}

/// What a value may be.
pub(super) enum Kind {
    Boolean,
    Integer {
        min: u64,
        max: u64,
    },
    /// `30s`, `5m`, `1h`, `1d` or plain seconds.
    Duration {
        min: u32,
        max: u32,
    },
    Text(&'static Text),
    Choice(&'static Choice),
    List {
        of: &'static Kind,
        min: usize,
        max: usize,
    },
    /// Free keys, such as tags.
    Map {
        key: &'static Text,
        value: &'static Kind,
        min: usize,
        max: usize,
    },
    Object(&'static Object),
    Variants(&'static Variants),
    /// One of several forms, told apart by what is written: the first whose kind it is.
    OneOf {
        what: &'static str,
        forms: &'static [Kind],
    },
    /// A field that exists, but not here.
    Elsewhere(&'static str),
}

/// Text with a grammar.
pub(super) struct Text {
    /// What a message calls it: `a VPC id`.
    pub(super) what: &'static str,
    /// The regular expression of the JSON Schema, at least as wide as `check`.
    pub(super) pattern: &'static str,
    pub(super) check: fn(&str) -> Result<(), Refusal>,
}

/// One of a few words.
pub(super) struct Choice {
    pub(super) values: &'static [&'static str],
    /// Words that people try, and what to say to them.
    pub(super) hints: &'static [(&'static str, &'static str)],
}
