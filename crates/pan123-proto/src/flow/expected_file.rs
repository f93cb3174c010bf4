//! What identifies the file of a download: its folder, its name and its time.

use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::file::Entry;
use crate::api::offline::Download;
use crate::ids::{DirId, FileId};
use crate::ledger::Item;
use crate::wire::json::deserialize_object;
use crate::wire::timestamp::system_time;

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
///
/// With serde it can be stored with the task, in a form that stays readable for later versions. What is unknown is left out;
/// unknown keys are ignored:
///
/// ```
/// use pan123_proto::offline::ExpectedFile;
///
/// let stored = r#"{
///     "dirID": 456,
///     "fileName": "my_video.mp4",
///     "created": "2026-11-27T09:00:00.25Z"
/// }"#;
/// let expected: ExpectedFile = serde_json::from_str(stored)?;
/// assert_eq!(expected.name(), Some("my_video.mp4"));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// | key | value |
/// | --- | --- |
/// | `dirID` | the id of the folder, a number; without it the service's default folder |
/// | `fileName` | the requested name |
/// | `guessedName` | the name guessed from the URL, if none was requested: the last segment of its path, and nothing else of it |
/// | `created` | the local time just before the call, in RFC 3339 with an offset |
/// | `fileID` | the id that a callback named, a number |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    dir: Option<DirId>,
    pub(super) name: Option<ExpectedName>,
    pub(super) created: SystemTime,
    file_hint: Option<FileId>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum ExpectedName {
    Requested(String),
    /// The last segment of the URL: the service may choose another.
    Guessed(String),
}

impl Item {
    /// Returns the file that the download of this item yields if it was created when it was last about to be sent, such as to settle
    /// an unconfirmed item.
    pub fn expected_file(&self) -> ExpectedFile {
        let intended = SystemTime::UNIX_EPOCH + Duration::from_millis(self.intended_at);
        ExpectedFile::of(&self.download, intended)
    }
}

impl ExpectedFile {
    /// Returns the file to expect from a download that was created at `created`: a local time just before the call, so that older
    /// files are ruled out. Store it with the task, to find the file after a restart.
    ///
    /// The name is the requested one. If none was requested, it is a guess, the last segment of the URL: the service may choose
    /// another. A file of that name is looked for first; if there is none, or the segment is empty, only the time counts.
    pub fn of(download: &Download, created: SystemTime) -> ExpectedFile {
        let requested = download.name().map(str::to_owned);
        let guessed = || download.suggested_file_name().map(ExpectedName::Guessed);
        ExpectedFile {
            dir: download.dir(),
            name: requested.map(ExpectedName::Requested).or_else(guessed),
            // No file is older, and an earlier time could not be stored.
            created: created.max(SystemTime::UNIX_EPOCH),
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

    /// Returns the expected name, requested or guessed. The service may add a number to it if the name is taken.
    pub fn name(&self) -> Option<&str> {
        match &self.name {
            Some(ExpectedName::Requested(name) | ExpectedName::Guessed(name)) => Some(name),
            None => None,
        }
    }

    pub(super) fn requested_name(&self) -> Option<&str> {
        match &self.name {
            Some(ExpectedName::Requested(name)) => Some(name),
            _ => None,
        }
    }

    pub(super) fn hint(&self) -> Option<FileId> {
        self.file_hint
    }

    /// Whether the entry is not in the trash, and is in the expected folder if both are known.
    pub(super) fn is_in_place(&self, entry: &Entry) -> bool {
        let is_other = |dir: DirId| entry.parent.is_some_and(|parent| parent != dir.into());
        let elsewhere = self.dir.is_some_and(is_other);
        !entry.trashed && !elsewhere
    }
}

/// Leaves out a guessed name: it is a part of the URL, which may hold a key.
impl fmt::Debug for ExpectedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedName::Requested(name) => f.debug_tuple("Requested").field(name).finish(),
            ExpectedName::Guessed(_) => f.write_str("Guessed(…)"),
        }
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(rename = "dirID", skip_serializing_if = "Option::is_none")]
    dir: Option<DirId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guessed_name: Option<String>,
    created: String,
    #[serde(rename = "fileID", skip_serializing_if = "Option::is_none")]
    file_hint: Option<FileId>,
}

impl Serialize for ExpectedFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let created = Timestamp::try_from(self.created)
            .map_err(|_| S::Error::custom("`created` is a time after the year 9999"))?;
        let (file_name, guessed_name) = match self.name.clone() {
            Some(ExpectedName::Requested(name)) => (Some(name), None),
            Some(ExpectedName::Guessed(name)) => (None, Some(name)),
            None => (None, None),
        };
        Stored {
            dir: self.dir,
            file_name,
            guessed_name,
            created: created.to_string(),
            file_hint: self.file_hint,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ExpectedFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored: Stored = deserialize_object(deserializer)?;
        stored.try_into().map_err(D::Error::custom)
    }
}

impl TryFrom<Stored> for ExpectedFile {
    type Error = String;

    fn try_from(stored: Stored) -> Result<ExpectedFile, String> {
        let created = stored.created.parse().ok().and_then(system_time);
        let created = created.ok_or_else(|| {
            let given = &stored.created;
            format!("`created` is {given:?}: it must be a time from 1970 on, such as `2026-11-27T09:00:00Z`")
        })?;
        let name = match (stored.file_name, stored.guessed_name) {
            (Some(name), None) => Some(ExpectedName::Requested(name)),
            (None, Some(name)) => Some(ExpectedName::Guessed(name)),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err("`fileName` and `guessedName` are both there: keep one".to_owned());
            }
        };
        if matches!(&name, Some(ExpectedName::Requested(name) | ExpectedName::Guessed(name)) if name.is_empty())
        {
            return Err("the name is empty: leave its key out if none is known".to_owned());
        }
        Ok(ExpectedFile {
            dir: stored.dir,
            name,
            created,
            file_hint: stored.file_hint,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn created() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(1_795_770_000, 250_000_000)
    }

    fn download() -> Download {
        Download::new("https://example.com/SEGMENT.mp4?sig=QUERY").unwrap()
    }

    #[test]
    fn requested_name_takes_precedence_over_the_url() {
        let name = |download: &Download| {
            let expected = ExpectedFile::of(download, SystemTime::UNIX_EPOCH);
            expected.name().map(str::to_owned)
        };
        assert_eq!(name(&download()).as_deref(), Some("SEGMENT.mp4"));
        let named = download().file_name("b.mp4").unwrap();
        assert_eq!(name(&named).as_deref(), Some("b.mp4"));
        assert_eq!(name(&Download::new("https://example.com/").unwrap()), None);
    }

    #[test]
    fn stored_form_stays_as_it_is_and_reads_back_unchanged() {
        let requested = download().file_name("片.mp4").unwrap();
        let requested = requested.save_to(DirId::new(456).unwrap());
        let nameless = Download::new("https://example.com/").unwrap();
        let hinted = ExpectedFile::of(&download(), created()).file_hint(FileId::new(7).unwrap());
        let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        for (expected, stored) in [
            (
                ExpectedFile::of(&requested, created()),
                r#"{"dirID":456,"fileName":"片.mp4","created":"2026-11-27T09:00:00.25Z"}"#,
            ),
            (
                hinted,
                r#"{"guessedName":"SEGMENT.mp4","created":"2026-11-27T09:00:00.25Z","fileID":7}"#,
            ),
            (
                ExpectedFile::of(&nameless, before_1970),
                r#"{"created":"1970-01-01T00:00:00Z"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&expected).unwrap(), stored);
            let read: ExpectedFile = serde_json::from_str(stored).unwrap();
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn stored_form_of_another_version_is_read() {
        let stored = r#"{"dirID":"456","fileName":null,"created":"2026-11-27T17:00:00.25+08:00","etag":"","v":2}"#;
        let read: ExpectedFile = serde_json::from_str(stored).unwrap();
        assert_eq!(
            (read.dir(), read.name(), read.created),
            (DirId::new(456).ok(), None, created())
        );
    }

    #[test]
    fn bad_stored_form_is_an_error_that_says_what_is_bad() {
        for (stored, text) in [
            (
                r#"{"created":"soon"}"#,
                "`created` is \"soon\": it must be a time",
            ),
            (
                r#"{"created":"2026-11-27T09:00:00"}"#,
                "such as `2026-11-27T09:00:00Z`",
            ),
            (r#"{"created":"1969-12-31T23:59:59Z"}"#, "from 1970 on"),
            (r#"{"created":1795770000}"#, "expected a string"),
            (r#"{"fileName":"a"}"#, "missing field `created`"),
            (r#"{"created":"2026-11-27T09:00:00Z","dirID":0}"#, "root"),
            (
                r#"{"created":"2026-11-27T09:00:00Z","fileID":0}"#,
                "file id",
            ),
            (
                r#"{"created":"2026-11-27T09:00:00Z","fileName":""}"#,
                "the name is empty",
            ),
            (
                r#"{"created":"2026-11-27T09:00:00Z","fileName":"a","guessedName":"a"}"#,
                "`fileName` and `guessedName` are both there",
            ),
        ] {
            let error = serde_json::from_str::<ExpectedFile>(stored)
                .unwrap_err()
                .to_string();
            assert!(error.contains(text), "{error}");
        }
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(300_000_000_000);
        let error = serde_json::to_string(&ExpectedFile::of(&download(), far)).unwrap_err();
        assert!(error.to_string().contains("after the year 9999"), "{error}");
    }

    #[test]
    fn url_is_neither_stored_nor_shown() {
        let expected = ExpectedFile::of(&download(), created());
        let stored = serde_json::to_string(&expected).unwrap();
        assert!(
            !stored.contains("QUERY") && !stored.contains("example.com"),
            "{stored}"
        );
        let shown = format!("{expected:?}");
        assert!(
            !shown.contains("QUERY") && !shown.contains("SEGMENT"),
            "{shown}"
        );
    }
}
