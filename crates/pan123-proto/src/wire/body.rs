//! The text of a body.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns the text of a body without byte order marks, white space and NUL at either end. Bytes that are not UTF-8 become
/// `U+FFFD`: in one string they must not hide what stands beside it.
pub(crate) fn body_text(body: &[u8]) -> Cow<'_, str> {
    let mut text = body;
    while let [0xef, 0xbb, 0xbf, rest @ ..] | [0 | b'\t'..=b'\r' | b' ', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., 0xef, 0xbb, 0xbf] | [rest @ .., 0 | b'\t'..=b'\r' | b' '] = text {
        text = rest;
    }
    match str::from_utf8(text) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(text),
    }
}

/// Escapes control characters in the strings of a text of JSON, which forbids them there.
pub(crate) fn escape_controls(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let (mut in_string, mut after_backslash) = (false, false);
    for character in text.chars() {
        if in_string && character < ' ' {
            let _ = write!(json, "\\u{:04x}", u32::from(character));
        } else {
            json.push(character);
        }
        in_string ^= character == '"' && !after_backslash;
        after_backslash = in_string && character == '\\' && !after_backslash;
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_surrounds_a_text_is_no_part_of_it() {
        for body in [
            "{}",
            "\u{feff}{}",
            "\r\n\u{feff}{}",
            "\u{feff}\u{feff}{}",
            "\0\0{}",
            "\u{b}\u{feff}\0 {}",
            "{}\n\u{feff}",
            "{}\0",
            "{}\r\n\0\0\n",
            " {}\u{b} ",
        ] {
            assert_eq!(body_text(body.as_bytes()), "{}", "{body:?}");
        }
        assert_eq!(body_text(b"{}\0x"), "{}\0x");
        assert_eq!(body_text(b""), "");
        assert_eq!(body_text(b"\xef\xbb\xbf"), "");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(body_text(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn control_characters_in_strings_are_escaped() {
        for (body, json) in [
            ("{\n\t\"a\":\r\n7}", "{\n\t\"a\":\r\n7}"),
            ("{\"a\":\"\u{1b}[2J\n\"}", r#"{"a":"\u001b[2J\u000a"}"#),
            (
                "[\"\\\"\t\",\n\"\\\\\",\n\"\0\"]",
                "[\"\\\"\\u0009\",\n\"\\\\\",\n\"\\u0000\"]",
            ),
        ] {
            assert_eq!(escape_controls(body), json);
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
    }
}
