//! Reads the objects of the service. Each value is taken as a text and read on its own, so that an unreadable one loses only itself.

mod deserializer;
mod document;
mod field;
mod members;
mod scan;
mod value;

use std::borrow::Cow;

use serde_json::value::RawValue;

pub(crate) use document::{Body, Document};
use document::{Node, Nodes};
pub(crate) use field::{Field, Unreadable};
use members::Members;
pub(crate) use value::{deserialize, deserialize_object};

/// The spellings of a key.
pub(crate) type Names = &'static [&'static str];

/// A JSON value as it is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a> {
    spelling: &'a str,
    /// The nodes inside it, if it is known to be JSON.
    inside: Option<&'a [Node]>,
}

impl<'a> Json<'a> {
    pub(crate) const NULL: Json<'static> = Json::spelled("null");

    pub(super) const fn spelled(spelling: &'a str) -> Json<'a> {
        Json {
            spelling,
            inside: None,
        }
    }

    /// Returns the value as it is spelled.
    pub(crate) fn spelling(self) -> &'a str {
        self.spelling
    }

    /// Takes these keys out of an object.
    pub(crate) fn fields<const N: usize>(
        self,
        names: [Names; N],
    ) -> Result<[Field<'a>; N], Unreadable> {
        let mut fields = names.map(Field::empty);
        let members = Members::new(&mut fields, None, None);
        members.read(self).map_err(|_| Unreadable::NOT_AN_OBJECT)?;
        Ok(fields)
    }

    pub(crate) fn is_null(self) -> bool {
        self.spelling == "null"
    }

    /// Returns the elements of an array; `None` for anything else.
    pub(crate) fn elements(self) -> Option<Vec<Json<'a>>> {
        if let Some(nodes) = self.nodes(b'[') {
            let mut elements = Vec::with_capacity(nodes.clone().count());
            elements.extend(nodes.map(|(_, element)| element));
            return Some(elements);
        }
        let elements: Vec<&RawValue> = serde_json::from_str(self.spelling).ok()?;
        let elements = elements.into_iter().map(RawValue::get);
        Some(elements.map(Json::spelled).collect())
    }

    /// The nodes inside it, if they are known, and it starts like this.
    fn nodes(self, first: u8) -> Option<Nodes<'a>> {
        let starts_so = self.spelling.as_bytes().first() == Some(&first);
        let inside = self.inside.filter(|_| starts_so)?;
        Some(Nodes::new(self.spelling, inside))
    }
}

/// Finds the values that stand under a key anywhere in a text, which need not be JSON. Of objects and arrays it finds nothing.
pub(crate) fn find_values(text: &str, names: Names) -> impl Iterator<Item = Json<'_>> {
    let quotes = text.match_indices('"');
    quotes.filter_map(move |(at, quote)| {
        let key = &text[at + quote.len()..];
        let after_key = |name: &&str| key.strip_prefix(*name)?.strip_prefix('"');
        let value = names.iter().find_map(after_key)?.trim_start();
        scalar(value.strip_prefix(':')?.trim_start())
    })
}

/// Returns the short string, number or word that a text starts with, if its end is there.
fn scalar(text: &str) -> Option<Json<'_>> {
    /// The most bytes of it.
    const MAX_SCALAR: usize = 40;
    let is_end = |byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t'..=b'\r');
    let mut bytes = text.bytes().take(MAX_SCALAR);
    let length = if text.starts_with('"') {
        bytes.skip(1).position(|byte| byte == b'"')? + 2
    } else {
        bytes.position(is_end)?
    };
    Some(Json::spelled(&text[..length]))
}

fn unquoted(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// Decodes a JSON string; `None` for anything else, and for half a surrogate pair in it.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = unquoted(text)?;
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}
