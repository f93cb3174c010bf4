//! A plain reading of an object, which claims nothing where two readers may differ.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object in their order, each as it is written.
pub(crate) struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Object<'a> {
    pub(crate) fn read(body: &'a str) -> Option<Object<'a>> {
        serde_json::from_str(body).ok()
    }

    /// How many members have a name like this.
    pub(crate) fn count(&self, is_named: impl Fn(&str) -> bool) -> usize {
        self.0.iter().filter(|(name, _)| is_named(name)).count()
    }

    /// The value of the one member that has a name like this.
    pub(crate) fn one(&self, is_named: impl Fn(&str) -> bool) -> Option<&'a str> {
        let mut values = self.0.iter().filter(|(name, _)| is_named(name));
        let (_, value) = values.next()?;
        values.next().is_none().then(|| value.get())
    }

    /// The same read as this type, if it is of this type.
    pub(crate) fn read_one<T: DeserializeOwned>(
        &self,
        is_named: impl Fn(&str) -> bool,
    ) -> Option<T> {
        serde_json::from_str(self.one(is_named)?).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

pub(crate) fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
