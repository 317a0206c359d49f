//! XML that clients of REST services send: elements by name, text, and no more. Namespaces and attributes are
//! not looked at.

use quick_xml::Reader;
use quick_xml::events::Event;

/// No request of a service that is served is nested deeper.
const DEEPEST: usize = 16;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    name: String,
    text: String,
    children: Vec<Node>,
}

/// What is sent is no XML document.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a well-formed XML document")]
pub(crate) struct Malformed;

impl Node {
    /// The root of a document.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body).map_err(|_| Malformed)?;
        let mut reader = Reader::from_str(text);
        // The innermost element that is open comes last; what is around the root is the first.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().map_err(|_| Malformed)? {
                Event::Start(start) => {
                    if open.len() > DEEPEST {
                        return Err(Malformed);
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) => close(&mut open, Self::named(start.local_name().as_ref()))?,
                Event::End(_) => {
                    let node = open.pop().ok_or(Malformed)?;
                    close(&mut open, node)?;
                }
                Event::Text(part) => add(&mut open, &part.xml10_content())?,
                Event::CData(part) => add(&mut open, &part.xml10_content())?,
                Event::GeneralRef(reference) => {
                    if let Some(character) = reference.resolve_char_ref().map_err(|_| Malformed)? {
                        add(&mut open, character.encode_utf8(&mut [0; 4]))?;
                    } else {
                        let name = reference.xml10_content();
                        let known = quick_xml::escape::resolve_predefined_entity(&name);
                        add(&mut open, known.ok_or(Malformed)?)?;
                    }
                }
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Comment(_) => {}
            }
        }
        let [around] = open.as_mut_slice() else { return Err(Malformed) };
        around.children.pop().filter(|_| around.children.is_empty()).ok_or(Malformed)
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The elements of the list `name`, each of which is an `item`.
    pub(crate) fn list<'a>(&'a self, name: &str, item: &'a str) -> impl Iterator<Item = &'a Self> {
        let children = self.child(name).map_or(&[][..], |list| &list.children);
        children.iter().filter(move |child| child.name == item)
    }

    /// Its own text.
    pub(crate) fn content(&self) -> &str {
        &self.text
    }
}

fn close(open: &mut [Node], node: Node) -> Result<(), Malformed> {
    open.last_mut().ok_or(Malformed)?.children.push(node);
    Ok(())
}

fn add(open: &mut [Node], text: &str) -> Result<(), Malformed> {
    open.last_mut().ok_or(Malformed)?.text.push_str(text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_found_by_name() {
        let root = Node::parse(
            b"<?xml version=\"1.0\"?><A xmlns=\"urn:x\"><N>a&amp;b&#33;</N><L><I>1</I><X/><I>2</I></L></A>",
        )
        .unwrap();
        assert_eq!(root.text("N"), Some("a&b!"));
        let items: Vec<&str> = root.list("L", "I").map(Node::content).collect();
        assert_eq!(items, ["1", "2"]);
        assert_eq!(root.text("none"), None);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for body in ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a>&x;</a>", &deep] {
            assert_eq!(Node::parse(body.as_bytes()), Err(Malformed), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in any::<Vec<u8>>()) {
            let _ = Node::parse(&body);
        }
    }
}
