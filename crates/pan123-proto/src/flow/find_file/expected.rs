//! What the file of a download goes by: its folder, its name and its time.

use std::time::{Duration, SystemTime};

use crate::api::file::Entry;
use crate::api::offline::Download;
use crate::ids::{DirId, FileId};
use crate::wire::timestamp::ClockSkew;

/// Where the file of a download goes, by what name and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    dir: Option<DirId>,
    name: Option<String>,
    since: SystemTime,
    file_hint: Option<FileId>,
}

impl ExpectedFile {
    /// The target of this download, and a time by the local clock just before it was created: an older file is none of it. Keep
    /// that time with the task, to look for its file after a restart.
    ///
    /// The name is the one that was asked for. Without one it is a guess, the last segment of the URL: the service may take another.
    /// If there is no such segment either, the time alone counts.
    pub fn of(download: &Download, created: SystemTime) -> ExpectedFile {
        let asked = download.name().map(str::to_owned);
        ExpectedFile {
            dir: download.dir(),
            name: asked.or_else(|| download.suggested_file_name()),
            since: created,
            file_hint: None,
        }
    }

    /// The file that a callback named: it is looked at first. A notice that was not verified may name anybody's.
    pub fn file_hint(mut self, file: FileId) -> ExpectedFile {
        self.file_hint = Some(file);
        self
    }

    /// The folder; none for the one that the service takes by default, `来自:离线下载`.
    pub fn dir(&self) -> Option<DirId> {
        self.dir
    }

    /// The name that the file goes by, but for a number that the service adds when the name is taken.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn hinted_file(&self) -> Option<FileId> {
        self.file_hint
    }

    /// Whether this is not in the trash, and in the target folder as far as that has an id.
    pub(super) fn is_there(&self, entry: &Entry) -> bool {
        let elsewhere = self.dir.is_some_and(|dir| entry.parent != dir.into());
        !entry.trashed && !elsewhere
    }

    /// Whether this could be the file, by clocks that are compared like this.
    pub(super) fn fits(&self, entry: &Entry, clocks: Clocks) -> bool {
        let name_fits = |name: &String| is_name_or_numbered(&entry.name, name);
        entry.file().is_some()
            && self.name.as_ref().is_none_or(name_fits)
            && entry
                .created_at
                .is_some_and(|at| clocks.local_time(at) + clocks.slack() >= self.since)
    }
}

/// How the service's clock compares with the local one, as its last answer showed; none as long as none had a date.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clocks(pub(super) Option<ClockSkew>);

impl Clocks {
    fn local_time(self, service: SystemTime) -> SystemTime {
        self.0.map_or(service, |skew| skew.local_time(service))
    }

    /// How much earlier than its download a file may seem to be made. Dates are in whole seconds, here and there.
    fn slack(self) -> Duration {
        Duration::from_secs(if self.0.is_some() { 3 } else { 60 })
    }
}

/// Whether `found` is `wanted`, or that with a number before a dot or at its end: `film(1).mp4`, `film (2).mp4`.
fn is_name_or_numbered(found: &str, wanted: &str) -> bool {
    found == wanted
        || found
            .match_indices('(')
            .any(|(at, _)| without_number(found, at).is_some_and(|name| name == wanted))
}

/// The name without the number in brackets at this place; none if there is no number or more than a dot could follow.
fn without_number(name: &str, at: usize) -> Option<String> {
    let (before, bracket) = name.split_at(at);
    let (number, after) = bracket.strip_prefix('(')?.split_once(')')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let ends = after.is_empty() || after.starts_with('.');
    let before = before.strip_suffix(' ').unwrap_or(before);
    (is_number && ends).then(|| format!("{before}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_stand_before_a_dot_or_at_the_end() {
        for (found, wanted) in [
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
            assert!(is_name_or_numbered(found, wanted), "{found} for {wanted}");
        }
        for (found, wanted) in [
            ("b.mp4", "a.mp4"),
            ("a.mp4", "a(1).mp4"),
            ("a(x).mp4", "a.mp4"),
            ("a().mp4", "a.mp4"),
            ("a(1.mp4", "a.mp4"),
            ("a(1)b.mp4", "ab.mp4"),
            ("a(1).mkv", "a.mp4"),
            ("A.mp4", "a.mp4"),
        ] {
            assert!(!is_name_or_numbered(found, wanted), "{found} for {wanted}");
        }
    }

    #[test]
    fn the_name_asked_for_goes_before_the_one_in_the_url() {
        let name = |download: &Download| {
            let target = ExpectedFile::of(download, SystemTime::UNIX_EPOCH);
            target.name().map(str::to_owned)
        };
        let download = Download::new("https://example.com/a.mp4?x=1").unwrap();
        assert_eq!(name(&download).as_deref(), Some("a.mp4"));
        let named = download.file_name("b.mp4").unwrap();
        assert_eq!(name(&named).as_deref(), Some("b.mp4"));
        assert_eq!(name(&Download::new("https://example.com/").unwrap()), None);
    }
}
