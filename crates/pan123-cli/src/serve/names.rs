//! What clients said of their downloads and the ledger has no place for: a file of JSON lines beside the ledger, or a table on its server.
//!
//! A line replaces the earlier one of the same GID. It is on the disk before the item is in the ledger, and lines without an item are
//! left out at the next start.

#[cfg(feature = "postgres")]
mod shared;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pan123_async::proto::Account;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::rpc::{Gid, RpcError};
use crate::failure::Failure;
use crate::folders;
use crate::ledgers::Store;
use crate::words::Lang;

/// What a client said of a download, and what was found out for it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Note {
    /// The folder as the client named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dir: Option<String>,
    /// The URIs besides the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) other_uris: Vec<String>,
    /// The names of the options that the service does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dropped: Vec<String>,
    /// The download that this GID is another name of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alias_of: Option<Gid>,
    /// Which of its other names this is, from 1; the last one is shown.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) number: usize,
    /// Whether lists leave it out.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) hidden: bool,
    /// The file that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FoundFile>,
}

/// The file that a download became.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct FoundFile {
    pub(super) name: String,
    pub(super) size: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl Serialize for Gid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Gid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Gid::parse(&text).ok_or_else(|| de::Error::custom("it is no GID"))
    }
}

#[derive(Deserialize, Serialize)]
struct Line {
    gid: Gid,
    #[serde(flatten)]
    note: Note,
}

/// The notes of all GIDs by name.
pub(super) type Notes = BTreeMap<Gid, Note>;

/// What other processes have kept.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) notes: Notes,
    /// Whether all ended downloads were left out of lists.
    pub(super) is_purged: bool,
}

/// Where notes are kept.
pub(super) trait NameStore: Send {
    /// Keeps the first note of a GID. False if another process has kept one.
    fn add(&mut self, gid: Gid, note: &Note) -> Result<bool, RpcError> {
        self.set(gid, note).map(|()| true)
    }

    /// Keeps a note in place of the earlier one of its GID. It is durable when this returns.
    fn set(&mut self, gid: Gid, note: &Note) -> Result<(), RpcError>;

    /// Forgets all but these notes, as far as no other process may be about to use them.
    fn keep_only(&mut self, notes: &Notes) -> Result<(), Failure>;

    /// Returns what other processes have kept since the last time.
    fn changed(&mut self) -> Result<Changed, RpcError> {
        Ok(Changed::default())
    }

    /// Tells other processes that all ended downloads were left out of lists.
    fn purged(&mut self) -> Result<(), RpcError> {
        Ok(())
    }

    /// Returns a secret of all processes that work on the ledger, this one if there is none yet; none if each has its own.
    fn shared_secret(&mut self, _: &str, _: &str) -> Result<Option<String>, RpcError> {
        Ok(None)
    }

    /// Whether other processes keep notes, too.
    fn is_shared(&self) -> bool {
        false
    }
}

/// The name of the secret that signs the URLs of callbacks.
pub(super) const CALLBACK_KEY: &str = "callback-key";

/// Opens the notes of a ledger that was opened before, and reads them.
#[cfg_attr(
    not(feature = "postgres"),
    allow(unused_variables, reason = "it is for a ledger on a server")
)]
pub(super) fn open(
    store: &Store,
    account: &Account,
) -> Result<(Box<dyn NameStore>, Notes), Failure> {
    match store {
        Store::File(ledger) => {
            let (names, notes) = NamesFile::open(ledger.path())?;
            Ok((Box::new(names), notes))
        }
        #[cfg(feature = "postgres")]
        Store::Server { database, .. } => {
            let mut names = shared::SharedNames::new(database.notes(account));
            let notes = names.changed()?.notes;
            Ok((Box::new(names), notes))
        }
    }
}

/// The file of the notes, which one process uses at a time.
#[derive(Debug)]
pub(super) struct NamesFile {
    path: PathBuf,
    file: File,
    /// Held as long as the file is in use.
    _lock: File,
}

impl NamesFile {
    /// Opens the file beside a ledger, and reads it.
    ///
    /// # Errors
    ///
    /// [`Failure`] if it cannot be read or written, or if another process uses it.
    pub(super) fn open(ledger: &Path) -> Result<(NamesFile, Notes), Failure> {
        let beside = |suffix: &str| {
            let mut path = ledger.as_os_str().to_owned();
            path.push(suffix);
            PathBuf::from(path)
        };
        let lock = lock(&beside("-serve.lock"))?;
        let path = beside("-names.jsonl");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(folders::failed("read", &path, &error)),
        };
        let file = append_to(&path).map_err(|error| folders::failed("written", &path, &error))?;
        let names = NamesFile {
            path,
            file,
            _lock: lock,
        };
        Ok((names, read(&text)))
    }

    /// Replaces the file by these notes.
    fn rewrite(&mut self, notes: &Notes) -> Result<(), Failure> {
        let mut text = Vec::new();
        for (gid, note) in notes {
            text.extend(line(*gid, note)?);
        }
        folders::write_private(&self.path, &text)?;
        let file = append_to(&self.path);
        self.file = file.map_err(|error| folders::failed("written", &self.path, &error))?;
        Ok(())
    }

    /// Appends notes, which are on the disk when it returns.
    fn append<'a>(&mut self, notes: impl IntoIterator<Item = (Gid, &'a Note)>) -> io::Result<()> {
        // The last line may have been cut off, such as by a full disk.
        let mut text = vec![b'\n'];
        for (gid, note) in notes {
            text.extend(line(gid, note)?);
        }
        self.file.write_all(&text)?;
        self.file.sync_data()
    }
}

impl NameStore for NamesFile {
    fn set(&mut self, gid: Gid, note: &Note) -> Result<(), RpcError> {
        let appended = self.append([(gid, note)]);
        appended.map_err(|error| RpcError::new(format!("it cannot be recorded: {error}")))
    }

    fn keep_only(&mut self, notes: &Notes) -> Result<(), Failure> {
        self.rewrite(notes)
    }
}

fn line(gid: Gid, note: &Note) -> io::Result<Vec<u8>> {
    let note = note.clone();
    let mut line = serde_json::to_vec(&Line { gid, note })?;
    line.push(b'\n');
    Ok(line)
}

/// A line that was not written to its end has no item in the ledger.
fn read(text: &[u8]) -> Notes {
    let lines = text.split(|&byte| byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    lines.map(|Line { gid, note }| (gid, note)).collect()
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = append_to(path).map_err(|error| folders::failed("written", path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            let path = path.display();
            Err(Failure::usage(Lang::of_environment().pick(
                format!("another `pan123 serve` uses this ledger ({path} is locked): stop it, or choose another ledger with --ledger"),
                format!("另一个 `pan123 serve` 正在使用此台账（{path} 已锁定）：请停止它，或用 --ledger 另选台账"),
            )))
        }
        Err(fs::TryLockError::Error(error)) => Err(folders::failed("locked", path, &error)),
    }
}

/// Opens a file that only its owner can read.
fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gid(text: &str) -> Gid {
        Gid::parse(text).unwrap()
    }

    fn note(dir: &str) -> Note {
        Note {
            dir: Some(dir.to_owned()),
            ..Note::default()
        }
    }

    #[test]
    fn notes_survive_and_the_last_of_a_gid_counts() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.db");
        let (a, b) = (gid("00000000000000a1"), gid("00000000000000b1"));
        let alias = Note {
            alias_of: Some(a),
            number: 1,
            hidden: true,
            file: Some(FoundFile {
                name: "影.mp4".to_owned(),
                size: 7,
            }),
            other_uris: vec!["http://h/2".to_owned()],
            dropped: vec!["cookie".to_owned()],
            dir: None,
        };
        {
            let (mut names, notes) = NamesFile::open(&ledger).unwrap();
            assert_eq!(notes, Notes::new());
            names.append([(a, &note("/x"))]).unwrap();
            names.append([(b, &alias), (a, &note("/y"))]).unwrap();
            // Cut off by a crash.
            names
                .file
                .write_all(b"{\"gid\":\"00000000000000c1\",\"di")
                .unwrap();
        }
        let expected = Notes::from([(a, note("/y")), (b, alias)]);
        let (mut names, notes) = NamesFile::open(&ledger).unwrap();
        assert_eq!(notes, expected);
        names.rewrite(&notes).unwrap();
        names.append([(b, &note("/z"))]).unwrap();
        drop(names);
        let (_, notes) = NamesFile::open(&ledger).unwrap();
        assert_eq!(notes, Notes::from([(a, note("/y")), (b, note("/z"))]));
    }

    #[test]
    fn a_line_that_was_cut_off_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.db");
        let a = gid("00000000000000a1");
        let (mut names, _) = NamesFile::open(&ledger).unwrap();
        names.file.write_all(b"{\"gid\":\"0000").unwrap();
        names.append([(a, &note("/x"))]).unwrap();
        drop(names);
        let (_, notes) = NamesFile::open(&ledger).unwrap();
        assert_eq!(notes, Notes::from([(a, note("/x"))]));
    }

    #[test]
    fn one_process_uses_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.db");
        let first = NamesFile::open(&ledger).unwrap();
        let failure = NamesFile::open(&ledger).unwrap_err();
        assert!(failure.message.contains("`pan123 serve`"), "{failure:?}");
        drop(first);
        NamesFile::open(&ledger).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.db");
        let (mut names, notes) = NamesFile::open(&ledger).unwrap();
        let mode = |names: &NamesFile| fs::metadata(&names.path).unwrap().permissions().mode();
        assert_eq!(mode(&names) & 0o777, 0o600);
        names.rewrite(&notes).unwrap();
        assert_eq!(mode(&names) & 0o777, 0o600);
    }
}
