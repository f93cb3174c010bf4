//! `POST /api/v1/file/infos`: several files and folders.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/cqqayfuxybegrlru>. Idempotent, although it is a POST.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::batch::{MAX_ENTRIES, collect_ids};
use super::entry::Entry;
use super::rows::Rows;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::{BuildError, UnreadableRow};
use crate::ids::EntryId;
use crate::wire::json::{self, Unreadable};

/// Requests several files and folders. Unlike [`GetDetail`](super::GetDetail), the response has all the fields of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GetInfos {
    #[serde(rename = "fileIds")]
    entries: Vec<EntryId>,
}

impl GetInfos {
    /// Creates the request for 1 to 100 files and folders.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<GetInfos, BuildError> {
        let entries = collect_ids(entries, MAX_ENTRIES)?;
        Ok(GetInfos { entries })
    }
}

impl Endpoint for GetInfos {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/infos";
    const RATE: RateClass = RateClass::new("file/infos", Duration::from_millis(100));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = FileInfos;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The response to a [`GetInfos`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfos {
    /// The entries that exist: match them by id, not by position.
    pub entries: Vec<Entry>,
    /// The rows that could not be read.
    pub unreadable: Vec<UnreadableRow>,
}

impl<'de> Deserialize<'de> for FileInfos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            // The page's table names the list one way, its sample the other.
            let [list, file_list] = json.fields([&["list"], &["fileList"]])?;
            let lists = [&list, &file_list].map(|list| Rows::read(list, Entry::read));
            let problem = lists.iter().find_map(|list| list.as_ref().err().cloned());
            let longest = lists.into_iter().flatten().flatten().max_by_key(Rows::len);
            let rows = longest.ok_or_else(|| problem.unwrap_or_else(|| file_list.missing()))?;
            Ok::<_, Unreadable>(FileInfos {
                entries: rows.readable,
                unreadable: rows.unreadable,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_either_name_and_null_is_empty() {
        let row = r#"[{"fileId":7,"filename":"a","type":0,"parentFileId":0}]"#;
        let count = |json: &str| serde_json::from_str::<FileInfos>(json).map(|it| it.entries.len());
        for (json, expected) in [
            (format!(r#"{{"list":{row}}}"#), 1),
            (format!(r#"{{"fileList":{row}}}"#), 1),
            (format!(r#"{{"list":{row},"fileList":null}}"#), 1),
            (format!(r#"{{"list":[],"fileList":{row}}}"#), 1),
            (format!(r#"{{"list":{row},"fileList":{row}}}"#), 1),
            (r#"{"list":null}"#.to_owned(), 0),
            (r#"{"fileList":[]}"#.to_owned(), 0),
        ] {
            assert_eq!(count(&json).unwrap(), expected, "{json}");
        }
        for json in ["{}", "null", "[]", r#"{"list":{}}"#, r#"{"fileList":7}"#] {
            count(json).unwrap_err();
        }
        for json in [
            format!(r#"{{"list":{{}},"fileList":{row}}}"#),
            format!(r#"{{"list":{row},"fileList":7}}"#),
        ] {
            assert_eq!(count(&json).unwrap(), 1, "{json}");
        }
    }

    #[test]
    fn unreadable_row_loses_only_itself() {
        let infos: FileInfos = serde_json::from_str(
            r#"{"fileList":[7,{"fileId":7,"filename":"a","type":0},{"fileId":8,"type":1}]}"#,
        )
        .unwrap();
        assert_eq!(infos.entries.len(), 1);
        let rows: Vec<_> = infos
            .unreadable
            .iter()
            .map(|row| (row.index(), row.id()))
            .collect();
        assert_eq!(rows, [(0, None), (2, EntryId::new(8).ok())]);
    }
}
