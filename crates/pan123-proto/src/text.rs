//! Characters that a reader does not see, and foreign texts made safe to show.

use std::fmt::{self, Write};

/// Whether this character shows nothing by itself and may change how the text around it is shown: a control or format character,
/// or a line or paragraph separator.
///
/// The format characters that have a shape of their own, such as the Arabic number signs, are not among them, nor are variation
/// selectors, which belong to the character before them.
pub(crate) fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
        )
}

/// Whether this character shows nothing: white space, an invisible character, or one that only fills a place.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || is_invisible(character)
        || matches!(
            character,
            '\u{34f}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180d}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{ffa0}'
        )
}

/// Returns the first invisible character that has no business where it stands, with its position in characters from 0.
///
/// A joiner or non-joiner between two visible characters beyond ASCII stays, as in emoji and in Persian words, and so do the tags
/// that make a flag.
pub(crate) fn find_invisible(text: &str) -> Option<(usize, char)> {
    let mut before = None;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let after = characters.peek().map(|&(_, next)| next);
        if is_invisible(character) && !belongs_between(before, character, after) {
            return Some((at, character));
        }
        before = Some(character);
    }
    None
}

/// Returns the text without the invisible characters that have no business where they stand.
pub(crate) fn without_invisible(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let (before, after) = (kept.chars().next_back(), characters.peek().copied());
        if !is_invisible(character) || belongs_between(before, character, after) {
            kept.push(character);
        }
    }
    kept
}

fn belongs_between(before: Option<char>, character: char, after: Option<char>) -> bool {
    let joins = |side: Option<char>| side.is_some_and(|c| !c.is_ascii() && !is_invisible(c));
    match character {
        '\u{200c}' | '\u{200d}' => joins(before) && joins(after),
        '\u{e0020}'..='\u{e007f}' => {
            matches!(before, Some('\u{1f3f4}' | '\u{e0020}'..='\u{e007e}'))
        }
        _ => false,
    }
}

/// Shows a text from outside on one line: invisible characters are escaped, so that none moves a cursor, starts a line of a log or
/// turns the direction of writing.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                hidden if is_invisible(hidden) => write!(f, "{}", hidden.escape_unicode())?,
                shown => f.write_char(shown)?,
            }
        }
        Ok(())
    }
}

/// Returns at most `max` characters of a text from outside in a form that may be shown.
pub(crate) fn shown(text: String, max: usize) -> String {
    if text.chars().any(is_invisible) {
        Escaped(&text).to_string().chars().take(max).collect()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_found_with_their_position() {
        for (text, expected) in [
            ("https://a/\u{200b}", Some((10, '\u{200b}'))),
            ("\u{feff}https://a/", Some((0, '\u{feff}'))),
            ("测\u{202e}4pm", Some((1, '\u{202e}'))),
            ("a\u{200d}b", Some((1, '\u{200d}'))),
            ("测\u{200d}", Some((1, '\u{200d}'))),
            ("👩\u{200d}\u{200b}👧", Some((1, '\u{200d}'))),
            ("a\u{e0061}", Some((1, '\u{e0061}'))),
            ("a\nb", Some((1, '\n'))),
            ("a\u{2028}b", Some((1, '\u{2028}'))),
        ] {
            assert_eq!(find_invisible(text), expected, "{text:?}");
            let kept = without_invisible(text);
            assert_eq!(find_invisible(&kept), None, "{kept:?}");
        }
        assert_eq!(without_invisible("\u{feff}a\u{200d}b\u{202e}"), "ab");
    }

    #[test]
    fn characters_that_belong_where_they_stand_are_not_found() {
        for text in [
            "",
            "plain ascii",
            "测试 视频",
            "👨\u{200d}👩\u{200d}👧.mp4",
            "🏳\u{fe0f}\u{200d}🌈",
            "می\u{200c}خواهم",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "葛\u{e0100}",
        ] {
            assert_eq!(find_invisible(text), None, "{text:?}");
            assert_eq!(without_invisible(text), text);
        }
    }

    #[test]
    fn escaped_text_stays_on_its_line_and_in_its_direction() {
        let shown = |text| Escaped(text).to_string();
        assert_eq!(shown("源已失效 ok \\ \"q\""), "源已失效 ok \\ \"q\"");
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown("a\nb\r\tc\0"), "a\\nb\\r\\tc\\u{0}");
        assert_eq!(shown("\u{202e}4pm\u{2028}"), "\\u{202e}4pm\\u{2028}");
    }
}
