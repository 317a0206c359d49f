//! YAML text to a small tree that knows where everything stands.
//!
//! Owns syntax and size limits; what the fields mean is `shape`'s. Aliases are expanded within a bound, since a
//! few hundred bytes of nested aliases can otherwise stand for gigabytes.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::problem::{Place, Refusal};

/// The longest text that is read, in bytes; the largest sensible spec is a hundredth of it.
const MAX_BYTES: usize = 1 << 20;
/// The most nodes a document may have once its aliases are expanded.
const MAX_NODES: usize = 20_000;
/// The deepest nesting; a spec needs six levels.
const MAX_DEPTH: usize = 32;

/// A value and the place it begins at.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// What stands there.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Nothing, `~` or `null`.
    Null,
    /// A scalar; `plain` when it carries no quotes, so that it may be a number or a boolean.
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
    /// Something that YAML allows and a spec does not.
    Refused {
        reason: &'static str,
        hint: &'static str,
    },
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) value: Node,
}

/// Reads the one document of `text`.
pub(super) fn read(text: &str) -> Result<Node, (Place, Refusal)> {
    if text.len() > MAX_BYTES {
        let refusal =
            Refusal::new(format!("the text has {} bytes, at most {MAX_BYTES} are read", text.len()));
        return Err((Place::START, refusal));
    }
    // The parser takes a byte order mark for a character of the first key.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
    let document = loop {
        match reader.next()? {
            (Event::StreamEnd, _) => {
                return Err((
                    Place::START,
                    Refusal::new("the spec is empty").hint("`elbws init` writes one to start from"),
                ));
            }
            (Event::DocumentStart(_), _) => {
                let (event, span) = reader.next()?;
                break reader.node(event, span, 0)?;
            }
            _ => {}
        }
    };
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Ok(document),
            (Event::DocumentStart(_), span) => {
                let refusal = Refusal::new("a second document begins here")
                    .hint("keep one stack in each file, without `---` between them");
                return Err((place(span), refusal));
            }
            _ => {}
        }
    }
}

struct Reader<'input> {
    parser: Parser<'input, StrInput<'input>>,
    /// Finished anchors with the number of nodes under them.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl<'input> Reader<'input> {
    fn next(&mut self) -> Result<(Event<'input>, Span), (Place, Refusal)> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let marker = error.marker();
                let place = Place { line: marker.line().max(1), column: marker.col() + 1 };
                Err((place, Refusal::new(format!("this is not YAML: {}", error.info()))))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'input>, span: Span, depth: usize) -> Result<Node, (Place, Refusal)> {
        let place = place(span);
        let before = self.nodes;
        self.count(1, place)?;
        if depth > MAX_DEPTH {
            return Err((place, Refusal::new(format!("this is nested deeper than {MAX_DEPTH} levels"))));
        }
        let (content, anchor, tagged) = match event {
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err((place, Refusal::new("this alias refers to what contains it")));
                };
                self.count(size, place)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let content = if plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") {
                    Content::Null
                } else {
                    Content::Scalar { text: text.into_owned(), plain }
                };
                (content, anchor, tag.is_some())
            }
            Event::SequenceStart(anchor, tag) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (Content::Sequence(items), anchor, tag.is_some())
            }
            Event::MappingStart(anchor, tag) => (self.mapping(depth)?, anchor, tag.is_some()),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err((place, Refusal::new("this is not YAML: a value is missing"))),
        };
        let content = if tagged {
            Content::Refused {
                reason: "YAML tags such as !Ref or !!str have no meaning here",
                hint: "remove the tag; quote the value if it must be text",
            }
        } else {
            content
        };
        let node = Node { place, content };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, (Place, Refusal)> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Mapping(entries));
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let mut value = self.node(event, span, depth + 1)?;
            // An empty value has no text; what points at it points at its key.
            if matches!(value.content, Content::Null) && span.is_empty() {
                value.place = key.place;
            }
            entries.push(Entry { key, value });
        }
    }

    fn count(&mut self, nodes: usize, place: Place) -> Result<(), (Place, Refusal)> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let refusal =
                Refusal::new(format!("with its aliases expanded the spec has more than {MAX_NODES} values"));
            return Err((place, refusal));
        }
        Ok(())
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line().max(1), column: span.start.col() + 1 }
}
