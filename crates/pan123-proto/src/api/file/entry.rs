//! A file or a folder, as every list and detail has it.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{DirId, EntryId, FileId, Parent};
use crate::wire::json::{self, Json, Names, Unreadable};
use crate::wire::lenient::{date, flag, text, whole};

pub(super) const ID: Names = &["fileId", "fileID"];
pub(super) const NAME: Names = &["filename", "fileName"];
pub(super) const KIND: Names = &["type"];

/// Above this, [`Entry::status`] means that the service's review rejected the entry.
const MAX_ACCEPTED: i64 = 100;

/// A file or a folder of the drive. Fields that the response leaves out are `None`, empty or zero.
///
/// With serde it needs a self-describing format such as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its name.
    pub name: String,
    /// Whether it is a file or a folder.
    pub kind: EntryKind,
    /// The folder that contains it, if the service says so.
    pub parent: Option<Parent>,
    /// The size of a file in bytes; 0 for a folder.
    pub size: u64,
    /// The MD5 of a file in hex; empty for a folder.
    pub etag: String,
    /// The kind of content of a file: 0 unknown, 1 audio, 2 video, 3 image; 10 has been seen, too.
    pub category: Option<i64>,
    /// The result of the service's review: see [`is_rejected`](Entry::is_rejected).
    pub status: Option<i64>,
    /// Whether it is in the trash.
    pub trashed: bool,
    /// When it was created.
    pub created_at: Option<SystemTime>,
    /// When it was last changed.
    pub updated_at: Option<SystemTime>,
}

/// The kind of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// 0: a file.
    File,
    /// 1: a folder.
    Dir,
    /// Any other number.
    Other(i64),
}

impl Entry {
    /// Creates a value for tests. The fields that are not given are `None`, empty or zero, and can be set.
    pub fn new(
        id: impl Into<EntryId>,
        kind: EntryKind,
        name: impl Into<String>,
        parent: impl Into<Parent>,
    ) -> Entry {
        Entry {
            id: id.into(),
            name: name.into(),
            kind,
            parent: Some(parent.into()),
            size: 0,
            etag: String::new(),
            category: None,
            status: None,
            trashed: false,
            created_at: None,
            updated_at: None,
        }
    }

    /// Returns the id of a file; `None` if it is not one.
    pub fn file(&self) -> Option<FileId> {
        (self.kind == EntryKind::File).then(|| self.id.as_file())
    }

    /// Returns the id of a folder; `None` if it is not one.
    pub fn dir(&self) -> Option<DirId> {
        (self.kind == EntryKind::Dir).then(|| self.id.as_dir())
    }

    /// Returns whether the service's review rejected it: its `status` is over 100.
    pub fn is_rejected(&self) -> bool {
        self.status.is_some_and(|status| status > MAX_ACCEPTED)
    }
}

impl EntryKind {
    /// Returns the number as the service sends it.
    pub fn number(self) -> i64 {
        match self {
            EntryKind::File => 0,
            EntryKind::Dir => 1,
            EntryKind::Other(number) => number,
        }
    }

    pub(super) fn read(json: Json<'_>) -> Option<EntryKind> {
        whole(json).map(EntryKind::from_number)
    }

    fn from_number(number: i64) -> EntryKind {
        match number {
            0 => EntryKind::File,
            1 => EntryKind::Dir,
            other => EntryKind::Other(other),
        }
    }
}

impl Entry {
    /// Id, name and kind are required; any other field that cannot be read is treated as absent.
    pub(super) fn read(json: Json<'_>) -> Result<Entry, Unreadable> {
        // In the order of the service, which is read fastest.
        let [
            id,
            name,
            parent,
            kind,
            etag,
            size,
            category,
            status,
            trashed,
            created,
            updated,
        ] = json.fields([
            ID,
            NAME,
            &["parentFileId", "parentFileID"],
            KIND,
            &["etag"],
            &["size"],
            &["category"],
            &["status"],
            &["trashed"],
            &["createAt"],
            &["updateAt"],
        ])?;
        Ok(Entry {
            id: id.essential(EntryId::read)?,
            name: name.essential(text)?.into_owned(),
            kind: kind.essential(EntryKind::read)?,
            parent: parent.optional(Parent::read),
            size: size.optional(whole).unwrap_or_default(),
            etag: etag.optional(text).unwrap_or_default().into_owned(),
            category: category.optional(whole),
            status: status.optional(whole),
            trashed: trashed.optional(flag).unwrap_or_default(),
            created_at: created.optional(date),
            updated_at: updated.optional(date),
        })
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, Entry::read)
    }
}

/// Uses the service's own keys, with dates in RFC 3339.
impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            file_id: EntryId,
            filename: &'a str,
            r#type: i64,
            parent_file_id: Option<Parent>,
            size: u64,
            etag: &'a str,
            category: Option<i64>,
            status: Option<i64>,
            trashed: u8,
            create_at: Option<Timestamp>,
            update_at: Option<Timestamp>,
        }
        let date = |at: Option<SystemTime>| at.and_then(|at| Timestamp::try_from(at).ok());
        Wire {
            file_id: self.id,
            filename: &self.name,
            r#type: self.kind.number(),
            parent_file_id: self.parent,
            size: self.size,
            etag: &self.etag,
            category: self.category,
            status: self.status,
            trashed: self.trashed.into(),
            create_at: date(self.created_at),
            update_at: date(self.updated_at),
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Entry, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn ids_have_two_spellings_and_numbers_may_be_strings() {
        let entry =
            read(r#"{"fileID":"7","filename":"a","type":"1","parentFileID":"0","trashed":"1"}"#)
                .unwrap();
        assert_eq!((entry.file(), entry.dir()), (None, DirId::new(7).ok()));
        assert_eq!((entry.parent, entry.trashed), (Some(Parent::Root), true));
        let entry =
            read(r#"{"fileId":7,"filename":"a","type":0,"parentFileId":9,"size":"12"}"#).unwrap();
        assert_eq!((entry.file(), entry.dir()), (FileId::new(7).ok(), None));
        assert_eq!(entry.parent, Some(Parent::from_number(9)));
        assert_eq!(entry.size, 12);
        assert_eq!((entry.created_at, entry.status), (None, None));
    }

    #[test]
    fn id_name_and_kind_are_required() {
        for json in [
            r#"{"filename":"a","type":0,"parentFileId":0}"#,
            r#"{"fileId":0,"filename":"a","type":0,"parentFileId":0}"#,
            r#"{"fileId":1,"type":0,"parentFileId":0}"#,
            r#"{"fileId":1,"filename":"a","parentFileId":0}"#,
            r#"{"fileId":1,"filename":null,"type":0,"parentFileId":0}"#,
            r#"{"fileId":1,"filename":"a","type":null,"parentFileId":0}"#,
            r#"{"fileId":1,"fileID":2,"filename":"a","type":0}"#,
        ] {
            read(json).unwrap_err();
        }
    }

    #[test]
    fn unknown_kind_is_neither_file_nor_folder_and_status_above_100_is_rejected() {
        let of = |status: i64| {
            read(&format!(
                r#"{{"fileId":1,"filename":"a","type":5,"parentFileId":0,"status":{status}}}"#
            ))
            .unwrap()
        };
        assert_eq!((of(100).file(), of(100).dir()), (None, None));
        assert!(!of(100).is_rejected() && of(101).is_rejected());
    }

    #[test]
    fn unreadable_optional_field_does_not_lose_the_entry() {
        let entry = read(
            r#"{"fileId":7,"fileID":7,"filename":"a","type":0,"parentFileId":-1,"trashed":[],
                "size":-1,"category":"","status":[],"etag":{},"createAt":7,"updateAt":"0001-01-01 00:00:00"}"#,
        )
        .unwrap();
        let id = EntryId::new(7).unwrap();
        let mut expected = Entry::new(id, EntryKind::File, "a", Parent::Root);
        expected.parent = None;
        assert_eq!(entry, expected);
    }

    #[test]
    fn serialized_entry_reads_back_unchanged() {
        let entry = read(
            r#"{"fileId":7,"filename":"a","type":1,"parentFileId":9,"size":3,"etag":"e","category":2,"status":101,
                "trashed":1,"createAt":"2025-03-23 15:48:37","updateAt":"2025-03-23 15:48:38"}"#,
        )
        .unwrap();
        let nowhere = read(r#"{"fileId":7,"filename":"a","type":0,"parentFileId":null}"#).unwrap();
        assert_eq!(nowhere.parent, None);
        for entry in [entry, nowhere] {
            let json = serde_json::to_string(&entry).unwrap();
            assert_eq!(read(&json).unwrap(), entry);
        }
    }
}
