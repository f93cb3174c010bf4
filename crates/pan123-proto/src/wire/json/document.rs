//! A JSON text whose values were found in one strict pass, so that none is looked for again. What is read here, `serde_json` reads in the
//! same way; a text that is not JSON, or is nested too deeply, is left to it.

use std::borrow::Cow;
use std::ops::Range;

use super::Json;
use crate::wire::body::{body_text, escape_controls};

/// The deepest nesting that is read.
const MAX_DEPTH: u32 = 64;
/// About the length of a text for one node, in bytes.
const TEXT_OF_NODE: usize = 16;

/// A value: the start and the end of its key, its own, and how many nodes are inside it, which stand behind it. Positions count from the
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
    text: Cow<'a, str>,
    nodes: Option<Vec<Node>>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: impl Into<Cow<'a, str>>) -> Document<'a> {
        let text = text.into();
        let nodes = Parser::parse(text.as_bytes());
        Document { text, nodes }
    }

    /// The text of a body, with control characters in strings escaped, which JSON forbids there.
    pub(crate) fn of_body(body: &'a [u8]) -> Document<'a> {
        let document = Document::new(body_text(body));
        match document.nodes {
            None if document.text.bytes().any(|byte| byte < b' ') => {
                Document::new(escape_controls(&document.text))
            }
            _ => document,
        }
    }

    /// Returns the value that the text is.
    pub(crate) fn json(&self) -> Json<'_> {
        let mut nodes = Nodes::new(&self.text, self.nodes.as_deref().unwrap_or_default());
        let root = nodes.next().map(|(_, json)| json);
        root.unwrap_or(Json::spelled(&self.text))
    }
}

/// The values inside of a value, with their keys, as those are spelled.
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
    type Item = (&'a str, Json<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (node, behind) = self.nodes.split_first()?;
        let [key_start, key_end, start, end, inside] = numbers(node);
        let (inside, behind) = behind.split_at_checked(inside)?;
        self.nodes = behind;
        let value = Json {
            spelling: self.text.get(start..end)?,
            inside: Some(inside),
        };
        Some((self.text.get(key_start..key_end)?, value))
    }
}

fn numbers(node: &Node) -> [usize; 5] {
    node.map(|bytes| u32::from_le_bytes(bytes) as usize)
}

/// Whether a byte stands for itself in a string.
const IS_PLAIN: [bool; 256] = {
    let mut is_plain = [true; 256];
    let mut control = 0;
    while control < b' ' as usize {
        is_plain[control] = false;
        control += 1;
    }
    is_plain[b'"' as usize] = false;
    is_plain[b'\\' as usize] = false;
    is_plain
};

/// Its functions take the position of something, and return the position behind it; `None` if it is not there.
struct Parser<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
    depth: u32,
}

impl Parser<'_> {
    /// Returns the nodes of a text that is one value and nothing else.
    fn parse(text: &[u8]) -> Option<Vec<Node>> {
        u32::try_from(text.len()).ok()?;
        let mut parser = Parser {
            text,
            nodes: Vec::with_capacity(text.len() / TEXT_OF_NODE + 1),
            depth: 0,
        };
        let end = parser.value(0, 0, 0..0)?;
        (end == text.len()).then_some(parser.nodes)
    }

    /// `around` is the start of the value around this one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no number is larger than the length of the text"
    )]
    fn value(&mut self, start: usize, around: usize, key: Range<usize>) -> Option<usize> {
        let own = self.nodes.len();
        self.nodes.push(Node::default());
        let end = match self.text.get(start)? {
            b'{' | b'[' => self.container(start),
            b'"' => self.string(start),
            b't' => self.word(start, "true"),
            b'f' => self.word(start, "false"),
            b'n' => self.word(start, "null"),
            _ => self.number(start),
        }?;
        let inside = self.nodes.len() - own - 1;
        let numbers = [key.start, key.end, start - around, end - around, inside];
        self.nodes[own] = numbers.map(|number| number as u32).map(u32::to_le_bytes);
        Some(end)
    }

    /// An object or an array.
    fn container(&mut self, start: usize) -> Option<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let is_object = self.text[start] == b'{';
        let close = if is_object { b'}' } else { b']' };
        let mut at = self.space(start + 1);
        let mut item = self.byte(at, close).is_none().then_some(at);
        while let Some(item_start) = item {
            let (key, value) = if is_object {
                self.key(item_start, start)?
            } else {
                (0..0, item_start)
            };
            at = self.value(value, start, key)?;
            at = self.space(at);
            item = self.byte(at, b',').map(|next| self.space(next));
        }
        self.depth -= 1;
        self.byte(at, close)
    }

    /// Where the key of a member is, and where its value starts.
    fn key(&self, start: usize, around: usize) -> Option<(Range<usize>, usize)> {
        let end = self.string(start)?;
        let colon = self.byte(self.space(end), b':')?;
        Some((start - around..end - around, self.space(colon)))
    }

    fn string(&self, start: usize) -> Option<usize> {
        let mut at = self.byte(start, b'"')?;
        loop {
            while IS_PLAIN[usize::from(*self.text.get(at)?)] {
                at += 1;
            }
            match self.text[at] {
                b'"' => return Some(at + 1),
                b'\\' => at = self.escape(at + 1)?,
                _ => return None,
            }
        }
    }

    fn escape(&self, at: usize) -> Option<usize> {
        match self.text.get(at)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
            b'u' => {
                let digits = self.text.get(at + 1..at + 5)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
            }
            _ => None,
        }
    }

    fn number(&self, start: usize) -> Option<usize> {
        let first = self.byte(start, b'-').unwrap_or(start);
        let mut at = match self.byte(first, b'0') {
            Some(end) => end,
            None => self.digits(first)?,
        };
        if let Some(fraction) = self.byte(at, b'.') {
            at = self.digits(fraction)?;
        }
        if let Some(b'e' | b'E') = self.text.get(at) {
            let sign = self.text.get(at + 1);
            at = self.digits(at + 1 + usize::from(matches!(sign, Some(b'+' | b'-'))))?;
        }
        Some(at)
    }

    fn digits(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(b'0'..=b'9') = self.text.get(at) {
            at += 1;
        }
        (at > start).then_some(at)
    }

    fn word(&self, start: usize, word: &str) -> Option<usize> {
        let end = start + word.len();
        (self.text.get(start..end)? == word.as_bytes()).then_some(end)
    }

    fn byte(&self, at: usize, byte: u8) -> Option<usize> {
        (*self.text.get(at)? == byte).then_some(at + 1)
    }

    fn space(&self, start: usize) -> usize {
        let mut at = start;
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(at) {
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests;
