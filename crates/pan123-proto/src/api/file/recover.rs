//! `POST /api/v1/file/recover`: restores files and folders from the trash to where they were.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/kx9f8b6wk6g55uwy>. Idempotent: what has left the trash
//! cannot leave it again.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::batch::{MAX_ENTRIES, collect_ids};
use super::rows::Rows;
use crate::endpoint::{Body, Endpoint, Idempotency, RateClass};
use crate::error::{BuildError, UnreadableRow};
use crate::ids::EntryId;
use crate::wire::json::{self, Json, Unreadable};

/// Restores files and folders from the trash to where they were. [`RecoverFilesTo`](super::RecoverFilesTo) restores them to
/// another folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[doc(alias = "回收站")]
pub struct RecoverFiles {
    #[serde(rename = "fileIDs")]
    entries: Vec<EntryId>,
}

impl RecoverFiles {
    /// Creates the request for 1 to 100 files and folders.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] for none or more than 100.
    pub fn new(
        entries: impl IntoIterator<Item = impl Into<EntryId>>,
    ) -> Result<RecoverFiles, BuildError> {
        let entries = collect_ids(entries, MAX_ENTRIES)?;
        Ok(RecoverFiles { entries })
    }
}

impl Endpoint for RecoverFiles {
    const METHOD: Method = Method::POST;
    const PATH: &'static str = "/api/v1/file/recover";
    // No figure is documented.
    const RATE: RateClass = RateClass::new("file/recover", Duration::from_secs(1));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = RecoveredFiles;

    fn body(&self) -> Result<Body, BuildError> {
        Body::json(self)
    }
}

/// The response to a [`RecoverFiles`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveredFiles {
    /// The entries that were not restored: their folder is gone, or they were no longer in the trash, as after an attempt whose
    /// response was lost. Empty if all were restored.
    pub abnormal: Vec<EntryId>,
    /// The rows of that list that are no ids.
    pub unreadable: Vec<UnreadableRow>,
}

impl<'de> Deserialize<'de> for RecoveredFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            if json.is_null() {
                return Ok(RecoveredFiles::default());
            }
            let [abnormal] = json.fields([&["abnormalFileIDs", "abnormalFileIds"]])?;
            let id = |json: Json<'_>| EntryId::read(json).ok_or_else(|| abnormal.unreadable());
            let rows = Rows::read(&abnormal, id)?.unwrap_or_default();
            Ok::<_, Unreadable>(RecoveredFiles {
                abnormal: rows.readable,
                unreadable: rows.unreadable,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_empty_abnormal_list_means_all_were_restored() {
        let read = |json: &str| serde_json::from_str::<RecoveredFiles>(json).map(|it| it.abnormal);
        for json in [
            "null",
            "{}",
            r#"{"abnormalFileIDs":null}"#,
            r#"{"abnormalFileIDs":[]}"#,
        ] {
            assert_eq!(read(json).unwrap(), [], "{json}");
        }
        for json in [r#"{"abnormalFileIDs":["7"]}"#, r#"{"abnormalFileIds":[7]}"#] {
            assert_eq!(read(json).unwrap(), [EntryId::new(7).unwrap()], "{json}");
        }
        for json in ["7", r#"{"abnormalFileIDs":7}"#] {
            read(json).unwrap_err();
        }
        let odd: RecoveredFiles =
            serde_json::from_str(r#"{"abnormalFileIDs":["x",7,null]}"#).unwrap();
        assert_eq!(odd.abnormal, [EntryId::new(7).unwrap()]);
        let rows: Vec<_> = odd
            .unreadable
            .iter()
            .map(|row| (row.index(), row.excerpt()))
            .collect();
        assert_eq!(rows, [(0, "\"x\""), (2, "null")]);
    }
}
