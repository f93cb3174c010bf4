//! Reads the objects of the service. Each value is taken as a text and read on its own, so that an unreadable one loses only itself.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The most characters of a value that an error quotes.
const MAX_QUOTED: usize = 40;

/// The spellings of a key.
pub(crate) type Names = &'static [&'static str];

/// The text of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Returns the value as it is spelled.
    pub(crate) fn spelling(self) -> &'a str {
        self.0
    }

    /// Takes these keys out of an object.
    pub(crate) fn fields<const N: usize>(
        self,
        names: [Names; N],
    ) -> Result<[Field<'a>; N], Unreadable> {
        read_fields(self.0, names, str::eq).map_err(|_| Unreadable {
            names: &[],
            problem: Problem::NotAnObject,
        })
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Returns the elements of an array; `None` for anything else.
    pub(crate) fn elements(self) -> Option<Vec<Json<'a>>> {
        let elements: Vec<&RawValue> = serde_json::from_str(self.0).ok()?;
        Some(elements.into_iter().map(RawValue::get).map(Json).collect())
    }
}

/// Takes keys out of a text that must be an object and nothing else.
pub(crate) fn read_fields<const N: usize>(
    text: &str,
    names: [Names; N],
    is_same: fn(&str, &str) -> bool,
) -> Result<[Field<'_>; N], serde_json::Error> {
    let mut fields = names.map(|names| Field {
        names,
        first: None,
        others: Vec::new(),
    });
    let mut parser = serde_json::Deserializer::from_str(text);
    parser.deserialize_map(Members(|key: &str, value| {
        let is_named = |field: &&mut Field<'_>| field.names.iter().any(|name| is_same(name, key));
        if let Some(field) = fields.iter_mut().find(is_named) {
            field.push(value);
        }
    }))?;
    parser.end()?;
    Ok(fields)
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
    Some(Json(&text[..length]))
}

/// Passes on each member of an object.
struct Members<F>(F);

impl<'de, F: FnMut(&str, Json<'de>)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            // A key with half a surrogate pair is none that is known.
            if let Some(key) = string(key.get()) {
                (self.0)(&key, Json(value.get()));
            }
        }
        Ok(())
    }
}

/// Decodes a JSON string; `None` for anything else, and for half a surrogate pair in it.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(text).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// The values of a key in all its spellings.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    names: Names,
    first: Option<Json<'a>>,
    /// Those that are spelled differently.
    others: Vec<Json<'a>>,
}

impl<'a> Field<'a> {
    fn push(&mut self, value: Json<'a>) {
        match self.first {
            None => self.first = Some(value),
            Some(first) if first == value => {}
            Some(_) => self.others.push(value),
        }
    }

    /// Returns all values, without those that are repeated as they are.
    pub(crate) fn values(&self) -> impl Iterator<Item = Json<'a>> {
        self.first.into_iter().chain(self.others.iter().copied())
    }

    /// Returns the value as it is; one of `null` counts only if there is no other.
    ///
    /// An error if two differ as values.
    pub(crate) fn value(&self) -> Result<Option<Json<'a>>, Unreadable> {
        let parse = |json: Json<'a>| serde_json::from_str::<Value>(json.0).ok();
        let value = self.values().find(|json| !json.is_null()).or(self.first);
        if !self.others.is_empty() {
            self.essential(|json| parse(json).filter(|value| !value.is_null()))?;
        }
        Ok(value)
    }

    /// Reads the value. One that cannot be read beside one that can does not count.
    ///
    /// An error if there is none, or if two differ.
    pub(crate) fn essential<T: PartialEq>(
        &self,
        read: impl Fn(Json<'a>) -> Option<T>,
    ) -> Result<T, Unreadable> {
        let mut readable = self.values().filter_map(read);
        match readable.next() {
            None if self.first.is_some() => Err(self.unreadable()),
            None => Err(self.missing()),
            Some(value) if readable.all(|other| other == value) => Ok(value),
            Some(_) => Err(self.because(Problem::Different(self.quote_numbers()))),
        }
    }

    /// Reads the value; `None` if there is none that can be read, or if two differ.
    pub(crate) fn optional<T: PartialEq>(&self, read: impl Fn(Json<'a>) -> Option<T>) -> Option<T> {
        let mut readable = self.values().filter_map(read);
        let value = readable.next()?;
        readable.all(|other| other == value).then_some(value)
    }

    /// Reads an array; `null` is an empty one, and `None` means that the object has none.
    ///
    /// An error if it is not an array, if two differ, or if an element cannot be read.
    pub(crate) fn rows<T>(
        &self,
        read: impl FnMut(Json<'a>) -> Result<T, Unreadable>,
    ) -> Result<Option<Vec<T>>, Unreadable> {
        let elements = match self.value()? {
            None => return Ok(None),
            Some(json) if json.is_null() => Vec::new(),
            Some(json) => json.elements().ok_or_else(|| self.unreadable())?,
        };
        elements
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The error for a key that the object must have.
    pub(crate) fn missing(&self) -> Unreadable {
        self.because(Problem::Missing)
    }

    /// The error for a value that cannot be read.
    pub(crate) fn unreadable(&self) -> Unreadable {
        self.because(Problem::NoReadable)
    }

    fn because(&self, problem: Problem) -> Unreadable {
        Unreadable {
            names: self.names,
            problem,
        }
    }

    /// The values, if all are numbers: a text may be a secret.
    fn quote_numbers(&self) -> String {
        let is_number = |value: Json<'_>| {
            let digits = value.0.trim_matches('"');
            digits.len() <= MAX_QUOTED && digits.parse::<f64>().is_ok()
        };
        let mut quoted = String::new();
        if self.values().all(is_number) {
            for value in self.values() {
                let separator = if quoted.is_empty() { ": " } else { ", " };
                quoted.push_str(separator);
                quoted.push_str(value.0);
            }
        }
        quoted
    }
}

/// Why an object cannot be read. The text names keys, and quotes numbers at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    names: Names,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NotAnObject,
    Missing,
    NoReadable,
    Different(String),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}`{name}`")?;
        }
        match &self.problem {
            Problem::NotAnObject => f.write_str("an object is expected"),
            Problem::Missing => f.write_str(" is missing"),
            Problem::NoReadable => f.write_str(" cannot be read"),
            Problem::Different(values) => write!(f, " has different values{values}"),
        }
    }
}

/// Deserializes a value of the service from its JSON, in any self-describing format.
pub(crate) fn deserialize<'de, D, T, E>(
    deserializer: D,
    read: impl FnOnce(Json<'_>) -> Result<T, E>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let Spelled(text) = Spelled::deserialize(deserializer)?;
    read(Json(&text)).map_err(D::Error::custom)
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
struct Spelled<'de>(Cow<'de, str>);

/// What `serde_json`'s `RawValue` asks a format for. A format that does not know it passes on the value itself, which loses no more
/// than the independence of its parts.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

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
        let mut members = Map::new();
        while let Some(Text(key)) = map.next_key()? {
            if key == RAW_VALUE {
                let Text(text) = map.next_value()?;
                return Ok(Spelled(text));
            }
            members.insert(key.into_owned(), map.next_value()?);
        }
        Ok(spell(Value::Object(members)))
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
    Spelled(Cow::Owned(value.to_string()))
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

    use super::super::lenient::{not_empty, whole};
    use super::*;
    use crate::ids::TaskId;

    const ID: Names = &["taskID", "taskId"];

    fn id(object: &str) -> Result<u64, String> {
        let [id] = Json(object)
            .fields([ID])
            .map_err(|error| error.to_string())?;
        id.essential(whole).map_err(|error| error.to_string())
    }

    #[test]
    fn equal_values_are_one_in_all_spellings_of_a_key() {
        for object in [
            r#"{"taskID":7}"#,
            r#"{"taskId":"7"}"#,
            r#"{"task\u0049D":7}"#,
            r#"{"taskID":7,"taskId":"7","taskID":7.0,"taskId":7}"#,
            r#"{"taskID":null,"taskId":7,"taskID":"","taskId":[8]}"#,
            r#"{"taskid":8,"task":8,"taskID ":8,"taskID":7}"#,
            r#"{"a":{"taskID":8},"\ud800":8,"b":1e999,"c":"\udc00","taskID":7}"#,
        ] {
            assert_eq!(id(object), Ok(7), "{object}");
        }
    }

    #[test]
    fn error_names_the_key_and_quotes_numbers_only() {
        let names = "`taskID` or `taskId`";
        for (object, fault) in [
            ("{}", "is missing"),
            (r#"{"taskID":null}"#, "cannot be read"),
            (r#"{"taskID":"seven"}"#, "cannot be read"),
            (r#"{"taskID":7,"taskId":8}"#, "has different values: 7, 8"),
            (
                r#"{"taskID":7,"taskID":"7","taskID":8}"#,
                r#"has different values: 7, "7", 8"#,
            ),
            (
                r#"{"taskID":7,"taskId":"x","taskID":8}"#,
                "has different values",
            ),
        ] {
            assert_eq!(id(object), Err(format!("{names} {fault}")), "{object}");
        }
        let [secret] = Json(r#"{"t":"canary","t":"canary 2"}"#)
            .fields([&["t"]])
            .unwrap();
        let error = secret.essential(not_empty).unwrap_err().to_string();
        assert_eq!(error, "`t` has different values");
        assert_eq!(secret.optional(not_empty), None);
        for other in ["[7]", "7", "null", r#""{}""#, "{} {}"] {
            assert_eq!(
                id(other),
                Err("an object is expected".to_owned()),
                "{other}"
            );
        }
    }

    #[test]
    fn rows_are_one_array_or_none() {
        let rows = |object: &'static str| {
            let [rows] = Json(object).fields([&["rows"]]).unwrap();
            let row = |json| whole::<u64>(json).ok_or_else(|| rows.unreadable());
            rows.rows(row).map_err(|error| error.to_string())
        };
        assert_eq!(rows("{}"), Ok(None));
        assert_eq!(rows(r#"{"rows":null}"#), Ok(Some(vec![])));
        assert_eq!(
            rows(r#"{"rows":[7,"8"],"rows":[7, "8"]}"#),
            Ok(Some(vec![7, 8]))
        );
        assert_eq!(rows(r#"{"rows":null,"rows":[7]}"#), Ok(Some(vec![7])));
        for object in [r#"{"rows":{}}"#, r#"{"rows":[7,"x"]}"#, r#"{"rows":7}"#] {
            assert_eq!(
                rows(object),
                Err("`rows` cannot be read".to_owned()),
                "{object}"
            );
        }
        rows(r#"{"rows":[7],"rows":[8]}"#).unwrap_err();
    }

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
            let Spelled(text) = serde_json::from_str(spelling).unwrap();
            assert!(matches!(text, Cow::Borrowed(text) if text == spelling));
        }
    }
}
