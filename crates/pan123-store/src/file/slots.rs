//! A token file that is written in place, because it cannot be replaced: two copies of the token at fixed offsets.
//!
//! The file is one JSON object of 64 KiB, which an earlier version of this crate can read, too: the fields of the token, padded to
//! 32 KiB, and then the same fields once more as the field `copy`. Each copy begins with a checksum of the rest of it, and with
//! the number of the save. A save first writes the copy that is not the newest whole one, then the other, and the file is synced
//! after each: wherever it is cut off, one copy is whole. The newest whole one is the token.

use std::io;

use pan123_proto::StoredToken;
use serde_json::Value;

/// The size of a copy.
pub(super) const SIZE: usize = 32 * 1024;

/// How the copies begin, up to the checksum.
const HEADS: [&str; 2] = ["{\"check\":\"", "\"copy\":{\"check\":\""];
/// How they end.
const TAILS: [&str; 2] = [",\n", "}}\n"];
/// The length of a checksum in hexadecimal digits.
const CHECK: usize = 8;

/// A whole copy.
struct Copy {
    index: usize,
    /// The number of the save.
    save: u64,
    token: StoredToken,
}

/// Returns the token of the newest whole copy.
pub(super) fn read(content: &[u8]) -> Option<StoredToken> {
    newest(content).map(|copy| copy.token)
}

/// Whether the file has this form, even if no copy is whole.
pub(super) fn is_begun(content: &[u8]) -> bool {
    content.starts_with(HEADS[0].as_bytes())
}

/// The part of a file of any other form that is not left over from a save which was cut off: such a save began behind it.
pub(super) fn without_copies(content: &[u8]) -> &[u8] {
    if content.len() > 2 * SIZE {
        return content;
    }
    let is_nul = |byte: &u8| *byte == 0;
    let end = content.iter().position(is_nul).unwrap_or(content.len());
    let gap = content[end..].iter().take(SIZE.saturating_sub(end));
    if gap.clone().all(is_nul) {
        &content[..end]
    } else {
        content
    }
}

/// Returns what to write to a file with this content: offsets and bytes. The file must be synced after each.
pub(super) fn writes(content: &[u8], token: &StoredToken) -> io::Result<[(u64, Vec<u8>); 2]> {
    let newest = newest(content);
    // A file of the usual form is where the first copy will be.
    if newest.is_none() && !is_begun(content) && without_copies(content).len() >= SIZE {
        return Err(too_long("the token in it"));
    }
    let save = newest.as_ref().map_or(1, |copy| copy.save + 1);
    let first = newest.map_or(1, |copy| 1 - copy.index);
    let write = |index| {
        let offset = if index == 0 { 0 } else { SIZE as u64 };
        encode(index, save, token).map(|bytes| (offset, bytes))
    };
    Ok([write(first)?, write(1 - first)?])
}

fn newest(content: &[u8]) -> Option<Copy> {
    let copies = [0, 1].map(|index| decode(index, content));
    copies.into_iter().flatten().max_by_key(|copy| copy.save)
}

fn decode(index: usize, content: &[u8]) -> Option<Copy> {
    let copy = content.get(index * SIZE..(index + 1) * SIZE)?;
    let (check, rest) = copy
        .strip_prefix(HEADS[index].as_bytes())?
        .split_at_checked(CHECK)?;
    if check != checksum(rest).as_bytes() {
        return None;
    }
    let fields = rest
        .strip_prefix(b"\",")?
        .strip_suffix(TAILS[index].as_bytes())?;
    let object = [b"{", fields, b"}"].concat();
    let object: Value = serde_json::from_slice(&object).ok()?;
    let save = object.get("save")?.as_u64()?;
    let token = serde_json::from_value(object).ok()?;
    Some(Copy { index, save, token })
}

fn encode(index: usize, save: u64, token: &StoredToken) -> io::Result<Vec<u8>> {
    let token = serde_json::to_string(token)?;
    let mut rest = format!("\",\"save\":{save},");
    // Without the braces of the object.
    rest.push_str(&token[1..token.len() - 1]);
    let padding = SIZE.checked_sub(HEADS[index].len() + CHECK + rest.len() + TAILS[index].len());
    let padding = padding.ok_or_else(|| too_long("the token"))?;
    rest.push_str(&" ".repeat(padding));
    rest.push_str(TAILS[index]);
    Ok([HEADS[index], &checksum(rest.as_bytes()), &rest]
        .concat()
        .into_bytes())
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

fn too_long(what: &str) -> io::Error {
    io::Error::other(format!(
        "{what} is too long to be written in place: mount the folder of the file instead of the file alone"
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pan123_proto::{Account, ClockSkew};

    use super::*;

    fn token(value: &str) -> StoredToken {
        let account = Account::new("http://127.0.0.1", "id").of_user("}{");
        let skew = ClockSkew::Ahead(Duration::ZERO);
        StoredToken::new(account, value, None, skew).with_refresh_token(format!("{value} r}}"))
    }

    /// What a reader of the file finds: the token; none if it is blank.
    fn found(content: &[u8]) -> Option<String> {
        let token = read(content).or_else(|| {
            let usual = without_copies(content).trim_ascii();
            let parse = || serde_json::from_slice(usual).expect("the old token or the new one");
            (!usual.is_empty()).then(parse)
        });
        token.map(|token| token.expose().to_owned())
    }

    fn apply(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
        let offset = usize::try_from(offset).expect("a small file");
        content.resize(content.len().max(offset + bytes.len()), 0);
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn saved(mut content: Vec<u8>, value: &str) -> Vec<u8> {
        for (offset, bytes) in writes(&content, &token(value)).unwrap() {
            apply(&mut content, offset, &bytes);
        }
        content
    }

    /// Files that a save may find, and the token in them.
    fn files() -> Vec<(&'static str, Vec<u8>, Option<&'static str>)> {
        let usual = serde_json::to_vec_pretty(&token("old")).unwrap();
        let copies = saved(Vec::new(), "old");
        let mut second_is_newer = copies.clone();
        let [(offset, bytes), _] = writes(&copies, &token("newer")).unwrap();
        apply(&mut second_is_newer, offset, &bytes);
        let mut first_is_newer = second_is_newer.clone();
        let [(offset, bytes), _] = writes(&second_is_newer, &token("newest")).unwrap();
        apply(&mut first_is_newer, offset, &bytes);
        let mut torn_first_save = vec![b'\n'];
        apply(&mut torn_first_save, SIZE as u64, b"\"copy\":{\"che");
        vec![
            ("an empty file", Vec::new(), None),
            ("a line feed", vec![b'\n'], None),
            ("a file without a token", vec![0; 2 * SIZE], None),
            ("a first save that was cut off", torn_first_save, None),
            ("the usual form", usual, Some("old")),
            ("two copies", copies, Some("old")),
            ("the second copy is newer", second_is_newer, Some("newer")),
            ("the first copy is newer", first_is_newer, Some("newest")),
        ]
    }

    #[test]
    fn save_that_is_cut_off_at_any_byte_leaves_the_old_token_or_the_new_one() {
        for (what, before, old) in files() {
            assert_eq!(found(&before).as_deref(), old, "{what}");
            let mut content = before.clone();
            for (nth, (offset, bytes)) in writes(&before, &token("new")).unwrap().iter().enumerate()
            {
                let mut torn = content.clone();
                // Past the fields there is only padding, and then the end. Some files are enough for every byte.
                let step = if old == Some("old") { 1 } else { 7 };
                let cuts = (0..300).step_by(step).chain((SIZE - 9)..=SIZE);
                for cut in cuts {
                    apply(&mut torn, *offset, &bytes[..cut]);
                    let found = found(&torn);
                    let may_be_old = nth == 0 && cut < SIZE && found.as_deref() == old;
                    assert!(
                        may_be_old || found.as_deref() == Some("new"),
                        "{what}, write {nth}, cut off at {cut}: {found:?}"
                    );
                }
                apply(&mut content, *offset, bytes);
            }
            assert_eq!(content.len(), 2 * SIZE, "{what}");
        }
    }

    /// A power cut may keep any of the sectors that were written since the last sync.
    #[test]
    fn save_of_which_any_sectors_are_lost_leaves_the_old_token_or_the_new_one() {
        const SECTOR: usize = 512;
        let mut rng = fastrand::Rng::with_seed(123);
        for (what, before, old) in files() {
            let [(offset, bytes), (later, rest)] = writes(&before, &token("new")).unwrap();
            for round in 0..8 {
                let mut keep = |content: &mut Vec<u8>, offset: u64, bytes: &[u8]| {
                    for (nth, sector) in bytes.chunks(SECTOR).enumerate() {
                        if rng.bool() {
                            apply(content, offset + (nth * SECTOR) as u64, sector);
                        }
                    }
                };
                let mut torn = before.clone();
                keep(&mut torn, offset, &bytes);
                let found_first = found(&torn);
                assert!(
                    found_first.as_deref() == old || found_first.as_deref() == Some("new"),
                    "{what}, round {round}: {found_first:?}"
                );
                let mut torn = before.clone();
                apply(&mut torn, offset, &bytes);
                keep(&mut torn, later, &rest);
                assert_eq!(
                    found(&torn).as_deref(),
                    Some("new"),
                    "{what}, round {round}"
                );
            }
        }
    }

    #[test]
    fn earlier_version_reads_the_file() {
        let content = saved(saved(Vec::new(), "one"), "two");
        let token: StoredToken = serde_json::from_slice(&content).expect("one JSON object");
        assert_eq!(token.expose(), "two");
        assert_eq!(token.expose_refresh_token(), Some("two r}"));
        assert_eq!(token.account().user(), Some("}{"));
    }

    #[test]
    fn changed_byte_in_both_copies_leaves_no_token() {
        let content = saved(Vec::new(), "abc");
        let value = content.windows(3).position(|part| part == b"abc").unwrap();
        let mut damaged = content.clone();
        damaged[value] = b'x';
        assert_eq!(read(&damaged).unwrap().expose(), "abc", "the other copy");
        damaged[SIZE + value + HEADS[1].len() - HEADS[0].len()] = b'x';
        assert!(read(&damaged).is_none() && is_begun(&damaged));
    }

    #[test]
    fn token_that_does_not_fit_is_refused() {
        let long = token(&"x".repeat(SIZE / 2));
        assert!(writes(b"", &long).is_err());
        let usual = serde_json::to_vec(&long).unwrap();
        assert!(
            writes(&usual, &token("new")).is_err(),
            "it would be overwritten"
        );
    }
}
