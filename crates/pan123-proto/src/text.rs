//! Characters that a reader does not see, and foreign texts made safe to show.

use std::fmt::{self, Write};

use unicode_normalization::char::canonical_combining_class;

/// Whether this character shows nothing by itself and may change how the text around it is shown: a control or format character,
/// a line or paragraph separator, or one that no text has.
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
                | '\u{fff0}'..='\u{fffc}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
}

/// Whether this character shows nothing: white space, an invisible character, one that only fills a place, or one that only
/// changes the character before it.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || is_invisible(character)
        || is_variation_selector(character)
        || is_hidden_mark(character)
        || is_filler(character)
}

/// Whether this takes the room of a letter and shows none.
fn is_filler(character: char) -> bool {
    matches!(
        character,
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{1d159}'
    )
}

/// Whether this chooses a form of the character before it.
fn is_variation_selector(character: char) -> bool {
    matches!(
        character,
        '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Whether this is a combining mark that shows nothing.
fn is_hidden_mark(character: char) -> bool {
    matches!(character, '\u{34f}' | '\u{17b4}' | '\u{17b5}')
}

/// Whether this character shows nothing, and yet may belong to the ones beside it.
pub(crate) fn may_belong(character: char) -> bool {
    is_variation_selector(character)
        || is_hidden_mark(character)
        || matches!(
            character,
            '\u{180e}' | '\u{200c}' | '\u{200d}' | '\u{e0020}'..='\u{e007f}'
        )
}

/// Returns the first invisible character that has no business where it stands, with its position in characters from 0.
///
/// A joiner stays after a virama and between two visible characters beyond ASCII, as in emoji and in Persian words, and so do the
/// tags that make a flag, and whatever chooses a form of a visible character.
pub(crate) fn find_invisible(text: &str) -> Option<(usize, char)> {
    if is_plain(text) {
        return None;
    }
    let mut before = None;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let after = characters.peek().map(|&(_, next)| next);
        if !has_business(before, character, after) {
            return Some((at, character));
        }
        before = Some(character);
    }
    None
}

/// Whether this is ASCII of which all can be seen, as most texts are.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns the text without the invisible characters that have no business where they stand.
pub(crate) fn without_invisible(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let (before, after) = (kept.chars().next_back(), characters.peek().copied());
        if has_business(before, character, after) {
            kept.push(character);
        }
    }
    kept
}

/// Returns the text without blanks, and what else is to go, at its end. What belongs to its last character stays.
pub(crate) fn trim_end(text: &str, is_more: impl Fn(char) -> bool) -> &str {
    let mut kept = text.trim_end_matches(|c| is_blank(c) || is_more(c));
    while let Some(character) = text[kept.len()..].chars().next() {
        if !may_belong(character) || !has_business(kept.chars().next_back(), character, None) {
            break;
        }
        kept = &text[..kept.len() + character.len_utf8()];
    }
    kept
}

fn has_business(before: Option<char>, character: char, after: Option<char>) -> bool {
    let is = |side: Option<char>, is_it: fn(char) -> bool| side.is_some_and(is_it);
    match character {
        // RFC 5892, appendix A, and wider: the joining letters of all scripts are not told from others.
        '\u{200c}' | '\u{200d}' => {
            is(before, is_virama) || is(before, is_beyond_ascii) && is(after, is_beyond_ascii)
        }
        '\u{e0020}'..='\u{e007f}' => {
            matches!(before, Some('\u{1f3f4}' | '\u{e0020}'..='\u{e007e}'))
        }
        '\u{180e}' => is(before, is_mongolian) && is(after, is_mongolian),
        mark if is_hidden_mark(mark) => is(before, is_beyond_ascii),
        form if is_variation_selector(form) => is(before, has_forms),
        other => !is_invisible(other),
    }
}

fn is_virama(character: char) -> bool {
    const VIRAMA: u8 = 9;
    canonical_combining_class(character) == VIRAMA
}

fn is_beyond_ascii(character: char) -> bool {
    !character.is_ascii() && !is_invisible(character) && !character.is_whitespace()
}

fn is_mongolian(character: char) -> bool {
    matches!(character, '\u{1820}'..='\u{18aa}')
}

/// Whether this may be the character that a variation selector changes.
fn has_forms(character: char) -> bool {
    !is_blank(character) && (!character.is_ascii_punctuation() || matches!(character, '#' | '*'))
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
            // A joiner needs a virama before it, or letters beyond ASCII on both sides.
            ("می\u{200c}", Some((2, '\u{200c}'))),
            ("می\u{200c}.txt", Some((2, '\u{200c}'))),
            ("\u{200d}क", Some((0, '\u{200d}'))),
            ("क्\u{200d}\u{200d}", Some((3, '\u{200d}'))),
            ("a\u{200c}می", Some((1, '\u{200c}'))),
            ("页\u{3000}\u{200d}页", Some((2, '\u{200d}'))),
            // A form needs a character.
            ("\u{fe0f}", Some((0, '\u{fe0f}'))),
            ("\u{e0100}", Some((0, '\u{e0100}'))),
            ("a/\u{e01ef}b", Some((2, '\u{e01ef}'))),
            ("a \u{fe00}", Some((2, '\u{fe00}'))),
            ("葛\u{e0100}\u{e0101}", Some((2, '\u{e0101}'))),
            ("\u{180b}", Some((0, '\u{180b}'))),
            ("\u{180f}", Some((0, '\u{180f}'))),
            ("\u{3164}\u{fe0f}", Some((1, '\u{fe0f}'))),
            ("a\u{34f}b", Some((1, '\u{34f}'))),
            ("\u{17b5}", Some((0, '\u{17b5}'))),
            ("a\u{180e}b", Some((1, '\u{180e}'))),
            ("ᠠ\u{180e}", Some((1, '\u{180e}'))),
            // These belong nowhere.
            ("a\u{e0001}", Some((1, '\u{e0001}'))),
            ("a\u{e0080}", Some((1, '\u{e0080}'))),
            ("a\u{e01f0}", Some((1, '\u{e01f0}'))),
            ("页\u{fff9}页", Some((1, '\u{fff9}'))),
            ("页\u{fffb}", Some((1, '\u{fffb}'))),
            ("a\u{fffc}", Some((1, '\u{fffc}'))),
            ("\u{fffe}a", Some((0, '\u{fffe}'))),
            ("𝄞\u{1d173}", Some((1, '\u{1d173}'))),
            ("a\u{2063}b", Some((1, '\u{2063}'))),
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
            "葛\u{e0100}.mp4",
            "❤\u{fe0f}.mp4",
            "1\u{fe0f}\u{20e3}",
            "ᠠ\u{180b}ᠠ\u{180e}ᠠ\u{180f}",
            "ש\u{5b7}\u{34f}\u{5bc}",
            "\u{115f}\u{1161} \u{1100}\u{1160}",
            "a\u{3164}\u{ffa0}\u{2800}b",
            "അവന്\u{200d}.mp4",
            "അവന്\u{200d}",
            "क्\u{200d}.mp4",
            "क्\u{200c} 1",
            "ශ්\u{200d}රී",
            "র\u{200d}\u{9cd}য",
            "க்\u{200c}",
        ] {
            assert_eq!(find_invisible(text), None, "{text:?}");
            assert_eq!(without_invisible(text), text);
        }
    }

    #[test]
    fn blank_characters_show_nothing() {
        for character in "\t \u{a0}\u{3000}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180b}\u{180e}\u{180f}\u{200d}\u{2800}\u{3164}\
            \u{fe00}\u{fe0f}\u{ffa0}\u{fffa}\u{1d159}\u{1d17a}\u{e0000}\u{e007f}\u{e0100}\u{e01ef}"
            .chars()
        {
            assert!(is_blank(character), "{character:?}");
        }
        for character in "a1.页é\u{301}\u{94d}👩𝄞\u{600}".chars() {
            assert!(!is_blank(character), "{character:?}");
        }
    }

    #[test]
    fn what_belongs_to_the_last_character_is_not_trimmed() {
        for (text, expected) in [
            ("അവന്\u{200d} \u{200b}", "അവന്\u{200d}"),
            ("葛\u{e0100}\u{e0100}", "葛\u{e0100}"),
            ("❤\u{fe0f}.", "❤\u{fe0f}"),
            ("👩\u{200d}", "👩"),
            ("a\u{3164}", "a"),
            ("\u{fe0f}", ""),
        ] {
            assert_eq!(trim_end(text, |c| c == '.'), expected, "{text:?}");
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
