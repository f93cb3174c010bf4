//! Reads the members of an object.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::document::{Node, NodeList, Nodes, Parser};
use super::{Field, Json, scan, string, unquoted};

/// Whether a key that differs from a name counts as that name.
pub(super) type IsSame = fn(name: &str, key: &str) -> bool;

/// Sorts the members of an object into fields.
pub(super) struct Members<'f, 'a> {
    fields: &'f mut [Field<'a>],
    is_same: Option<IsSame>,
    /// Takes what is inside the first field that is an object or an array.
    first_nodes: Option<&'a OnceCell<NodeList>>,
    /// The field of the next member, if the members come in the order of the fields.
    likely: usize,
}

impl<'f, 'a> Members<'f, 'a> {
    pub(super) fn new(
        fields: &'f mut [Field<'a>],
        is_same: Option<IsSame>,
        first_nodes: Option<&'a OnceCell<NodeList>>,
    ) -> Members<'f, 'a> {
        Members {
            fields,
            is_same,
            first_nodes,
            likely: 0,
        }
    }

    pub(super) fn read(mut self, object: Json<'a>) -> Result<(), serde_json::Error> {
        if let Some(nodes) = object.nodes(b'{') {
            self.read_nodes(object.spelling, nodes);
            return Ok(());
        }
        match self.read_strictly(object.spelling) {
            Some(()) => Ok(()),
            None => self.read_leniently(object),
        }
    }

    fn read_nodes(&mut self, object: &'a str, nodes: Nodes<'a>) {
        for (key, value) in nodes {
            let inner = key.start.saturating_add(1)..key.end.saturating_sub(1);
            let inner = object.as_bytes().get(inner);
            let index = if inner.is_some() && inner == self.likely_name() {
                Some(self.likely)
            } else {
                object.get(key).and_then(|key| self.find(key))
            };
            self.push(index, value);
        }
    }

    /// Leaves the object to `serde_json`.
    pub(super) fn read_leniently(mut self, object: Json<'a>) -> Result<(), serde_json::Error> {
        for field in &mut *self.fields {
            field.clear();
        }
        let RawMembers(members) = serde_json::from_str(object.spelling)?;
        for (key, value) in members {
            self.push(self.find(key.get()), Json::spelled(value.get()));
        }
        Ok(())
    }

    /// Reads an object while it is parsed; `None` if that cannot be done.
    pub(super) fn read_strictly(&mut self, object: &'a str) -> Option<()> {
        let text = object.as_bytes();
        if text.first() != Some(&b'{') {
            return None;
        }
        let end = scan::container(text, 0, |first, start| {
            let likely = self.likely_key(text, start);
            let (index, key_end) = if let Some(key_end) = likely {
                (Some(self.likely), key_end)
            } else {
                let key_end = scan::string(text, first, start)?;
                (self.find(object.get(start..key_end)?), key_end)
            };
            let (first, start) = scan::member_value(text, key_end)?;
            let (end, inside) = match first {
                b'{' | b'[' => self.container(text, start, index.is_some())?,
                _ => (scan::scalar(text, first, start)?, Some(&[][..])),
            };
            if index.is_some() {
                let spelling = object.get(start..end)?;
                self.push(index, Json { spelling, inside });
            }
            Some(end)
        })?;
        (end == text.len()).then_some(())
    }

    /// Finds the end of an object or an array, and what is inside if it is the first one of a field.
    fn container(
        &self,
        text: &[u8],
        start: usize,
        is_field: bool,
    ) -> Option<(usize, Option<&'a [Node]>)> {
        let is_first = |nodes: &&OnceCell<NodeList>| is_field && nodes.get().is_none();
        let first_nodes = self.first_nodes.filter(is_first);
        let mut nodes = NodeList::default();
        let end = if first_nodes.is_some() {
            Parser::new(text, &mut nodes)?.inside(start)?
        } else {
            Parser::without_room(text, &mut nodes)?.inside(start)?
        };
        let inside = first_nodes.map(|first| first.get_or_init(|| nodes).as_slice());
        Some((end, inside))
    }

    /// Returns where the key here ends, if it is the usual one of the likely field.
    fn likely_key(&self, text: &[u8], start: usize) -> Option<usize> {
        let name = self.likely_name()?;
        let key = text.get(start..)?.strip_prefix(b"\"")?;
        let rest = key.strip_prefix(name)?;
        rest.starts_with(b"\"").then_some(start + name.len() + 2)
    }

    /// Returns the usual name of the likely field.
    fn likely_name(&self) -> Option<&'static [u8]> {
        let name = self.fields.get(self.likely)?.usual_name()?;
        Some(name.as_bytes())
    }

    /// Returns the field of a key, as it is spelled.
    fn find(&self, key: &str) -> Option<usize> {
        // A key with half a surrogate pair is none that is known.
        let unescaped = || match string(key)? {
            Cow::Owned(key) => self.find_name(&key),
            Cow::Borrowed(_) => None,
        };
        let index = unquoted(key).and_then(|key| self.find_name(key));
        index.or_else(unescaped)
    }

    fn find_name(&self, key: &str) -> Option<usize> {
        let is_named = |field: &Field<'_>| field.is_named(|name| name == key);
        let named = match self.fields.get(self.likely) {
            Some(field) if is_named(field) => Some(self.likely),
            _ => self.fields.iter().position(is_named),
        };
        let is_same = |is_same: IsSame| {
            let is_named = |field: &Field<'_>| field.is_named(|name| is_same(name, key));
            self.fields.iter().position(is_named)
        };
        named.or_else(|| self.is_same.and_then(is_same))
    }

    fn push(&mut self, index: Option<usize>, value: Json<'a>) {
        if let Some(index) = index {
            self.fields[index].push(value);
            self.likely = index + 1;
        }
    }
}

/// The members of an object as `serde_json` finds them.
#[derive(Debug)]
pub(super) struct RawMembers<'a>(pub(super) Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawMembersVisitor;

        impl<'de> Visitor<'de> for RawMembersVisitor {
            type Value = RawMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }

        deserializer.deserialize_map(RawMembersVisitor)
    }
}
