//! GIDs: the ids of downloads that clients see.

use std::fmt;
use std::ops::RangeInclusive;

use pan123_async::ItemKey;
use sha2::{Digest, Sha256};

/// The id of a download: 16 lower-case hex digits, not all of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::serve) struct Gid(u64);

/// The first digits of a GID, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::serve) struct GidPrefix {
    pub(in crate::serve) range: RangeInclusive<Gid>,
    text: String,
}

impl Gid {
    pub(in crate::serve) const DIGITS: usize = 16;

    /// Returns a random GID.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub(in crate::serve) fn random() -> Result<Gid, getrandom::Error> {
        Ok(Gid(getrandom::u64()?.max(1)))
    }

    /// Reads all 16 digits.
    pub(in crate::serve) fn parse(text: &str) -> Option<Gid> {
        let is_whole = text.len() == Gid::DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_whole)?;
        (number > 0).then_some(Gid(number))
    }

    /// Returns the GID of an item: its key is one, or the item was added by another command, and gets one of its own that stays.
    pub(in crate::serve) fn of_key(key: &ItemKey) -> Gid {
        let text = key.as_str();
        let own = Gid::parse(text).filter(|gid| gid.to_string() == text);
        own.unwrap_or_else(|| {
            let digest: [u8; 32] = Sha256::digest(text).into();
            let first = digest.iter().take(8);
            Gid(first
                .fold(0, |number, &byte| number << 8 | u64::from(byte))
                .max(1))
        })
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl GidPrefix {
    /// Reads 1 to 16 hex digits.
    pub(super) fn parse(text: &str) -> Option<GidPrefix> {
        let is_hex = text.bytes().all(|b| b.is_ascii_hexdigit());
        let digits = u32::try_from(text.len()).ok()?;
        if !is_hex || !(1..=16).contains(&digits) {
            return None;
        }
        let missing = 4 * (16 - digits);
        let first = u64::from_str_radix(text, 16).ok()? << missing;
        let last = first | 1_u64.checked_shl(missing).map_or(0, |next| next - 1);
        Some(GidPrefix {
            range: Gid(first)..=Gid(last),
            text: text.to_owned(),
        })
    }
}

/// As the client wrote it.
impl fmt::Display for GidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gid_has_16_hex_digits_and_is_not_zero() {
        for (text, shown) in [
            ("00000000000000a1", Some("00000000000000a1")),
            ("ABCDEF0123456789", Some("abcdef0123456789")),
            ("0000000000000000", None),
            ("a1", None),
            ("00000000000000a1b", None),
            ("+000000000000001", None),
            ("000000000000000g", None),
            ("", None),
        ] {
            let gid = Gid::parse(text).map(|gid| gid.to_string());
            assert_eq!(gid.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn a_prefix_covers_what_begins_with_it() {
        let gid = |text| Gid::parse(text).unwrap();
        for (prefix, inside, outside) in [
            ("a1", "a1ffffffffffffff", "a200000000000000"),
            ("A1", "a100000000000001", "a0ffffffffffffff"),
            ("f", "ffffffffffffffff", "efffffffffffffff"),
            ("00000000000000a1", "00000000000000a1", "00000000000000a2"),
            ("ffffffffffffffff", "ffffffffffffffff", "fffffffffffffffe"),
        ] {
            let range = GidPrefix::parse(prefix).unwrap().range;
            assert!(range.contains(&gid(inside)), "{prefix}");
            assert!(!range.contains(&gid(outside)), "{prefix}");
        }
        for text in ["", "xyz", "+1", "00000000000000a1b", "影"] {
            assert_eq!(GidPrefix::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_item_of_another_command_has_a_gid_that_stays() {
        let gid = |key: &str| Gid::of_key(&ItemKey::new(key).unwrap()).to_string();
        assert_eq!(gid("00000000000000a1"), "00000000000000a1");
        assert_eq!(gid("row 7"), gid("row 7"));
        assert_ne!(gid("row 7"), gid("row 8"));
        // One that only looks like a GID is not the item of that GID.
        assert_ne!(gid("00000000000000A1"), "00000000000000a1");
    }
}
