//! `GET /api/v2/file/list`: the entries of a folder, or of a search of the whole drive, page by page.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取文件列表（推荐）). Trashed entries are included.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use super::batch::check_count;
use super::entry::Entry;
use super::rows::Rows;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::error::{BuildError, UnreadableRow};
use crate::ids::{EntryId, Parent};
use crate::wire::json::{self, Json, Unreadable};
use crate::wire::lenient::{text, whole};

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
    /// The rows that could not be read, in the same order.
    pub unreadable: Vec<UnreadableRow>,
    /// The cursor of the next page; `None` if this is the last one (`lastFileId` -1 or 0). If the response has none, the next page
    /// starts after the last row whose id can be read, and an empty page is the last one.
    pub next: Option<EntryId>,
}

impl<'de> Deserialize<'de> for FilePage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [cursor, rows] = json.fields([&["lastFileId"], &["fileList"]])?;
            let rows = Rows::read(&rows, Entry::read)?;
            let next = match (cursor.essential(whole::<i64>), &rows) {
                (Ok(cursor), _) => u64::try_from(cursor).ok(),
                (Err(_), Some(rows)) if cursor.values().all(is_blank) => match rows.len() {
                    0 => None,
                    _ => Some(last_id(rows).ok_or_else(|| cursor.missing())?.get()),
                },
                (Err(error), _) => return Err(error),
            };
            let Rows {
                readable,
                unreadable,
            } = rows.unwrap_or_default();
            Ok::<_, Unreadable>(FilePage {
                entries: readable,
                unreadable,
                next: next.and_then(|cursor| EntryId::new(cursor).ok()),
            })
        })
    }
}

fn is_blank(json: Json<'_>) -> bool {
    json.is_null() || text(json).is_some_and(|text| text.trim().is_empty())
}

/// The id of the last row that has a readable one.
fn last_id(rows: &Rows<Entry>) -> Option<EntryId> {
    let mut readable = rows.readable.iter().rev();
    let mut unreadable = rows.unreadable.iter().rev().peekable();
    (0..rows.len())
        .rev()
        .find_map(|index| match unreadable.next_if(|row| row.index == index) {
            Some(row) => row.id,
            None => readable.next().map(|entry| entry.id),
        })
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
    }

    #[test]
    fn page_without_a_cursor_is_the_last_only_if_it_is_empty() {
        let read = |json: String| serde_json::from_str::<FilePage>(&json);
        let row = r#"{"fileId":9,"filename":"a","type":0}"#;
        let odd = r#"{"fileId":8}"#;
        for cursor in ["", r#""lastFileId":null,"#, r#""lastFileId":" ","#] {
            let next = |rows: &str| read(format!(r#"{{{cursor}"fileList":{rows}}}"#));
            for empty in ["[]", "null"] {
                assert_eq!(next(empty).unwrap().next, None, "{cursor}");
            }
            for (rows, id) in [
                (format!("[{odd},{row}]"), 9),
                (format!("[{row},{odd}]"), 8),
                (format!("[{row},null]"), 9),
                (format!("[{row},{odd},null,7]"), 8),
                (format!("[{odd},{row},null]"), 9),
            ] {
                let page = next(&rows).unwrap();
                assert_eq!(page.next.map(EntryId::get), Some(id), "{cursor}{rows}");
                assert_eq!(page.entries.len(), 1, "{cursor}{rows}");
            }
            let error = next("[null]").unwrap_err().to_string();
            assert!(error.contains("`lastFileId` is missing"), "{error}");
            read(format!(r#"{{{cursor}"x":1}}"#)).unwrap_err();
        }
        for cursor in ["\"end\"", "7.5", "[]", "7,\"lastFileId\":8"] {
            let error = read(format!(r#"{{"lastFileId":{cursor},"fileList":[]}}"#)).unwrap_err();
            assert!(error.to_string().contains("`lastFileId`"), "{error}");
        }
    }

    #[test]
    fn unreadable_row_says_what_it_is_and_what_is_wrong() {
        let row = |json: &str| {
            let page = format!(r#"{{"lastFileId":-1,"fileList":[{json}]}}"#);
            let page: FilePage = serde_json::from_str(&page).unwrap();
            assert_eq!(
                (page.entries.len(), page.unreadable.len()),
                (0, 1),
                "{json}"
            );
            page.unreadable.into_iter().next().unwrap()
        };
        for (json, id, name, reason) in [
            ("null", 0, None, "an object is expected"),
            ("[7]", 0, None, "an object is expected"),
            ("{}", 0, None, "`fileId` or `fileID` is missing"),
            (
                r#"{"fileID":7,"filename":"a","type":null}"#,
                7,
                Some("a"),
                "`type` cannot be read",
            ),
            (
                r#"{"fileId":7,"filename":"a\ud83d","type":0}"#,
                7,
                Some("a\u{fffd}\u{fffd}\u{fffd}"),
                "`filename` or `fileName` cannot be read",
            ),
            (
                r#"{"fileId":7,"fileID":8,"filename":"a","type":0}"#,
                0,
                Some("a"),
                "has different values: 7, 8",
            ),
            (
                r#"{"fileId":9007199254740993.0,"fileName":"a","type":0}"#,
                0,
                Some("a"),
                "`fileId` or `fileID` cannot be read",
            ),
        ] {
            let row = row(json);
            assert_eq!(
                (row.id(), row.name()),
                (EntryId::new(id).ok(), name),
                "{json}"
            );
            assert_eq!(row.excerpt(), json);
            assert!(row.to_string().contains(reason), "{row}");
        }
        let long = row(&format!(
            r#"{{"fileId":7,"x":"{}"}}"#,
            "\u{202e}".repeat(500)
        ));
        assert!(long.excerpt().chars().count() <= 200);
        let shown = format!("{long} {long:?}");
        assert!(!shown.contains('\u{202e}'), "{shown}");
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
