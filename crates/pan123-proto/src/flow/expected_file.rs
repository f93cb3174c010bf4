//! What identifies the file of a download: its folder, its name and its time.

use std::time::{Duration, SystemTime};

use crate::api::file::Entry;
use crate::api::offline::Download;
use crate::ids::{DirId, FileId};
use crate::wire::timestamp::ClockSkew;

/// The file that a download is expected to yield: its folder, its name, and the earliest time of its creation.
///
/// ```
/// use std::time::SystemTime;
/// use pan123_proto::{DirId, offline::{Download, ExpectedFile}};
///
/// let download = Download::new("https://example.com/video.mp4")?.save_to(DirId::new(456)?);
/// let created = SystemTime::now(); // just before the call that creates it; store it with the task
/// let expected = ExpectedFile::of(&download, created);
/// assert_eq!(expected.dir(), download.dir());
/// assert_eq!(expected.name(), Some("video.mp4")); // a guess from the URL
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    dir: Option<DirId>,
    name: Option<String>,
    created: SystemTime,
    file_hint: Option<FileId>,
}

impl ExpectedFile {
    /// Returns the file to expect from a download that was created at `created`: a local time just before the call, so that older
    /// files are ruled out. Store it with the task, to find the file after a restart.
    ///
    /// The name is the requested one. If none was requested, it is a guess, the last segment of the URL: the service may choose
    /// another. If that is empty, too, only the time counts.
    pub fn of(download: &Download, created: SystemTime) -> ExpectedFile {
        let requested = download.name().map(str::to_owned);
        ExpectedFile {
            dir: download.dir(),
            name: requested.or_else(|| download.suggested_file_name()),
            created,
            file_hint: None,
        }
    }

    /// Sets the file that a callback named, which is checked first. An unverified notice may name anyone's file.
    pub fn file_hint(mut self, file: FileId) -> ExpectedFile {
        self.file_hint = Some(file);
        self
    }

    /// Returns the folder; `None` for the service's default, `来自:离线下载`.
    pub fn dir(&self) -> Option<DirId> {
        self.dir
    }

    /// Returns the expected name. The service may add a number to it if the name is taken.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn hint(&self) -> Option<FileId> {
        self.file_hint
    }

    /// Whether the entry is not in the trash, and is in the expected folder if its id is known.
    pub(super) fn is_in_place(&self, entry: &Entry) -> bool {
        let elsewhere = self.dir.is_some_and(|dir| entry.parent != dir.into());
        !entry.trashed && !elsewhere
    }

    /// Whether the entry may be the file, by name and time.
    pub(super) fn matches(&self, entry: &Entry, clocks: Clocks) -> bool {
        let name_matches = |name: &String| is_name_or_numbered(&entry.name, name);
        entry.file().is_some()
            && self.name.as_ref().is_none_or(name_matches)
            && entry
                .created_at
                .is_some_and(|at| clocks.local_time(at) + clocks.tolerance() >= self.created)
    }
}

/// How the service's clock compares with the local one by the last response with a `Date`; `None` before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks(pub(super) Option<ClockSkew>);

impl Clocks {
    fn local_time(self, service: SystemTime) -> SystemTime {
        self.0.map_or(service, |skew| skew.local_time(service))
    }

    /// How much earlier than its download a file may seem to be. Both dates are in whole seconds.
    fn tolerance(self) -> Duration {
        Duration::from_secs(if self.0.is_some() { 3 } else { 60 })
    }
}

/// Whether `found` is `expected`, maybe with a number before a dot or at the end: `film(1).mp4`, `film (2).mp4`.
fn is_name_or_numbered(found: &str, expected: &str) -> bool {
    found == expected
        || found
            .match_indices('(')
            .any(|(at, _)| without_number(found, at).is_some_and(|name| name == expected))
}

/// The name without the bracketed number at this position; `None` if there is none, or if neither a dot nor the end follows.
fn without_number(name: &str, at: usize) -> Option<String> {
    let (before, bracket) = name.split_at(at);
    let (number, after) = bracket.strip_prefix('(')?.split_once(')')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_suffix = after.is_empty() || after.starts_with('.');
    let before = before.strip_suffix(' ').unwrap_or(before);
    (is_number && is_suffix).then(|| format!("{before}{after}"))
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

    #[test]
    fn requested_name_takes_precedence_over_the_url() {
        let name = |download: &Download| {
            let expected = ExpectedFile::of(download, SystemTime::UNIX_EPOCH);
            expected.name().map(str::to_owned)
        };
        let download = Download::new("https://example.com/a.mp4?x=1").unwrap();
        assert_eq!(name(&download).as_deref(), Some("a.mp4"));
        let named = download.file_name("b.mp4").unwrap();
        assert_eq!(name(&named).as_deref(), Some("b.mp4"));
        assert_eq!(name(&Download::new("https://example.com/").unwrap()), None);
    }
}
