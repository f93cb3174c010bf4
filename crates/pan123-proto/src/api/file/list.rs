//! `GET /api/v2/file/list`: the files and folders of a folder, page by page; or what a search finds on the whole drive.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取文件列表（推荐）). Trashed entries come along.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use super::entry::Entry;
use super::several::check_count;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};
use crate::wire::lenient::Whole;

/// The most entries of a page.
const MOST: usize = 100;

/// Asks for one page of a list. [`Session::list`](crate::Session::list) reads all of them, entry by entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFiles {
    parent: Parent,
    limit: usize,
    search: Option<Search>,
    after: Option<EntryId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Search {
    text: String,
    exact: bool,
}

impl ListFiles {
    /// What is in this folder.
    pub fn of(parent: impl Into<Parent>) -> ListFiles {
        ListFiles {
            parent: parent.into(),
            limit: MOST,
            search: None,
            after: None,
        }
    }

    /// What on the whole drive has this text in its name, as the service searches.
    pub fn search(text: impl Into<String>) -> ListFiles {
        ListFiles::of(Parent::Root).searching(text.into(), false)
    }

    /// What on the whole drive has exactly this name.
    pub fn search_exactly(name: impl Into<String>) -> ListFiles {
        ListFiles::of(Parent::Root).searching(name.into(), true)
    }

    /// How many entries a page has, 100 by default.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] if it is not 1 to 100.
    pub fn page_size(mut self, entries: usize) -> Result<ListFiles, BuildError> {
        check_count("entries of a page", entries, MOST)?;
        self.limit = entries;
        Ok(self)
    }

    /// The page after the one that ended with this cursor (`lastFileId`).
    pub fn after(mut self, cursor: EntryId) -> ListFiles {
        self.after = Some(cursor);
        self
    }

    /// The cursor that the page comes after; none for the first one.
    pub fn cursor(&self) -> Option<EntryId> {
        self.after
    }

    fn searching(mut self, text: String, exact: bool) -> ListFiles {
        self.search = Some(Search { text, exact });
        self
    }
}

impl Endpoint for ListFiles {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v2/file/list";
    const RATE: RateClass = RateClass::new("v2/file/list", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = FilePage;

    fn query(&self, query: &mut Query) {
        query.push("parentFileId", self.parent);
        query.push("limit", self.limit);
        if let Some(search) = &self.search {
            query.push("searchData", &search.text);
            query.push("searchMode", u8::from(search.exact));
        }
        if let Some(cursor) = self.after {
            query.push("lastFileId", cursor);
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePage {
    /// Its files and folders, in the service's order, trashed ones among them.
    pub entries: Vec<Entry>,
    /// What the next page comes after; none if this was the last one (`lastFileId` -1 or 0).
    pub next: Option<EntryId>,
}

impl<'de> Deserialize<'de> for FilePage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            last_file_id: Whole<i64>,
            file_list: Option<Vec<Entry>>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let cursor = u64::try_from(wire.last_file_id.0).ok();
        Ok(FilePage {
            entries: wire.file_list.unwrap_or_default(),
            next: cursor.and_then(|cursor| EntryId::new(cursor).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_says_so_by_minus_one_or_zero() {
        let next = |cursor: &str| {
            let json = format!(r#"{{"lastFileId":{cursor},"fileList":null}}"#);
            serde_json::from_str::<FilePage>(&json).unwrap().next
        };
        assert_eq!(next("7"), EntryId::new(7).ok());
        assert_eq!(next("\"7\""), EntryId::new(7).ok());
        for cursor in ["-1", "0", "\"-1\""] {
            assert_eq!(next(cursor), None, "{cursor}");
        }
        serde_json::from_str::<FilePage>(r#"{"fileList":[]}"#).unwrap_err();
    }

    #[test]
    fn a_page_has_1_to_100_entries() {
        let size = |entries| ListFiles::of(Parent::Root).page_size(entries);
        assert!(size(1).is_ok() && size(100).is_ok());
        for entries in [0, 101] {
            let error = size(entries).unwrap_err().to_string();
            let expected = format!(
                "{entries} entries of a page were given: the service accepts 1 to 100 in one request"
            );
            assert_eq!(error, expected);
        }
    }
}
