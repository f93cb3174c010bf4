//! A JSON value as a deserializer of serde's.

use serde::de::value::{BorrowedBytesDeserializer, BorrowedStrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::de::StrRead;

use super::Json;
use super::document::{Node, bytes_of};

/// What `serde_json`'s `RawValue` asks a format for. A format that does not know it passes on the value itself, which loses no more
/// than the independence of its parts.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";
/// What comes after the text, for a type of this crate, which then need not read the text once more.
pub(super) const NODES: &str = "$pan123_proto::nodes";

macro_rules! parse {
    ($($method:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            fn $method<V: Visitor<'de>>(
                self,
                $($argument: $type,)*
                visitor: V,
            ) -> Result<V::Value, Self::Error> {
                self.parse(|parser| parser.$method($($argument,)* visitor))
            }
        )*
    };
}

impl<'de> Json<'de> {
    /// Reads the value as any type. A type of this crate is read without another look at the text of a document.
    pub(crate) fn to<T: Deserialize<'de>>(self) -> serde_json::Result<T> {
        match self.inside {
            Some(inside) => T::deserialize(Valid {
                spelling: self.spelling,
                inside,
            }),
            None => serde_json::from_str(self.spelling),
        }
    }
}

/// A value of a document.
struct Valid<'de> {
    spelling: &'de str,
    inside: &'de [Node],
}

impl<'de> Deserializer<'de> for Valid<'de> {
    type Error = serde_json::Error;

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if name == RAW_VALUE {
            return visitor.visit_map(Parts {
                text: Some(self.spelling),
                nodes: Some(self.inside),
            });
        }
        self.parse(|parser| parser.deserialize_newtype_struct(name, visitor))
    }

    parse! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }
}

impl<'de> Valid<'de> {
    fn parse<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>) -> serde_json::Result<T>,
    ) -> serde_json::Result<T> {
        let mut parser = serde_json::Deserializer::from_str(self.spelling);
        let value = read(&mut parser)?;
        parser.end()?;
        Ok(value)
    }
}

/// What a value is passed on as.
struct Parts<'de> {
    text: Option<&'de str>,
    nodes: Option<&'de [Node]>,
}

impl<'de> MapAccess<'de> for Parts<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let key = match (self.text, self.nodes) {
            (Some(_), _) => RAW_VALUE,
            (None, Some(_)) => NODES,
            (None, None) => return Ok(None),
        };
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        if let Some(text) = self.text.take() {
            return seed.deserialize(BorrowedStrDeserializer::new(text));
        }
        let nodes = self.nodes.take().unwrap_or_default();
        seed.deserialize(BorrowedBytesDeserializer::new(bytes_of(nodes)))
    }
}
