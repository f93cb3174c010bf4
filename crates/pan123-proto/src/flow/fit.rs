//! How well an entry fits what is known of the file of a download.

use std::borrow::Cow;
use std::iter;
use std::time::{Duration, SystemTime};

use super::expected_file::{ExpectedFile, ExpectedName};
use super::names::{self, Likeness, likeness};
use crate::api::file::Entry;
use crate::error::UnreadableRow;
use crate::machine::{Input, Now};
use crate::wire::response::date;
use crate::wire::timestamp::ClockSkew;

/// How the file of a download was found, ordered from the least certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FoundBy {
    /// By its folder and its time: the download requested no name, and no file has the name guessed from the URL. Another file
    /// that came into the folder at the same time would look the same.
    Time,
    /// By the name guessed from the URL, and its time: the download requested no name.
    GuessedName,
    /// By the name that the download requested, and its time.
    RequestedName,
    /// By its id: a callback named it, and what the service says of it does not contradict the download.
    Id,
}

/// How well an entry fits, ordered from the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    pub(super) by: FoundBy,
    timing: Timing,
    name: Option<Likeness>,
}

/// What the dates of an entry say, if it is not too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timing {
    /// It has no date that can be read.
    Unknown,
    /// It is older, but was changed since: a download may have overwritten it.
    Changed,
    Created,
}

impl Fit {
    /// Returns how well the entry fits; `None` if it is not a file, is too old, or has another name than the requested one.
    pub(super) fn of(entry: &Entry, expected: &ExpectedFile, clocks: Clocks) -> Option<Fit> {
        entry.file()?;
        let timing = timing(entry, expected.created, clocks)?;
        let like = |name: &str| likeness(&entry.name, name, is_name_or_numbered);
        let (by, name) = match &expected.name {
            Some(ExpectedName::Requested(name)) => (FoundBy::RequestedName, Some(like(name)?)),
            Some(ExpectedName::Guessed(name)) => match like(name) {
                Some(name) => (FoundBy::GuessedName, Some(name)),
                None => (FoundBy::Time, None),
            },
            None => (FoundBy::Time, None),
        };
        Some(Fit { by, timing, name })
    }

    /// Whether it agrees with all that is known. A file that fits less may be another one, while the right one is listed late.
    pub(super) fn is_full(self, expected: &ExpectedFile) -> bool {
        match self.timing {
            Timing::Created => self.has_name(expected),
            // Moving or renaming a file changes it, too.
            Timing::Changed => self.name.is_some(),
            Timing::Unknown => false,
        }
    }

    /// Whether the entry was created since.
    pub(super) fn is_new(self) -> bool {
        self.timing == Timing::Created
    }

    /// Whether the entry has the expected name, or none is expected.
    pub(super) fn has_name(self, expected: &ExpectedFile) -> bool {
        self.name.is_some() || expected.name.is_none()
    }
}

/// Whether a row that cannot be read may be the file, by its name if that is known.
pub(super) fn may_be(row: &UnreadableRow, expected: &ExpectedFile) -> bool {
    let may_have_name = |found: &str| match &expected.name {
        Some(ExpectedName::Requested(name)) => names::may_be(found, name, is_name_or_numbered),
        Some(ExpectedName::Guessed(_)) | None => true,
    };
    row.is_dir != Some(true) && row.name().is_none_or(may_have_name)
}

/// The later of two dates decides; `None` if it is too early.
fn timing(entry: &Entry, earliest: SystemTime, clocks: Clocks) -> Option<Timing> {
    let fits = |at| clocks.local_time(at) + clocks.tolerance() >= earliest;
    match (entry.created_at, entry.updated_at) {
        (None, None) => Some(Timing::Unknown),
        (Some(created), _) if fits(created) => Some(Timing::Created),
        (_, Some(updated)) if fits(updated) => Some(Timing::Changed),
        _ => None,
    }
}

/// How the service's clock compares with the local one by the last response with a `Date`; `None` before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks(Option<ClockSkew>);

impl Clocks {
    /// Takes the service's time from a response.
    pub(super) fn hear(&mut self, now: Now, input: &Input) {
        if let Input::Response(response) = input
            && let Some(date) = date(response.headers())
        {
            *self = Clocks(Some(ClockSkew::between(date, now.wall)));
        }
    }

    fn local_time(self, service: SystemTime) -> SystemTime {
        self.0.map_or(service, |skew| skew.local_time(service))
    }

    /// How much earlier than its download a file may seem to be. Both dates are in whole seconds.
    fn tolerance(self) -> Duration {
        Duration::from_secs(if self.0.is_some() { 3 } else { 60 })
    }
}

/// Returns the name, and each one that the service may have added a number to, so that it became this one.
pub(super) fn unnumbered(name: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let without = name.match_indices('(').filter_map(|(at, _)| {
        let (before, after) = around_number(name, at)?;
        Some(Cow::Owned([before, after].concat()))
    });
    iter::once(Cow::Borrowed(name)).chain(without)
}

/// Whether `found` is `expected`, maybe with a number before a dot or at the end: `film(1).mp4`, `film (2).mp4`.
fn is_name_or_numbered(found: &str, expected: &str) -> bool {
    let is_numbered = |(at, _)| {
        let parts = around_number(found, at);
        parts.is_some_and(|(before, after)| expected.strip_prefix(before) == Some(after))
    };
    found == expected || found.match_indices('(').any(is_numbered)
}

/// What is before and after the bracketed number at this position; `None` if there is none, or if neither a dot nor the end
/// follows.
fn around_number(name: &str, at: usize) -> Option<(&str, &str)> {
    let (before, bracket) = name.split_at(at);
    let number = bracket.strip_prefix('(')?;
    let rest = number.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let after = rest.strip_prefix(')')?;
    let is_number = rest.len() < number.len();
    let is_suffix = after.is_empty() || after.starts_with('.');
    let before = before.strip_suffix(' ').unwrap_or(before);
    (is_number && is_suffix).then_some((before, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_may_precede_a_dot_or_the_end() {
        for (found, expected) in [
            ("a.mp4", "a.mp4"),
            ("a(1).mp4", "a.mp4"),
            ("a (12).mp4", "a.mp4"),
            ("a.tar(1).gz", "a.tar.gz"),
            ("a(1).tar.gz", "a.tar.gz"),
            ("a(1)", "a"),
            ("a(1)(2).mp4", "a(1).mp4"),
            ("a(1).mp4", "a(1).mp4"),
            ("片(3).mp4", "片.mp4"),
        ] {
            assert!(
                is_name_or_numbered(found, expected),
                "{found} for {expected}"
            );
        }
        for (found, expected) in [
            ("b.mp4", "a.mp4"),
            ("a.mp4", "a(1).mp4"),
            ("a(x).mp4", "a.mp4"),
            ("a().mp4", "a.mp4"),
            ("a(1.mp4", "a.mp4"),
            ("a(1)b.mp4", "ab.mp4"),
            ("a(1).mkv", "a.mp4"),
            ("A.mp4", "a.mp4"),
        ] {
            assert!(
                !is_name_or_numbered(found, expected),
                "{found} for {expected}"
            );
        }
    }
}
