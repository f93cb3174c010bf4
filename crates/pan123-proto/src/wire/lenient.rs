//! Lenient JSON values: the service and the proxies in front of it mix up numbers, strings and null.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, Unexpected, Visitor};

/// A whole number in the range of `T`, or a string or float that equals one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<T>(pub(crate) T);

/// Any finite number, or a string of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f64);

/// A string. Null, an array and an object count as empty; a number or a bool as its own spelling.
#[derive(Clone, Debug)]
pub(crate) struct Text(pub(crate) String);

/// A bool, or a number or string in place of one. Null, 0, `false` and the empty string are false.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) bool);

/// An optional value; `None` if it cannot be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

/// The value of a missing field.
impl<T> Default for Maybe<T> {
    fn default() -> Maybe<T> {
        Maybe(None)
    }
}

/// A float represents every whole number below this exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de, T: TryFrom<i128>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(WholeVisitor)?;
        T::try_from(number).map(Whole).map_err(|_| {
            let number = number.to_string();
            D::Error::invalid_value(Unexpected::Other(&number), &"a number in its range")
        })
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, or a string of one")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i128, E> {
        Ok(value.into())
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "a whole number that a float represents exactly"
    )]
    fn visit_f64<E: Error>(self, value: f64) -> Result<i128, E> {
        if value.fract() == 0.0 && value.abs() < MAX_EXACT {
            Ok(value as i128)
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<i128, E> {
        let value = value.trim();
        value
            .parse()
            .map_err(|_| E::invalid_value(Unexpected::Str(value), &self))
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FloatVisitor).map(Float)
    }
}

struct FloatVisitor;

impl Visitor<'_> for FloatVisitor {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a string of one")
    }

    #[allow(clippy::cast_precision_loss, reason = "a percentage needs no more")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        Ok(value as f64)
    }

    #[allow(clippy::cast_precision_loss, reason = "a percentage needs no more")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<f64, E> {
        Ok(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        Ok(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<f64, E> {
        match value.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<String, E> {
        Ok(value)
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<String, A::Error> {
        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
        Ok(String::new())
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        while map
            .next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?
            .is_some()
        {}
        Ok(String::new())
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = Text::deserialize(deserializer)?;
        Ok(Flag(!matches!(text.trim(), "" | "0" | "false")))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Maybe(serde_json::from_value(value).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(json: &str) -> Option<i64> {
        serde_json::from_str::<Whole<i64>>(json)
            .ok()
            .map(|int| int.0)
    }

    fn uint(json: &str) -> Option<u64> {
        serde_json::from_str::<Whole<u64>>(json)
            .ok()
            .map(|uint| uint.0)
    }

    fn float(json: &str) -> Option<f64> {
        serde_json::from_str::<Float>(json)
            .ok()
            .map(|float| float.0)
    }

    fn text(json: &str) -> Option<String> {
        serde_json::from_str::<Text>(json).ok().map(|text| text.0)
    }

    #[test]
    fn whole_number_may_be_a_string_or_a_float() {
        for json in ["7", "\"7\"", "7.0", "\" 7 \""] {
            assert_eq!((int(json), uint(json)), (Some(7), Some(7)), "{json}");
        }
        for json in ["null", "true", "[]", "\"\"", "\"seven\"", "7.5", "1e300"] {
            assert_eq!((int(json), uint(json)), (None, None), "{json}");
        }
        assert_eq!((int("-1"), uint("-1")), (Some(-1), None));
        assert_eq!(uint("18446744073709551615"), Some(u64::MAX));
        assert_eq!(uint("\"18446744073709551615\""), Some(u64::MAX));
        assert_eq!(int("18446744073709551615"), None);
        assert_eq!(uint("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(
            uint("9007199254740994.0"),
            None,
            "a float that may have lost digits"
        );
    }

    #[test]
    fn float_may_be_a_string_but_must_be_finite() {
        assert_eq!(float("37.5"), Some(37.5));
        assert_eq!(float("\"37.5\""), Some(37.5));
        assert_eq!(float("100"), Some(100.0));
        for json in ["\"NaN\"", "\"inf\"", "null", "\"\"", "{}"] {
            assert_eq!(float(json), None, "{json}");
        }
    }

    #[test]
    fn text_may_be_any_value() {
        assert_eq!(text("\"a\""), Some("a".to_owned()));
        assert_eq!(text("429"), Some("429".to_owned()));
        for json in ["null", "[1]", "{\"a\":1}", "\"\""] {
            assert_eq!(text(json), Some(String::new()), "{json}");
        }
    }

    #[test]
    fn flag_may_be_a_number_or_a_string() {
        for (json, flag) in [
            ("0", false),
            ("1", true),
            ("\"0\"", false),
            ("\"1\"", true),
            ("true", true),
            ("false", false),
            ("null", false),
            ("\"\"", false),
        ] {
            assert_eq!(
                serde_json::from_str::<Flag>(json).unwrap().0,
                flag,
                "{json}"
            );
        }
    }
}
