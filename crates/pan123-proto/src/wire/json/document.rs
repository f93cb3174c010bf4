//! A JSON text whose values were found in one strict pass, so that none is looked for again. A text that is not JSON, or is
//! nested too deeply, is left to `serde_json`.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use super::members::{IsSame, Members};
use super::{Field, Json, scan};
use crate::wire::body::{body_text, escape_controls};

/// The deepest nesting that is read; in a body, inside its outermost object.
const MAX_DEPTH: u32 = 64;

/// A value: the start and the end of its key, its own, and how many nodes are inside it, which follow it. Positions count from the
/// start of the value around it; an element has an empty key. Each number is the bytes of a `u32`: bytes can be passed on by a deserializer.
pub(super) type Node = [[u8; 4]; 5];

pub(super) fn bytes_of(nodes: &[Node]) -> &[u8] {
    nodes.as_flattened().as_flattened()
}

pub(super) fn nodes_of(bytes: &[u8]) -> &[Node] {
    bytes.as_chunks().0.as_chunks().0
}

/// A text, which may be no JSON.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    /// The nodes inside it, if it is JSON.
    nodes: Option<NodeList>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str) -> Document<'a> {
        Document {
            text,
            nodes: parse(text.as_bytes()),
        }
    }

    /// Returns the value that the text is.
    pub(crate) fn json(&self) -> Json<'_> {
        Json {
            spelling: self.text,
            inside: self.nodes.as_ref().map(NodeList::as_slice),
        }
    }
}

/// The text of a body, which is parsed when it is read.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    text: Cow<'a, str>,
    /// The text with control characters in strings escaped, if it has any: JSON forbids them there.
    escaped: OnceCell<Option<String>>,
    /// What was found inside the first of its fields that is an object or an array.
    first_nodes: OnceCell<NodeList>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Body<'a> {
        Body::of_text(body_text(body))
    }

    pub(crate) fn of_text(text: impl Into<Cow<'a, str>>) -> Body<'a> {
        Body {
            text: text.into(),
            escaped: OnceCell::new(),
            first_nodes: OnceCell::new(),
        }
    }

    /// Returns the value that the body is.
    pub(crate) fn json(&self) -> Json<'_> {
        let escaped = self.escaped.get_or_init(|| {
            let lowest = self.text.bytes().fold(u8::MAX, u8::min);
            let has_controls = lowest < b' ';
            has_controls.then(|| escape_controls(&self.text))
        });
        Json::spelled(escaped.as_deref().unwrap_or(&self.text))
    }

    /// Sorts the members of an object into fields, also by keys that are only the same as their names.
    pub(crate) fn read<'b>(
        &'b self,
        fields: &mut [Field<'b>],
        is_same: IsSame,
    ) -> Result<(), serde_json::Error> {
        let mut members = Members::new(fields, Some(is_same), Some(&self.first_nodes));
        match members.read_strictly(&self.text) {
            Some(()) => Ok(()),
            None => members.read_leniently(self.json()),
        }
    }
}

/// The values inside a value, with the positions of their keys.
#[derive(Clone, Debug)]
pub(super) struct Nodes<'a> {
    text: &'a str,
    nodes: &'a [Node],
}

impl<'a> Nodes<'a> {
    pub(super) fn new(text: &'a str, nodes: &'a [Node]) -> Nodes<'a> {
        Nodes { text, nodes }
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = (Range<usize>, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (node, rest) = self.nodes.split_first()?;
        let [key_start, key_end, start, end, inside] = numbers(node);
        let (inside, rest) = rest.split_at_checked(inside)?;
        self.nodes = rest;
        let value = Json {
            spelling: self.text.get(start..end)?,
            inside: Some(inside),
        };
        Some((key_start..key_end, value))
    }
}

/// Nodes, a few of which need no memory of their own.
#[derive(Debug)]
pub(super) enum NodeList {
    Few([Node; FEW], usize),
    Many(Vec<Node>),
}

const FEW: usize = 2;

impl NodeList {
    /// `room` is how many there may be.
    #[inline]
    fn push(&mut self, node: Node, room: usize) {
        match self {
            NodeList::Few(nodes, length) if *length < FEW => {
                nodes[*length] = node;
                *length += 1;
            }
            NodeList::Few(..) => self.push_to_many(node, room),
            NodeList::Many(nodes) => nodes.push(node),
        }
    }

    #[cold]
    fn push_to_many(&mut self, node: Node, room: usize) {
        let mut many = Vec::with_capacity(room.max(2 * FEW));
        many.extend(self.as_slice());
        many.push(node);
        *self = NodeList::Many(many);
    }

    fn len(&self) -> usize {
        match self {
            NodeList::Few(_, length) => *length,
            NodeList::Many(nodes) => nodes.len(),
        }
    }

    pub(super) fn as_slice(&self) -> &[Node] {
        match self {
            NodeList::Few(nodes, length) => nodes.get(..*length).unwrap_or_default(),
            NodeList::Many(nodes) => nodes,
        }
    }

    fn set(&mut self, index: usize, node: Node) {
        match self {
            NodeList::Few(nodes, _) => nodes[index] = node,
            NodeList::Many(nodes) => nodes[index] = node,
        }
    }
}

impl Default for NodeList {
    fn default() -> NodeList {
        NodeList::Few(Default::default(), 0)
    }
}

/// Returns the nodes inside a text that is one value and nothing else.
fn parse(text: &[u8]) -> Option<NodeList> {
    let mut nodes = NodeList::default();
    let end = match *text.first()? {
        b'{' | b'[' => Parser::new(text, &mut nodes)?.inside(0),
        first => scan::scalar(text, first, 0),
    }?;
    (end == text.len()).then_some(nodes)
}

/// Finds the values inside objects and arrays.
pub(super) struct Parser<'a> {
    text: &'a [u8],
    nodes: &'a mut NodeList,
    /// For how many nodes there is to be room once they are more than a few.
    room: usize,
    depth: u32,
}

impl<'a> Parser<'a> {
    /// `None` if the text is too long.
    pub(super) fn new(text: &'a [u8], nodes: &'a mut NodeList) -> Option<Parser<'a>> {
        /// About the length of a text for one node, in bytes.
        const TEXT_OF_NODE: usize = 16;
        Some(Parser {
            room: text.len() / TEXT_OF_NODE,
            ..Parser::without_room(text, nodes)?
        })
    }

    /// For nodes that nobody keeps, and of which a text may have many lists: no room is made in advance.
    pub(super) fn without_room(text: &'a [u8], nodes: &'a mut NodeList) -> Option<Parser<'a>> {
        u32::try_from(text.len()).ok()?;
        Some(Parser {
            text,
            nodes,
            room: 0,
            depth: 0,
        })
    }

    /// Finds what is inside an object or an array, and returns the position after it.
    pub(super) fn inside(&mut self, start: usize) -> Option<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let text = self.text;
        let is_object = text.get(start)? == &b'{';
        let end = scan::container(text, start, |mut first, mut at| {
            let mut key = 0..0;
            if is_object {
                let key_end = scan::string(text, first, at)?;
                key = at - start..key_end - start;
                (first, at) = scan::member_value(text, key_end)?;
            }
            let value = [key.start, key.end, at - start];
            if let b'{' | b'[' = first {
                return self.container(value, start, at);
            }
            let end = scan::scalar(text, first, at)?;
            self.nodes.push(node(value, end - start, 0), self.room);
            Some(end)
        })?;
        self.depth -= 1;
        Some(end)
    }

    /// Finds an object or an array inside the one that starts at `around`.
    fn container(&mut self, value: [usize; 3], around: usize, start: usize) -> Option<usize> {
        let own = self.nodes.len();
        self.nodes.push(Node::default(), self.room);
        let end = self.inside(start)?;
        let inside = self.nodes.len() - own - 1;
        self.nodes.set(own, node(value, end - around, inside));
        Some(end)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "no number is larger than the length of the text"
)]
fn node(value: [usize; 3], end: usize, inside: usize) -> Node {
    let [key_start, key_end, start] = value;
    [key_start, key_end, start, end, inside].map(|number| (number as u32).to_le_bytes())
}

fn numbers(node: &Node) -> [usize; 5] {
    node.map(|bytes| u32::from_le_bytes(bytes) as usize)
}

#[cfg(test)]
mod tests;
