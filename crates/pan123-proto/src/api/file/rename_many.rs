//! `POST /api/v1/file/rename`: renames several files and folders.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/imhguepnr727aquk>. The page's table lists fields of the
//! response that its sample does not have.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::batch::check_count;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::BuildError;
use crate::ids::EntryId;
use crate::text;
use crate::wire::file_name::check_file_name;
use crate::wire::json::{self, Field, Json, Names};
use crate::wire::lenient::{date, lossy_text};

/// The most characters of a reason, when its invisible characters are escaped.
const MAX_MESSAGE: usize = 1000;

/// The key of the id in a row.
const ID: Names = &["fileID", "fileId"];

/// The maximum number of names in one request.
const MAX_RENAMES: usize = 30;

/// Renames several files and folders. Some may succeed while others fail: see [`RenamedFiles`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "重命名")]
pub struct RenameFiles {
    /// Each as `id|name`; a name cannot contain `|`.
    #[serde(rename = "renameList")]
    renames: Vec<String>,
}

impl RenameFiles {
    /// Creates the request for 1 to 30 files and folders, each with its new name.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 30; [`BuildError::FileName`] for a name that the service would reject.
    pub fn new(
        renames: impl IntoIterator<Item = (impl Into<EntryId>, impl AsRef<str>)>,
    ) -> Result<RenameFiles, BuildError> {
        let mut list = Vec::new();
        for (entry, name) in renames {
            let (entry, name): (EntryId, &str) = (entry.into(), name.as_ref());
            check_file_name(name).map_err(BuildError::FileName)?;
            list.push(format!("{entry}|{name}"));
        }
        check_count("new names", list.len(), MAX_RENAMES)?;
        Ok(RenameFiles { renames: list })
    }
}

impl Endpoint for RenameFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/rename";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/rename", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = RenamedFiles;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The response to a [`RenameFiles`]. A list that the service leaves out is `None`; the only known sample has neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenamedFiles {
    /// The entries that were renamed (`successList`).
    pub renamed: Option<Vec<RenamedFile>>,
    /// The entries that were not (`failList`).
    pub failed: Option<Vec<FailedRename>>,
}

/// A file or folder that was renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenamedFile {
    /// Its id, if the service names it.
    pub id: Option<EntryId>,
    /// When it was renamed, if the service says so.
    pub updated_at: Option<SystemTime>,
}

/// A file or folder that was not renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedRename {
    /// Its id, if the service names it.
    pub id: Option<EntryId>,
    /// The reason in the service's words; empty if it gives none. Invisible characters are escaped (`\u{1b}`), so that it may be
    /// printed.
    pub message: String,
}

/// Never fails: the work is done by then, and a row that can only be read in part still counts.
impl<'de> Deserialize<'de> for RenamedFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let read = json.fields([&["successList"], &["failList"]]);
            Ok::<_, Infallible>(read.map_or_else(
                |_| RenamedFiles::default(),
                |[renamed, failed]| RenamedFiles {
                    renamed: rows(&renamed, RenamedFile::read),
                    failed: rows(&failed, FailedRename::read),
                },
            ))
        })
    }
}

fn rows<T>(list: &Field<'_>, read: fn(Json<'_>) -> T) -> Option<Vec<T>> {
    let elements = list.value().ok()??.elements()?;
    Some(elements.into_iter().map(read).collect())
}

impl RenamedFile {
    fn read(row: Json<'_>) -> RenamedFile {
        match row.fields([ID, &["updateAt"]]) {
            Ok([id, updated]) => RenamedFile {
                id: id.optional(EntryId::read),
                updated_at: updated.optional(date),
            },
            Err(_) => RenamedFile {
                id: EntryId::read(row),
                updated_at: None,
            },
        }
    }
}

impl FailedRename {
    fn read(row: Json<'_>) -> FailedRename {
        match row.fields([ID, &["message"]]) {
            Ok([id, message]) => FailedRename {
                id: id.optional(EntryId::read),
                message: message
                    .optional(lossy_text)
                    .map_or_else(String::new, |text| {
                        text::shown(text.into_owned(), MAX_MESSAGE)
                    }),
            },
            Err(_) => FailedRename {
                id: EntryId::read(row),
                message: String::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::timestamp::read_date;

    fn read(json: &str) -> RenamedFiles {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn lists_are_read_as_documented() {
        let read = read(
            r#"{"successList":[{"fileID":7,"updateAt":"2025-03-23 15:48:37"}],
                "failList":[{"fileID":"8","message":"文件名重复\u001b"}]}"#,
        );
        let renamed = RenamedFile {
            id: EntryId::new(7).ok(),
            updated_at: read_date("2025-03-23 15:48:37"),
        };
        assert!(renamed.updated_at.is_some());
        assert_eq!(read.renamed.unwrap(), [renamed]);
        let failed = FailedRename {
            id: EntryId::new(8).ok(),
            message: r"文件名重复\u{1b}".to_owned(),
        };
        assert_eq!(read.failed.unwrap(), [failed]);
    }

    #[test]
    fn row_of_any_shape_is_counted() {
        let rows = r#"[{"fileId":7},8,"9",{"fileID":0,"message":[]},null,[],"x|y",-1]"#;
        let read = read(&format!(
            r#"{{"successList":{rows},"failList":{rows},"x":1}}"#
        ));
        let ids: Vec<_> = [7, 8, 9, 0, 0, 0, 0, 0]
            .map(|id| EntryId::new(id).ok())
            .into();
        let failed = read.failed.unwrap();
        assert_eq!(failed.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
        assert!(failed.iter().all(|row| row.message.is_empty()));
        let renamed = read.renamed.unwrap();
        assert_eq!(renamed.iter().map(|row| row.id).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn missing_list_is_none_and_empty_list_is_empty() {
        for json in [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"successList":null,"failList":{}}"#,
        ] {
            assert_eq!(read(json), RenamedFiles::default(), "{json}");
        }
        let empty = read(r#"{"successList":[],"failList":[]}"#);
        assert_eq!((empty.renamed, empty.failed), (Some(vec![]), Some(vec![])));
    }
}
