//! Lenient JSON values: the service and the proxies in front of it mix up numbers, strings and null.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::json::{self, Json};
use super::timestamp::read_date;

/// A float represents every whole number below this exactly; one at or above it may have lost digits before it was written.
const MAX_EXACT: u128 = 1 << f64::MANTISSA_DIGITS;

/// Reads a whole number in the range of `T`, also from a string or a float, if it is exactly that number.
pub(crate) fn whole<T: TryFrom<i128>>(json: Json<'_>) -> Option<T> {
    if let Some(number) = digits(json.spelling()) {
        return T::try_from(number.into()).ok();
    }
    let number = match json::string(json.spelling()) {
        Some(text) => exact(text.trim())?,
        None => exact(json.spelling())?,
    };
    T::try_from(number).ok()
}

/// Reads a whole number without a sign, of few digits.
fn digits(text: &str) -> Option<u64> {
    const MAX_DIGITS: usize = 19;
    if text.is_empty() || text.len() > MAX_DIGITS {
        return None;
    }
    text.bytes().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })
}

/// Reads a number, also from a string. One that no float can hold is infinite.
pub(crate) fn number(json: Json<'_>) -> Option<f64> {
    if json
        .spelling()
        .starts_with(|first: char| first.is_ascii_digit())
    {
        return json.spelling().parse().ok();
    }
    let text = text(json)?;
    let text = text.trim();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    // `f64` has words for numbers, too.
    text.bytes()
        .all(is_digit)
        .then(|| text.parse().ok())
        .flatten()
}

/// Reads a string that is not empty.
pub(crate) fn not_empty(json: Json<'_>) -> Option<Cow<'_, str>> {
    json::string(json.spelling()).filter(|text| !text.is_empty())
}

/// Reads a string, also from a number or a bool, which it spells as JSON does.
pub(crate) fn text(json: Json<'_>) -> Option<Cow<'_, str>> {
    match json.spelling().as_bytes().first()? {
        b'"' => json::string(json.spelling()),
        b'n' | b'[' | b'{' => None,
        _ => Some(Cow::Borrowed(json.spelling())),
    }
}

/// Reads a text for people, with `U+FFFD` for what is no character.
pub(crate) fn lossy_text(json: Json<'_>) -> Option<Cow<'_, str>> {
    text(json).or_else(|| {
        let StringBytes(bytes) = serde_json::from_str(json.spelling()).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned().into())
    })
}

/// Reads a bool, also from a number or a string. 0, `false` and the empty string are false.
pub(crate) fn flag(json: Json<'_>) -> Option<bool> {
    let is_false = match text(json)?.trim() {
        "" | "false" => true,
        _ => number(json) == Some(0.0),
    };
    Some(!is_false)
}

/// Reads a date of the service.
pub(crate) fn date(json: Json<'_>) -> Option<SystemTime> {
    read_date(&text(json)?)
}

/// Returns the whole number that this decimal number is; none if it is not exactly one.
fn exact(decimal: &str) -> Option<i128> {
    if let Ok(number) = decimal.parse::<u64>() {
        return Some(number.into());
    }
    if !decimal.contains(['.', 'e', 'E']) {
        return decimal.parse().ok();
    }
    let (mantissa, exponent) = decimal.split_once(['e', 'E']).unwrap_or((decimal, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let places = i32::try_from(after.len()).ok()?;
    let exponent = exponent.parse::<i32>().ok()?.checked_sub(places)?;
    let number = shift(format!("{before}{after}").parse().ok()?, exponent)?;
    (number.unsigned_abs() < MAX_EXACT).then_some(number)
}

/// Multiplies by this power of ten; none if the result is not whole or too large.
fn shift(number: i128, exponent: i32) -> Option<i128> {
    if number == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(exponent.unsigned_abs())?;
    if exponent >= 0 {
        number.checked_mul(factor)
    } else {
        (number % factor == 0).then_some(number / factor)
    }
}

/// The bytes of a JSON string, in which half a surrogate pair is not UTF-8.
struct StringBytes(Vec<u8>);

impl<'de> Deserialize<'de> for StringBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringVisitor;

        impl Visitor<'_> for StringVisitor {
            type Value = StringBytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<StringBytes, E> {
                Ok(StringBytes(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(StringVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::deserialize;
    use super::*;

    fn read<T>(json: &str, read: fn(Json<'_>) -> Option<T>) -> Option<T> {
        let mut parser = serde_json::Deserializer::from_str(json);
        deserialize(&mut parser, |json| Ok::<_, &str>(read(json))).expect(json)
    }

    #[test]
    fn whole_number_may_be_a_string_or_a_float() {
        for json in [
            "7",
            "7.0",
            "7.00e0",
            "0.7e1",
            "70e-1",
            "700.0E-2",
            "\"7\"",
            "\" 7\\n\"",
            "\"+7\"",
            "\"007\"",
            "\"7.0\"",
        ] {
            let read = (read(json, whole::<i64>), read(json, whole::<u64>));
            assert_eq!(read, (Some(7), Some(7)), "{json}");
        }
        for json in [
            "null",
            "true",
            "[]",
            "{}",
            "[7]",
            "\"\"",
            "\"seven\"",
            "\"7 8\"",
            "\"0x7\"",
            "\"7_0\"",
            "\"NaN\"",
            "\"\\ud8007\"",
            "7.5",
            "7.0000000000000000001",
            "7e-1",
            "1e300",
            "1e99999999999",
            "1e-99999999999",
            "\"1e300\"",
            "\"e\"",
            "\".\"",
        ] {
            let read = (read(json, whole::<i64>), read(json, whole::<u64>));
            assert_eq!(read, (None, None), "{json}");
        }
        for zero in ["0", "-0", "-0.0", "0e0", "0.0e-300", "\"-0\""] {
            assert_eq!(read(zero, whole::<u64>), Some(0), "{zero}");
        }
        assert_eq!(
            (read("-1", whole::<i64>), read("-1", whole::<u64>)),
            (Some(-1), None)
        );
        assert_eq!(read("1e3", whole::<u64>), Some(1000));
    }

    #[test]
    fn every_digit_counts() {
        for number in [9_007_199_254_740_993, u64::MAX] {
            for json in [number.to_string(), format!("\"{number}\"")] {
                assert_eq!(read(&json, whole::<u64>), Some(number));
            }
        }
        assert_eq!(read("18446744073709551615", whole::<i64>), None);
        assert_eq!(read("18446744073709551616", whole::<u64>), None);
        let largest = 9_007_199_254_740_991;
        assert_eq!(read("9007199254740991.0", whole::<u64>), Some(largest));
        // These may have lost digits before they were written.
        for json in [
            "9007199254740992.0",
            "9007199254740993.0",
            "9007199254740993e0",
            "\"9007199254740993.0\"",
            "9.007199254740993e15",
            "-9007199254740993.0",
            "18446744073709551615.0",
        ] {
            assert_eq!(read(json, whole::<i128>), None, "{json}");
        }
        assert_eq!(read("9007199254740991.4", whole::<u64>), None);
    }

    #[test]
    fn number_may_be_a_string_but_not_a_word() {
        for (json, expected) in [
            ("37.5", 37.5),
            ("\"37.5\"", 37.5),
            ("\" 100 \"", 100.0),
            ("-2147483648", -2_147_483_648.0),
            ("1e999", f64::INFINITY),
        ] {
            assert_eq!(read(json, number), Some(expected), "{json}");
        }
        for json in [
            "null",
            "true",
            "\"\"",
            "\"NaN\"",
            "\"inf\"",
            "\"Infinity\"",
            "\"100%\"",
            "\"half\"",
            "{}",
            "[1]",
            "\"e\"",
        ] {
            assert_eq!(read(json, number), None, "{json}");
        }
    }

    #[test]
    fn text_may_be_a_number_or_a_bool() {
        let text = |json| read(json, |json| text(json).map(Cow::into_owned));
        for (json, expected) in [
            ("\"a\"", "a"),
            ("\"\"", ""),
            ("\"\\u5f71\\n\"", "影\n"),
            ("429", "429"),
            ("7.0", "7.0"),
            ("false", "false"),
        ] {
            assert_eq!(text(json).as_deref(), Some(expected), "{json}");
        }
        for json in ["null", "[1]", "{\"a\":1}", r#""\ud800""#] {
            assert_eq!(text(json), None, "{json}");
        }
        let lossy = |json| read(json, |json| lossy_text(json).map(Cow::into_owned));
        assert_eq!(
            lossy(r#""a\ud800b""#).as_deref(),
            Some("a\u{fffd}\u{fffd}\u{fffd}b")
        );
        assert_eq!(lossy("null"), None);
    }

    #[test]
    fn flag_may_be_a_number_or_a_string() {
        for (json, expected) in [
            ("0", Some(false)),
            ("0.0", Some(false)),
            ("1", Some(true)),
            ("\"0\"", Some(false)),
            ("\"1\"", Some(true)),
            ("true", Some(true)),
            ("false", Some(false)),
            ("\" false\"", Some(false)),
            ("\"\"", Some(false)),
            ("null", None),
            ("[]", None),
            ("{}", None),
        ] {
            assert_eq!(read(json, flag), expected, "{json}");
        }
    }
}
