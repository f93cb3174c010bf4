//! The names that the service accepts, and names that are proposed for a file.

use percent_encoding::percent_decode_str;

use crate::error::FileNameFault;
use crate::text::{find_invisible, is_blank, trim_end, without_invisible};

/// The maximum length of a name, in characters.
const MAX_CHARS: usize = 255;

/// The maximum length of what counts as an extension, in characters, without its dot.
const MAX_EXTENSION_CHARS: usize = 16;

pub(crate) fn check_file_name(name: &str) -> Result<(), FileNameFault> {
    if name.is_empty() {
        return Err(FileNameFault::Empty);
    }
    if name.chars().all(is_blank) {
        return Err(FileNameFault::Blank);
    }
    if matches!(name.trim_matches(is_blank), "." | "..") {
        return Err(FileNameFault::Dots);
    }
    if let Some((at, character)) = find_invisible(name) {
        return Err(FileNameFault::Invisible(character, at));
    }
    let length = name.chars().count();
    if length > MAX_CHARS {
        return Err(FileNameFault::TooLong(length));
    }
    match name.chars().find(|&c| is_forbidden(c)) {
        Some(character) => Err(FileNameFault::Forbidden(character)),
        None => Ok(()),
    }
}

fn is_forbidden(character: char) -> bool {
    "\"\\/:*?|><".contains(character)
}

/// Makes a name of a segment of a URL's path; none if nothing of it can be a name.
pub(crate) fn propose_file_name(segment: &str) -> Option<String> {
    let decoded = percent_decode_str(segment).decode_utf8().ok()?;
    let allowed = |c| if is_forbidden(c) { '_' } else { c };
    let name: String = without_invisible(&decoded).chars().map(allowed).collect();
    let name = shortened(trimmed(&name));
    check_file_name(&name).is_ok().then_some(name)
}

/// Without blanks at either end and dots at the end, which some systems drop. A dot at the start stays.
fn trimmed(name: &str) -> &str {
    let name = name.trim_start_matches(is_blank);
    trim_end(name, |c| c == '.')
}

/// Returns at most [`MAX_CHARS`] characters of the name, with its extension.
fn shortened(name: &str) -> String {
    if name.chars().count() <= MAX_CHARS {
        return name.to_owned();
    }
    let (stem, extension) = name.split_at(extension_start(name));
    let room = MAX_CHARS - extension.chars().count();
    let end = stem
        .char_indices()
        .nth(room)
        .map_or(stem.len(), |(at, _)| at);
    // The cut may have left one half of a joined emoji.
    let stem = trimmed(&stem[..end]);
    [stem, extension].concat()
}

/// Returns where the extension begins, with its dot and with a `.tar` before it; the end if there is none.
fn extension_start(name: &str) -> usize {
    let Some(at) = name.rfind('.') else {
        return name.len();
    };
    let extension = &name[at + 1..];
    let is_extension = (1..=MAX_EXTENSION_CHARS).contains(&extension.chars().count())
        && !extension.contains(char::is_whitespace);
    if at == 0 || !is_extension {
        return name.len();
    }
    let tar = at.checked_sub(".tar".len()).filter(|&tar| tar > 0);
    tar.filter(|&tar| {
        name.get(tar..at)
            .is_some_and(|found| found.eq_ignore_ascii_case(".tar"))
    })
    .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        let long = "影".repeat(256);
        for (name, expected) in [
            ("", FileNameFault::Empty),
            (" ", FileNameFault::Blank),
            ("\u{3000}\u{a0}\t", FileNameFault::Blank),
            ("\u{3164}\u{115f}\u{2800}", FileNameFault::Blank),
            ("\u{200b}", FileNameFault::Blank),
            ("\u{e0100}", FileNameFault::Blank),
            ("\u{fe0f}.mp4", FileNameFault::Invisible('\u{fe0f}', 0)),
            (".", FileNameFault::Dots),
            ("..", FileNameFault::Dots),
            (" ..\u{3000}", FileNameFault::Dots),
            ("..\u{200b}", FileNameFault::Dots),
            (
                "测试\u{202e}4pm.exe",
                FileNameFault::Invisible('\u{202e}', 2),
            ),
            ("a\u{200b}.mp4", FileNameFault::Invisible('\u{200b}', 1)),
            ("\u{feff}a", FileNameFault::Invisible('\u{feff}', 0)),
            ("a\nb", FileNameFault::Invisible('\n', 1)),
            ("a\0", FileNameFault::Invisible('\0', 1)),
            ("a/b", FileNameFault::Forbidden('/')),
            (&long, FileNameFault::TooLong(256)),
        ] {
            assert_eq!(check_file_name(name), Err(expected), "{name:?}");
        }
        for name in [
            "...",
            ".env",
            " a ",
            "a.",
            "👨\u{200d}👩\u{200d}👧.mp4",
            "می\u{200c}خواهم.txt",
            "അവന്\u{200d}.mp4",
            "क्\u{200d}",
            "葛\u{e0100}.mp4",
            "\u{3164}a",
        ] {
            assert_eq!(check_file_name(name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn names_are_proposed() {
        for (segment, expected) in [
            ("b.mp4", Some("b.mp4")),
            ("a%2Fb", Some("a_b")),
            ("%E7%94%B5%E5%BD%B1%3F.mp4", Some("电影_.mp4")),
            ("%E2%80%8Ba%EF%BB%BF%0Ab%E2%80%AE.mp4", Some("ab.mp4")),
            ("%20a%20b.mp4.%E3%80%80", Some("a b.mp4")),
            (".env", Some(".env")),
            ("അവന്\u{200d}.mp4", Some("അവന്\u{200d}.mp4")),
            ("അവന്\u{200d}%20", Some("അവന്\u{200d}")),
            ("%EF%B8%8Fa❤\u{fe0f}", Some("a❤\u{fe0f}")),
            ("👨\u{200d}👩.mp4", Some("👨\u{200d}👩.mp4")),
            ("", None),
            (".", None),
            ("%2e%2E", None),
            ("...", None),
            ("%20%E2%80%8B", None),
            ("%E3%85%A4", None),
            ("%FF", None),
        ] {
            assert_eq!(propose_file_name(segment).as_deref(), expected, "{segment}");
        }
    }

    #[test]
    fn a_long_proposal_keeps_its_extension() {
        let long = "影".repeat(300);
        let cut = |length: usize| "影".repeat(length);
        for (segment, expected) in [
            (format!("{long}.mp4"), cut(251) + ".mp4"),
            (format!("{long}.tar.gz"), cut(248) + ".tar.gz"),
            (format!("{long}.TAR.zst"), cut(247) + ".TAR.zst"),
            (format!("{long}.影片"), cut(252) + ".影片"),
            (long.clone(), cut(255)),
            (format!("a.{long}"), format!("a.{}", cut(253))),
            (format!(".{long}"), format!(".{}", cut(254))),
            (format!("{}. b", cut(300)), cut(255)),
            (format!("{}   {}.mp4", cut(250), cut(9)), cut(250) + ".mp4"),
            (format!("{}👨\u{200d}👩.mp4", cut(249)), cut(249) + "👨.mp4"),
        ] {
            let name = propose_file_name(&segment).unwrap();
            assert_eq!(name, expected);
            assert_eq!(check_file_name(&name), Ok(()));
        }
    }
}
