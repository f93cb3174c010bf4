//! `GET /api/v2/file/list`: the entries of a folder, or of a search of the whole drive, page by page.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取文件列表（推荐）). Trashed entries are included.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use super::batch::check_count;
use super::entry::Entry;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::error::BuildError;
use crate::ids::{EntryId, Parent};
use crate::wire::json::{self, Unreadable};
use crate::wire::lenient::whole;

/// The maximum number of entries of a page.
const MAX_PAGE_SIZE: usize = 100;

/// Requests one page of a list. [`Session::list`](crate::Session::list) reads the whole list, entry by entry.
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
    /// Creates the request for the entries of a folder.
    pub fn of(parent: impl Into<Parent>) -> ListFiles {
        ListFiles {
            parent: parent.into(),
            limit: MAX_PAGE_SIZE,
            search: None,
            after: None,
        }
    }

    /// Creates the request for the entries of the whole drive with this text in their names, as the service searches.
    pub fn search(text: impl Into<String>) -> ListFiles {
        ListFiles::of(Parent::Root).with_search(text.into(), false)
    }

    /// Creates the request for the entries of the whole drive with exactly this name.
    pub fn search_exactly(name: impl Into<String>) -> ListFiles {
        ListFiles::of(Parent::Root).with_search(name.into(), true)
    }

    /// Sets the number of entries of a page, 100 by default.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] if it is not 1 to 100.
    pub fn page_size(mut self, entries: usize) -> Result<ListFiles, BuildError> {
        check_count("entries of a page", entries, MAX_PAGE_SIZE)?;
        self.limit = entries;
        Ok(self)
    }

    /// Starts after a cursor: the `next` of the page before (`lastFileId`).
    pub fn after(mut self, cursor: EntryId) -> ListFiles {
        self.after = Some(cursor);
        self
    }

    /// Returns the cursor that the page starts after; `None` for the first page.
    pub fn cursor(&self) -> Option<EntryId> {
        self.after
    }

    fn with_search(mut self, text: String, exact: bool) -> ListFiles {
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
    /// Its entries in the service's order, including trashed ones.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` if this is the last one (`lastFileId` -1 or 0).
    pub next: Option<EntryId>,
}

impl<'de> Deserialize<'de> for FilePage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [cursor, rows] = json.fields([&["lastFileId"], &["fileList"]])?;
            let cursor = u64::try_from(cursor.essential(whole::<i64>)?).ok();
            Ok::<_, Unreadable>(FilePage {
                entries: rows.rows(Entry::read)?.unwrap_or_default(),
                next: cursor.and_then(|cursor| EntryId::new(cursor).ok()),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_page_has_the_cursor_minus_one_or_zero() {
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
    fn page_size_is_1_to_100() {
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
