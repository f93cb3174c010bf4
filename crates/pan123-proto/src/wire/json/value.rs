//! Deserializes values of the service from their JSON, in any format of serde's.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::deserializer::{NODES, RAW_VALUE};
use super::document::{Node, nodes_of};
use super::{Document, Json};

/// Deserializes a value of the service from its JSON, in any self-describing format.
pub(crate) fn deserialize<'de, D, T, E>(
    deserializer: D,
    read: impl FnOnce(Json<'_>) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let Spelled { text, inside } = Spelled::deserialize(deserializer)?;
    let spelling = &text;
    let read = match inside {
        None if text.starts_with(['{', '[']) => read(Document::new(spelling).json()),
        _ => read(Json { spelling, inside }),
    };
    read.map_err(D::Error::custom)
}

/// Deserializes a type with named fields from an object only: serde would take an array for one, too.
pub(crate) fn deserialize_object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

/// The JSON of a value: from JSON as it is spelled, from any other format, and from a [`Value`], as it would be.
struct Spelled<'de> {
    text: Cow<'de, str>,
    /// The nodes inside it, if it is a part of a [`Document`].
    inside: Option<&'de [Node]>,
}

impl<'de> Deserialize<'de> for Spelled<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(RAW_VALUE, SpelledVisitor)
    }
}

struct SpelledVisitor;

impl<'de> Visitor<'de> for SpelledVisitor {
    type Value = Spelled<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JSON")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Self::Value, D::Error> {
        Value::deserialize(deserializer).map(spell)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = None;
        while let Some(Text(key)) = map.next_key()? {
            if key == RAW_VALUE {
                let Text(text) = map.next_value()?;
                let inside = match map.next_key()? {
                    Some(Text(key)) if key == NODES => Some(nodes_of(map.next_value()?)),
                    _ => None,
                };
                return Ok(Spelled { text, inside });
            }
            let members = members.get_or_insert_with(Map::new);
            members.insert(key.into_owned(), map.next_value()?);
        }
        Ok(spell(Value::Object(members.unwrap_or_default())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(seq)).map(spell)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(spell(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(spell(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(spell(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(spell(value))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(spell(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(spell(Value::Null))
    }
}

fn spell<'de>(value: impl Into<Value>) -> Spelled<'de> {
    let value: Value = value.into();
    Spelled {
        text: Cow::Owned(value.to_string()),
        inside: None,
    }
}

/// A string, borrowed if it can be.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the text of a value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::de::IntoDeserializer;
    use serde::de::value::Error as AnyError;

    use super::*;
    use crate::ids::TaskId;

    #[test]
    fn value_is_read_from_any_self_describing_format() {
        let task = TaskId::new(u64::MAX).unwrap();
        let json = task.to_string();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::from_value::<TaskId>(value).unwrap(), task);
        assert_eq!(
            serde_json::from_reader::<_, TaskId>(json.as_bytes()).unwrap(),
            task
        );
        let number = IntoDeserializer::<AnyError>::into_deserializer(u64::MAX);
        assert_eq!(TaskId::deserialize(number), Ok(task));
        let text = IntoDeserializer::<AnyError>::into_deserializer(json.as_str());
        assert_eq!(TaskId::deserialize(text), Ok(task));
        let by_task = HashMap::from([(task, "a".to_owned())]);
        let json = serde_json::to_string(&by_task).unwrap();
        assert_eq!(
            serde_json::from_str::<HashMap<TaskId, String>>(&json).unwrap(),
            by_task
        );
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::from_value::<HashMap<TaskId, String>>(value).unwrap(),
            by_task
        );
        for wrong in ["true", "null", "[7]", r#"{"a":7}"#, "7.5", "-7"] {
            serde_json::from_str::<TaskId>(wrong).unwrap_err();
            let value: Value = serde_json::from_str(wrong).unwrap();
            serde_json::from_value::<TaskId>(value).unwrap_err();
        }
    }

    /// If `serde_json` did not know the name any more, values could only be read together.
    #[test]
    fn damaged_value_is_passed_on_as_it_is_spelled() {
        for spelling in [r#""\ud800""#, "1e999", "9007199254740993.0", "{ }"] {
            let spelled: Spelled<'_> = serde_json::from_str(spelling).unwrap();
            assert!(matches!(spelled.text, Cow::Borrowed(text) if text == spelling));
        }
    }
}
