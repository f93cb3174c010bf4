//! A JSON text whose values were found in one strict pass, so that none is looked for again. What is read here, `serde_json` reads in the
//! same way; a text that is not JSON, or is nested too deeply, is left to it.

use std::borrow::Cow;

use super::Json;
use crate::wire::body::{body_text, escape_controls};

/// The deepest nesting that is read.
const MAX_DEPTH: u32 = 64;
/// About the length of a text for one node, in bytes.
const TEXT_OF_NODE: usize = 8;

/// A key or a value: its start and its end, from the start of the value around it, and how many nodes are inside it, which stand behind
/// it. Each is the bytes of a `u32`: bytes can be passed on by a deserializer.
pub(super) type Node = [[u8; 4]; 3];

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
        nodes.next().unwrap_or(Json::spelled(&self.text))
    }
}

/// The values inside of a value: elements, or keys and values in turn.
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
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let (node, behind) = self.nodes.split_first()?;
        let [start, end, inside] = numbers(node);
        let (inside, behind) = behind.split_at_checked(inside)?;
        self.nodes = behind;
        Some(Json {
            spelling: self.text.get(start..end)?,
            inside: Some(inside),
        })
    }
}

fn numbers(node: &Node) -> [usize; 3] {
    node.map(|bytes| u32::from_le_bytes(bytes) as usize)
}

fn node(numbers: [usize; 3]) -> Option<Node> {
    let bytes = |number| u32::try_from(number).ok().map(u32::to_le_bytes);
    let [start, end, inside] = numbers.map(bytes);
    Some([start?, end?, inside?])
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
        let mut parser = Parser {
            text,
            nodes: Vec::with_capacity(text.len() / TEXT_OF_NODE + 1),
            depth: 0,
        };
        let end = parser.value(0, 0)?;
        (end == text.len()).then_some(parser.nodes)
    }

    /// `around` is the start of the value around this one.
    fn value(&mut self, start: usize, around: usize) -> Option<usize> {
        let end = match self.text.get(start)? {
            b'{' | b'[' => return self.container(start, around),
            b'"' => self.string(start),
            b't' => self.word(start, "true"),
            b'f' => self.word(start, "false"),
            b'n' => self.word(start, "null"),
            _ => self.number(start),
        }?;
        self.push([start - around, end - around, 0])?;
        Some(end)
    }

    /// An object or an array.
    fn container(&mut self, start: usize, around: usize) -> Option<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let own = self.nodes.len();
        self.push([0; 3])?;
        let is_object = self.text[start] == b'{';
        let close = if is_object { b'}' } else { b']' };
        let mut at = self.space(start + 1);
        let mut item = self.byte(at, close).is_none().then_some(at);
        while let Some(start_of_item) = item {
            let value = if is_object {
                self.key(start_of_item, start)?
            } else {
                start_of_item
            };
            at = self.value(value, start)?;
            at = self.space(at);
            item = self.byte(at, b',').map(|next| self.space(next));
        }
        let end = self.byte(at, close)?;
        self.depth -= 1;
        let inside = self.nodes.len() - own - 1;
        self.nodes[own] = node([start - around, end - around, inside])?;
        Some(end)
    }

    /// The key of a member, up to its value.
    fn key(&mut self, start: usize, around: usize) -> Option<usize> {
        let end = self.string(start)?;
        self.push([start - around, end - around, 0])?;
        let colon = self.byte(self.space(end), b':')?;
        Some(self.space(colon))
    }

    fn push(&mut self, numbers: [usize; 3]) -> Option<()> {
        self.nodes.push(node(numbers)?);
        Some(())
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
