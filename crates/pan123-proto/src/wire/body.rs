//! The text of a body.

use std::borrow::Cow;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the text of a body without a byte order mark before it and without white space and NUL after it. Bytes that are not
/// UTF-8 become `U+FFFD`: in one string they must not hide what stands beside it.
pub(crate) fn body_text(body: &[u8]) -> Cow<'_, str> {
    let mut text = body.trim_ascii_start();
    text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    while let [rest @ .., 0 | b'\t'..=b'\r' | b' '] = text {
        text = rest;
    }
    String::from_utf8_lossy(text)
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
            "{}\0",
            "{}\r\n\0\0\n",
            " {}\u{b} ",
        ] {
            assert_eq!(body_text(body.as_bytes()).trim_start(), "{}", "{body:?}");
        }
        assert_eq!(body_text(b"{}\0x"), "{}\0x");
        assert_eq!(body_text(b""), "");
        assert_eq!(body_text(b"\xef\xbb\xbf"), "");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_replaced() {
        assert_eq!(body_text(b"a\xffb"), "a\u{fffd}b");
    }
}
