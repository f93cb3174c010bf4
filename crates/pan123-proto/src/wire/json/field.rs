//! The values of a key, and why one cannot be read.

use std::fmt;

use serde_json::Value;

use super::{Json, Names};

/// The most characters of a value that an error quotes.
const MAX_QUOTED: usize = 40;

/// The values of a key in all its spellings.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    names: Names,
    first: Option<Json<'a>>,
    /// Those that are spelled differently.
    others: Vec<Json<'a>>,
}

impl<'a> Field<'a> {
    pub(crate) fn empty(names: Names) -> Field<'a> {
        Field {
            names,
            first: None,
            others: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Field::empty(self.names);
    }

    pub(super) fn usual_name(&self) -> Option<&'static str> {
        self.names.first().copied()
    }

    pub(super) fn is_named(&self, is_name: impl Fn(&str) -> bool) -> bool {
        self.names.iter().any(|name| is_name(name))
    }

    pub(super) fn push(&mut self, value: Json<'a>) {
        match self.first {
            None => self.first = Some(value),
            Some(first) if first.spelling == value.spelling => {}
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
    #[inline]
    pub(crate) fn value(&self) -> Result<Option<Json<'a>>, Unreadable> {
        if self.others.is_empty() {
            return Ok(self.first);
        }
        self.same_value()
    }

    fn same_value(&self) -> Result<Option<Json<'a>>, Unreadable> {
        let parse = |json: Json<'a>| serde_json::from_str::<Value>(json.spelling).ok();
        self.essential(|json| parse(json).filter(|value| !value.is_null()))?;
        Ok(self.values().find(|json| !json.is_null()))
    }

    /// Reads the value. One that cannot be read beside one that can does not count.
    ///
    /// An error if there is none, or if two differ.
    pub(crate) fn essential<T: PartialEq>(
        &self,
        read: impl Fn(Json<'a>) -> Option<T>,
    ) -> Result<T, Unreadable> {
        match self.agreed(read) {
            Ok(Some(value)) => Ok(value),
            Ok(None) if self.first.is_some() => Err(self.unreadable()),
            Ok(None) => Err(self.missing()),
            Err(Differ) => Err(self.because(Problem::Different(self.quote_numbers()))),
        }
    }

    /// Reads the value; `None` if there is none that can be read, or if two differ.
    pub(crate) fn optional<T: PartialEq>(&self, read: impl Fn(Json<'a>) -> Option<T>) -> Option<T> {
        self.agreed(read).ok().flatten()
    }

    /// Reads the value that all readable ones are.
    #[inline]
    fn agreed<T: PartialEq>(
        &self,
        read: impl Fn(Json<'a>) -> Option<T>,
    ) -> Result<Option<T>, Differ> {
        let first = self.first.and_then(&read);
        if self.others.is_empty() {
            return Ok(first);
        }
        self.agreed_with(first, read)
    }

    fn agreed_with<T: PartialEq>(
        &self,
        first: Option<T>,
        read: impl Fn(Json<'a>) -> Option<T>,
    ) -> Result<Option<T>, Differ> {
        let mut agreed = first;
        for other in self.others.iter().copied().filter_map(read) {
            match &agreed {
                None => agreed = Some(other),
                Some(value) if *value == other => {}
                Some(_) => return Err(Differ),
            }
        }
        Ok(agreed)
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
            let digits = value.spelling.trim_matches('"');
            digits.len() <= MAX_QUOTED && digits.parse::<f64>().is_ok()
        };
        let mut quoted = String::new();
        if self.values().all(is_number) {
            for value in self.values() {
                let separator = if quoted.is_empty() { ": " } else { ", " };
                quoted.push_str(separator);
                quoted.push_str(value.spelling);
            }
        }
        quoted
    }
}

/// Two values of a key differ.
struct Differ;

/// Why an object cannot be read. The text names keys, and quotes numbers at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    names: Names,
    problem: Problem,
}

impl Unreadable {
    pub(super) const NOT_AN_OBJECT: Unreadable = Unreadable {
        names: &[],
        problem: Problem::NotAnObject,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::lenient::{not_empty, whole};

    const ID: Names = &["taskID", "taskId"];

    fn id(object: &str) -> Result<u64, String> {
        let [id] = Json::spelled(object)
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
        let [secret] = Json::spelled(r#"{"t":"canary","t":"canary 2"}"#)
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
            let [rows] = Json::spelled(object).fields([&["rows"]]).unwrap();
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
}
