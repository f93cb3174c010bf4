//! The strict grammar of JSON. What passes here, `serde_json` reads in the same way.
//!
//! The functions take the position of something, and return the position after it; `None` if it is not there.

/// An object or an array. `item` takes the first byte of a member or of an element, and its position.
#[inline]
pub(super) fn container(
    text: &[u8],
    start: usize,
    mut item: impl FnMut(u8, usize) -> Option<usize>,
) -> Option<usize> {
    let close = if text.get(start)? == &b'{' {
        b'}'
    } else {
        b']'
    };
    let (mut byte, mut at) = token(text, start + 1)?;
    if byte == close {
        return Some(at + 1);
    }
    loop {
        (byte, at) = token(text, item(byte, at)?)?;
        if byte != b',' {
            return (byte == close).then_some(at + 1);
        }
        (byte, at) = token(text, at + 1)?;
    }
}

/// Returns the first byte that is not white space, and its position.
#[inline]
pub(super) fn token(text: &[u8], start: usize) -> Option<(u8, usize)> {
    let mut at = start;
    loop {
        match *text.get(at)? {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            byte => return Some((byte, at)),
        }
    }
}

/// Returns the first byte of the value of a member, and its position.
#[inline]
pub(super) fn member_value(text: &[u8], key_end: usize) -> Option<(u8, usize)> {
    match token(text, key_end)? {
        (b':', at) => token(text, at + 1),
        _ => None,
    }
}

/// A value that is neither an object nor an array.
#[inline]
pub(super) fn scalar(text: &[u8], first: u8, start: usize) -> Option<usize> {
    match first {
        b'"' => string(text, first, start),
        b't' => word(text, start, b"true"),
        b'f' => word(text, start, b"false"),
        b'n' => word(text, start, b"null"),
        _ => number(text, start),
    }
}

#[inline]
pub(super) fn string(text: &[u8], first: u8, start: usize) -> Option<usize> {
    if first != b'"' {
        return None;
    }
    let at = plain(text, start + 1)?;
    match text.get(at)? {
        b'"' => Some(at + 1),
        b'\\' => escaped_string(text, at),
        _ => None,
    }
}

/// The rest of a string, from a backslash in it.
#[cold]
fn escaped_string(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(b'\\') = text.get(at) {
        at = plain(text, escape(text, at + 1)?)?;
    }
    byte(text, at, b'"')
}

/// Bytes that stand for themselves in a string.
#[inline]
fn plain(text: &[u8], start: usize) -> Option<usize> {
    let mut rest = text.get(start..)?;
    while let Some((bytes, after)) = rest.split_first_chunk() {
        let special = special(u64::from_le_bytes(*bytes));
        if special != 0 {
            return Some(text.len() - rest.len() + special.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    // The zeros that fill up to eight bytes are special, so that the search stops at the end of the text.
    let mut bytes = [0; 8];
    bytes[..rest.len()].copy_from_slice(rest);
    let special = special(u64::from_le_bytes(bytes));
    Some(text.len() - rest.len() + special.trailing_zeros() as usize / 8)
}

/// Sets the highest bit of the first of eight bytes that does not stand for itself in a string, and of none before it.
#[inline]
fn special(bytes: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    // With this bit flipped, a quote is a space, and what is below a space stays there.
    let quote_or_control = (bytes ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (bytes ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !bytes & (ONES << 7)
}

fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 1),
        b'u' => {
            let digits = text.get(at + 1..at + 5)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 5)
        }
        _ => None,
    }
}

fn number(text: &[u8], start: usize) -> Option<usize> {
    let first = byte(text, start, b'-').unwrap_or(start);
    let mut at = match byte(text, first, b'0') {
        Some(end) => end,
        None => digits(text, first)?,
    };
    if let Some(fraction) = byte(text, at, b'.') {
        at = digits(text, fraction)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = text.get(at + 1);
        let exponent = at + 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
        at = digits(text, exponent)?;
    }
    Some(at)
}

fn digits(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    (at > start).then_some(at)
}

fn word(text: &[u8], start: usize, word: &[u8]) -> Option<usize> {
    let is_there = text.get(start..)?.starts_with(word);
    is_there.then_some(start + word.len())
}

fn byte(text: &[u8], at: usize, byte: u8) -> Option<usize> {
    (*text.get(at)? == byte).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_special_byte_is_found_anywhere() {
        let is_special = |byte: u8| matches!(byte, b'"' | b'\\' | ..b' ');
        for (first, second) in (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b))) {
            for at in 0..7 {
                let mut bytes = [b'a'; 8];
                bytes[at] = first;
                bytes[at + 1] = second;
                let found = special(u64::from_le_bytes(bytes)).trailing_zeros() as usize / 8;
                let expected = bytes.iter().position(|byte| is_special(*byte));
                assert_eq!(found, expected.unwrap_or(8), "{bytes:?}");
            }
        }
    }

    #[test]
    fn string_ends_at_its_quote_whatever_its_length() {
        for length in 0..40 {
            for (inner, after) in ["a", "é", "影", "\\\"", "\\u0022"]
                .into_iter()
                .flat_map(|inner| ["", ",", "}]}]}]}]}]"].map(|after| (inner, after)))
            {
                let text = format!("\"{}{inner}\"", "x".repeat(length));
                let end = string(format!("{text}{after}").as_bytes(), b'"', 0);
                assert_eq!(end, Some(text.len()), "{text}{after}");
                let open = &text[..text.len() - 1];
                assert_eq!(string(open.as_bytes(), b'"', 0), None, "{open}");
                let control = format!("{open}\n\"{after}");
                assert_eq!(string(control.as_bytes(), b'"', 0), None, "{control}");
            }
        }
    }
}
