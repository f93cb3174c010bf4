//! Names of files and folders.

use percent_encoding::percent_decode_str;

const FORBIDDEN: &str = "\"\\/:*?|><";

/// In characters.
const MAX_LENGTH: usize = 255;

/// The name of a file whose URL contains none.
const FALLBACK: &str = "download";

const AUDIO: [&str; 8] = ["aac", "ape", "flac", "m4a", "mp3", "ogg", "wav", "wma"];
const VIDEO: [&str; 10] = [
    "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpg", "rmvb", "webm", "wmv",
];
/// The formats that the image bed accepts.
const IMAGE: [&str; 9] = [
    "png", "gif", "jpeg", "tiff", "webp", "jpg", "tif", "svg", "bmp",
];

/// Returns whether clients may use this name.
pub(in crate::service) fn is_allowed(name: &str) -> bool {
    !name.trim().is_empty()
        && name.chars().count() <= MAX_LENGTH
        && !name.contains(|letter| FORBIDDEN.contains(letter))
}

/// Returns whether this name has the extension of an image.
pub(in crate::service) fn is_image(name: &str) -> bool {
    has_extension(name, &IMAGE)
}

/// Returns 0 for unknown, 1 for audio, 2 for video, 3 for an image.
pub(super) fn category(name: &str) -> u8 {
    let kinds: [&[&str]; 3] = [&AUDIO, &VIDEO, &IMAGE];
    let numbered = (1..).zip(kinds);
    let mut found = numbered.filter(|(_, kind)| has_extension(name, kind));
    found.next().map_or(0, |(number, _)| number)
}

/// Returns the name of the file behind a URL: the last segment of its path.
pub(in crate::service) fn from_url(url: &str) -> String {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    let behind_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = behind_scheme.split_once('/').map_or("", |(_, path)| path);
    let segment = path.rsplit('/').next().unwrap_or_default();
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    let name: String = decoded
        .chars()
        .map(|letter| {
            if FORBIDDEN.contains(letter) {
                '_'
            } else {
                letter
            }
        })
        .collect();
    let name = shortened(&name, MAX_LENGTH, |_| 1);
    if is_allowed(&name) {
        name
    } else {
        FALLBACK.to_owned()
    }
}

/// The longest extension in characters, with its dot. Anything longer is part of the name.
const MAX_EXTENSION: usize = 20;

/// Returns a name of at most this length, which keeps its extension. `length` is that of a character.
pub(crate) fn shortened(name: &str, max: usize, length: impl Fn(char) -> usize) -> String {
    let length_of = |text: &str| text.chars().map(&length).sum::<usize>();
    let dot = name.rfind('.');
    let dot = dot.filter(|dot| name[*dot..].chars().count() <= MAX_EXTENSION);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let mut left = max.saturating_sub(length_of(extension));
    let fits = |letter: &char| {
        let rest = left.checked_sub(length(*letter));
        left = rest.unwrap_or_default();
        rest.is_some()
    };
    stem.chars()
        .take_while(fits)
        .chain(extension.chars())
        .collect()
}

/// Appends a number to a name, before the extension of a file.
pub(crate) fn numbered(name: &str, number: u64, is_folder: bool) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !is_folder && !stem.is_empty() => {
            format!("{stem}({number}).{extension}")
        }
        _ => format!("{name}({number})"),
    }
}

fn has_extension(name: &str, known: &[&str]) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|it| known.iter().any(|known| it.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_name_is_the_last_path_segment_of_the_url() {
        for (url, name) in [
            ("https://example.com/a/b.zip", "b.zip"),
            ("https://example.com/b.zip?x=/c#/d", "b.zip"),
            ("http://a/%E6%B5%8B%E8%AF%95.mp4", "测试.mp4"),
            ("https://a/%2e%2fb%3A%zz", "._b_%zz"),
            ("https://a/1/...(过长省略)", "...(过长省略)"),
            ("https://example.com", "download"),
            ("https://example.com/", "download"),
            ("https://example.com/a/?b", "download"),
            ("https://example.com/%20", "download"),
        ] {
            assert_eq!(from_url(url), name, "{url}");
        }
        let long = from_url(&format!("https://example.com/{}.mp4", "好".repeat(300)));
        assert!(
            long.chars().count() == 255 && long.ends_with("好.mp4"),
            "{long}"
        );
    }

    #[test]
    fn names_are_limited_in_length_and_characters() {
        assert!(is_allowed("测试目录名称") && is_allowed(&"好".repeat(255)));
        assert!(!is_allowed("") && !is_allowed(" \t") && !is_allowed(&"a".repeat(256)));
        for letter in FORBIDDEN.chars() {
            assert!(!is_allowed(&format!("a{letter}b")), "{letter}");
        }
    }

    #[test]
    fn number_is_inserted_before_the_extension() {
        assert_eq!(numbered("a.tar.gz", 1, false), "a.tar(1).gz");
        assert_eq!(numbered("a", 2, false), "a(2)");
        assert_eq!(numbered(".profile", 3, false), ".profile(3)");
        assert_eq!(numbered("v1.0", 4, true), "v1.0(4)");
    }

    #[test]
    fn category_follows_the_extension() {
        let of = ["a", "a.zip", "a.mp3", "a.MKV", "a.b.Jpeg", "mp3"].map(category);
        assert_eq!(of, [0, 0, 1, 2, 3, 0]);
        assert!(is_image("a.svg") && !is_image("a.svg.mp4") && !is_image("png"));
    }
}
