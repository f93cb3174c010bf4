//! The keys of downloads in a ledger.
//!
//! A key is made of what is ordered, so that the same order again is the same item: `film.mkv~0f4c…`. What stands before the `~` is the
//! name that people see; the digits stand for URL, name and folder. `--again` makes another order of it: `film.mkv~0f4c…-2`.

use pan123_async::{Download, ItemKey};
use sha2::{Digest, Sha256};

use crate::lists::Folder;
use crate::words::hex;

/// The number of hexadecimal digits, 80 bits: no two of a billion downloads have the same ones.
const DIGITS: usize = 20;
/// The maximum length of a name in a key.
const MAX_NAME_CHARS: usize = 60;
const MAX_NAME_BYTES: usize = 200;

/// Returns the key of a download, ordered for this time, from 1.
pub(crate) fn key_of(download: &Download, folder: Option<&Folder>, time: u64) -> ItemKey {
    let digest = digest(download, folder);
    let mut name = String::new();
    for character in name_of(download).chars().take(MAX_NAME_CHARS) {
        if name.len() + character.len_utf8() <= MAX_NAME_BYTES && !character.is_control() {
            name.push(character);
        }
    }
    let number = if time > 1 {
        format!("-{time}")
    } else {
        String::new()
    };
    ItemKey::new(format!("{name}~{digest}{number}")).expect("1 to 256 bytes by construction")
}

/// Returns the name in a key, or the whole key if it is the user's own.
pub(crate) fn name_in(key: &str) -> &str {
    match key.rsplit_once('~') {
        Some((name, rest)) if !name.is_empty() && is_digest(rest) => name,
        _ => key,
    }
}

/// Returns what is enough of a key to name its item: its digits, or the whole key if it is the user's own.
pub(crate) fn short_key(key: &str) -> &str {
    match key.rsplit_once('~') {
        Some((_, rest)) if is_digest(rest) => rest,
        _ => key,
    }
}

fn is_digest(text: &str) -> bool {
    let (digits, number) = text.split_once('-').unwrap_or((text, "1"));
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digits.len() == DIGITS && digits.bytes().all(is_hex) && number.parse::<u64>().is_ok()
}

fn digest(download: &Download, folder: Option<&Folder>) -> String {
    let folder = folder.map(ToString::to_string).unwrap_or_default();
    let name = download.name().unwrap_or_default();
    let mut digest = Sha256::new();
    for text in [download.url(), name, &folder] {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    hex(&digest.finalize()[..DIGITS / 2])
}

/// Returns what names a download for people: its name, or that of the file in its URL, or the host. A last segment without an extension
/// may be a secret, and tells nobody anything.
pub(crate) fn name_of(download: &Download) -> String {
    if let Some(name) = download.name() {
        return name.to_owned();
    }
    let suggested = download.suggested_file_name();
    match suggested.filter(|name| has_extension(name)) {
        Some(name) => name,
        None => host_of(download.url()).to_owned(),
    }
}

fn has_extension(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = &rest[..end];
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(url: &str) -> Download {
        Download::new(url).unwrap()
    }

    #[test]
    fn a_key_names_what_people_know_and_no_secret() {
        for (url, name) in [
            (
                "https://user:pw@example.com/a/film.mkv?sig=secret",
                "film.mkv",
            ),
            ("https://example.com/%E7%94%B5%E5%BD%B1.mp4", "电影.mp4"),
            (
                "https://user:pw@example.com/dl/1f9c0d2e7b?x=1",
                "example.com",
            ),
            ("https://example.com:8443", "example.com:8443"),
        ] {
            let key = key_of(&download(url), None, 1);
            assert_eq!(name_in(key.as_str()), name, "{url}");
            assert_eq!(short_key(key.as_str()).len(), DIGITS);
        }
        for own in ["row 17", "~notes", "a~b"] {
            assert_eq!((name_in(own), short_key(own)), (own, own));
        }
    }

    #[test]
    fn the_same_order_has_the_same_key_and_any_other_another() {
        let film = || download("https://example.com/film.mkv");
        let folder: Folder = "/videos".parse().unwrap();
        let other: Folder = "/other".parse().unwrap();
        let keys = [
            key_of(&film(), None, 1),
            key_of(&film(), None, 2),
            key_of(&film(), Some(&folder), 1),
            key_of(&film(), Some(&other), 1),
            key_of(&film().file_name("a.mkv").unwrap(), None, 1),
            key_of(&download("https://example.com/film.mkv?x"), None, 1),
        ];
        assert_eq!(keys[0], key_of(&film(), None, 1));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{key}");
        }
        assert!(keys[1].as_str().ends_with("-2"), "{}", keys[1]);
        assert_eq!(name_in(keys[1].as_str()), "film.mkv");
    }

    #[test]
    fn a_long_name_still_fits() {
        let name = format!("{}.mkv", "影".repeat(250));
        let named = download("https://example.com/").file_name(name).unwrap();
        let key = key_of(&named, None, u64::MAX);
        assert!(key.as_str().starts_with("影影") && key.as_str().len() <= ItemKey::MAX_BYTES);
    }
}
