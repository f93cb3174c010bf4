//! How a name that is looked for compares with the names in the drive.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The folder in the root that the service saves downloads to by default.
pub(super) const DEFAULT_DIR: &str = "来自:离线下载";
/// The same folder on one page of the documentation: with a full-width colon.
const DEFAULT_DIR_FULL_WIDTH: &str = "来自：离线下载";

/// How alike two names are, from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Likeness {
    /// They are two spellings of [`DEFAULT_DIR`].
    DefaultDir,
    /// They differ in their Unicode normalization only, as NFC from NFD: a reader sees the same name.
    Normalized,
    Exact,
}

/// Compares two names by this rule: exactly, or else in their normalized forms.
pub(super) fn likeness(
    found: &str,
    wanted: &str,
    is_same: impl Fn(&str, &str) -> bool,
) -> Option<Likeness> {
    if is_same(found, wanted) {
        return Some(Likeness::Exact);
    }
    let (found, wanted) = (normalized(found), normalized(wanted));
    is_same(&found, &wanted).then_some(Likeness::Normalized)
}

/// Whether a name that cannot be read to its end, with `U+FFFD` in place of what is no character, may be this one.
pub(super) fn may_be(found: &str, wanted: &str, is_same: impl Fn(&str, &str) -> bool) -> bool {
    match found.split_once(char::REPLACEMENT_CHARACTER) {
        None => likeness(found, wanted, is_same).is_some(),
        Some((start, _)) => {
            wanted.starts_with(start) || normalized(wanted).starts_with(&*normalized(start))
        }
    }
}

/// Whether a name that may not be read to its end may be this one, or a spelling of [`DEFAULT_DIR`] beside another.
pub(super) fn may_be_sought(found: &str, wanted: &str) -> bool {
    may_be(found, wanted, str::eq) || (is_default_dir(found) && is_default_dir(wanted))
}

/// Whether this is a spelling of [`DEFAULT_DIR`].
pub(super) fn is_default_dir(name: &str) -> bool {
    [DEFAULT_DIR, DEFAULT_DIR_FULL_WIDTH].contains(&name)
}

pub(super) fn normalized(name: &str) -> Cow<'_, str> {
    if name.is_ascii() || is_nfc(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.nfc().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_forms_of_one_name_are_alike_and_nothing_else_is() {
        for (found, wanted, expected) in [
            ("film", "film", Some(Likeness::Exact)),
            ("\u{e9}", "\u{e9}", Some(Likeness::Exact)),
            ("e\u{301}", "\u{e9}", Some(Likeness::Normalized)),
            ("\u{e9}", "e\u{301}", Some(Likeness::Normalized)),
            // Two marks in either order, and half composed.
            (
                "e\u{323}\u{302}",
                "\u{ea}\u{323}",
                Some(Likeness::Normalized),
            ),
            ("\u{1112}\u{1161}\u{11ab}", "한", Some(Likeness::Normalized)),
            ("か\u{3099}", "が", Some(Likeness::Normalized)),
            ("e", "\u{e9}", None),
            ("\u{c9}", "\u{e9}", None),
            ("Film", "film", None),
            ("ｆilm", "film", None),
            ("a：b", "a:b", None),
            ("ﬁlm", "film", None),
        ] {
            assert_eq!(
                likeness(found, wanted, str::eq),
                expected,
                "{found} for {wanted}"
            );
        }
    }
}
