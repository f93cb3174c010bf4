//! `GET /api/v1/file/list`: the entries of a folder by numbered pages. The old list.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/hosdqqax0knovnm2>. Unlike
//! [`ListFiles`](super::ListFiles) it sorts and can list the trash alone, but free accounts may send one request in five seconds.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use super::batch::check_count;
use super::entry::Entry;
use super::rows::Rows;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::error::{BuildError, UnreadableRow};
use crate::ids::Parent;
use crate::wire::http_url::RedactedUrl;
use crate::wire::json::{self, Field, Json, Unreadable};
use crate::wire::lenient::{flag, text, whole};

/// The maximum number of entries of a page.
const MAX_PAGE_SIZE: usize = 100;

/// Requests one page of the old list. The service recommends [`ListFiles`](super::ListFiles).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFilesV1 {
    parent: Parent,
    page: u64,
    limit: usize,
    order_by: OrderBy,
    direction: OrderDirection,
    trashed: Option<bool>,
    search: Option<String>,
}

/// The key that the old list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderBy {
    /// `file_id`: by id.
    #[default]
    Id,
    /// `size`: by size.
    Size,
    /// `file_name`: by name.
    Name,
}

/// The sort direction of the old list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderDirection {
    /// `asc`: smallest first.
    #[default]
    Ascending,
    /// `desc`: largest first.
    Descending,
}

impl ListFilesV1 {
    /// Creates the request for a folder: its first page of 100 entries, sorted by ascending id.
    pub fn of(parent: impl Into<Parent>) -> ListFilesV1 {
        ListFilesV1 {
            parent: parent.into(),
            page: 1,
            limit: MAX_PAGE_SIZE,
            order_by: OrderBy::default(),
            direction: OrderDirection::default(),
            trashed: None,
            search: None,
        }
    }

    /// Sets the page, counted from 1.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] if it is 0.
    pub fn page(mut self, page: u64) -> Result<ListFilesV1, BuildError> {
        if page == 0 {
            return Err(BuildError::Setting {
                what: "the page of a list",
                given: page.to_string(),
                allowed: "pages are counted from 1",
            });
        }
        self.page = page;
        Ok(self)
    }

    /// Sets the number of entries of a page, 100 by default.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] if it is not 1 to 100.
    pub fn page_size(mut self, entries: usize) -> Result<ListFilesV1, BuildError> {
        check_count("entries of a page", entries, MAX_PAGE_SIZE)?;
        self.limit = entries;
        Ok(self)
    }

    /// Sets the sort key.
    pub fn order_by(mut self, order: OrderBy) -> ListFilesV1 {
        self.order_by = order;
        self
    }

    /// Sets the sort direction.
    pub fn order_direction(mut self, direction: OrderDirection) -> ListFilesV1 {
        self.direction = direction;
        self
    }

    /// Sets whether to list the trash. The default is the service's.
    pub fn trashed(mut self, trashed: bool) -> ListFilesV1 {
        self.trashed = Some(trashed);
        self
    }

    /// Restricts the list to entries with this text in their names, as the service searches.
    pub fn search(mut self, text: impl Into<String>) -> ListFilesV1 {
        self.search = Some(text.into());
        self
    }
}

impl OrderBy {
    fn as_str(self) -> &'static str {
        match self {
            OrderBy::Id => "file_id",
            OrderBy::Size => "size",
            OrderBy::Name => "file_name",
        }
    }
}

impl OrderDirection {
    fn as_str(self) -> &'static str {
        match self {
            OrderDirection::Ascending => "asc",
            OrderDirection::Descending => "desc",
        }
    }
}

impl Endpoint for ListFilesV1 {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/file/list";
    const RATE: RateClass = RateClass::new("v1/file/list", Duration::from_secs(5));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    // It may hold a signed URL.
    const SECRET_RESPONSE: bool = true;
    type Response = FilePageV1;

    fn query(&self, query: &mut Query) {
        query.push("parentFileId", self.parent);
        query.push("page", self.page);
        query.push("limit", self.limit);
        query.push("orderBy", self.order_by.as_str());
        query.push("orderDirection", self.direction.as_str());
        if let Some(trashed) = self.trashed {
            query.push("trashed", trashed);
        }
        if let Some(text) = &self.search {
            query.push("searchData", text);
        }
    }
}

/// One page of the old list. The last page is the one that reaches `total` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePageV1 {
    /// The number of entries of all pages, if it can be read.
    pub total: Option<u64>,
    /// The entries of this page.
    pub entries: Vec<EntryV1>,
    /// The rows of this page that could not be read.
    pub unreadable: Vec<UnreadableRow>,
}

/// A file or folder with the fields that only the old list has. Fields that the response leaves out are `None`, empty or false.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryV1 {
    /// The fields of every list. The old list has no `trashed`, so it is false.
    pub entry: Entry,
    /// The name of the folder that contains it.
    pub parent_name: String,
    /// The kind of content of a file: a number of the service's as a string.
    pub content_type: String,
    /// Whether it is hidden.
    pub hidden: bool,
    /// The URL of a thumbnail. `Debug` leaves out its query, which may hold a signature.
    pub thumbnail: Option<String>,
    /// A URL to download the file from. `Debug` leaves out its query, which may hold a signature.
    pub download_url: Option<String>,
}

/// Leaves out the queries of the URLs, which may hold signatures.
impl fmt::Debug for EntryV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryV1")
            .field("entry", &self.entry)
            .field("parent_name", &self.parent_name)
            .field("content_type", &self.content_type)
            .field("hidden", &self.hidden)
            .field("thumbnail", &self.thumbnail.as_deref().map(RedactedUrl))
            .field(
                "download_url",
                &self.download_url.as_deref().map(RedactedUrl),
            )
            .finish()
    }
}

impl<'de> Deserialize<'de> for FilePageV1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, |json| {
            let [total, rows] = json.fields([&["total"], &["fileList"]])?;
            let number = total.essential(whole);
            let (total, rows) = match Rows::read(&rows, EntryV1::read)? {
                Some(rows) => (number.ok(), rows.without_excerpts()),
                None => (Some(number?), Rows::default()),
            };
            Ok::<_, Unreadable>(FilePageV1 {
                total,
                entries: rows.readable,
                unreadable: rows.unreadable,
            })
        })
    }
}

impl EntryV1 {
    fn read(json: Json<'_>) -> Result<EntryV1, Unreadable> {
        let [parent_name, content_type, hidden, thumbnail, download_url] = json.fields([
            &["parentName"],
            &["contentType"],
            &["hidden"],
            &["thumbnail"],
            &["downloadUrl"],
        ])?;
        let string = |field: Field<'_>| field.optional(text).unwrap_or_default().into_owned();
        let url = |field| Some(string(field)).filter(|url| !url.is_empty());
        Ok(EntryV1 {
            entry: Entry::read(json)?,
            parent_name: string(parent_name),
            content_type: string(content_type),
            hidden: hidden.optional(flag).unwrap_or_default(),
            thumbnail: url(thumbnail),
            download_url: url(download_url),
        })
    }
}

impl<'de> Deserialize<'de> for EntryV1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, EntryV1::read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<EntryV1, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn signed_urls_are_unchanged_and_not_printed() {
        let signed = "https://cdn.example/a.jpg?sig=canary";
        let entry = read(&format!(
            r#"{{"fileID":7,"filename":"a","type":0,"parentFileId":0,"thumbnail":"{signed}","downloadUrl":"{signed}"}}"#
        ))
        .unwrap();
        assert_eq!(entry.thumbnail.as_deref(), Some(signed));
        assert_eq!(entry.download_url.as_deref(), Some(signed));
        let shown = format!("{entry:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(shown.matches("https://cdn.example/…").count(), 2);
    }

    #[test]
    fn unreadable_or_missing_optional_fields_are_absent() {
        let id = u64::MAX;
        let entry = read(&format!(
            r#"{{"fileId":"{id}","filename":"a","type":"1","parentFileID":"9","hidden":1,"contentType":7,"thumbnail":null}}"#
        ))
        .unwrap();
        assert_eq!(entry.entry.id.get(), id);
        assert_eq!(entry.entry.parent, Some(Parent::from_number(9)));
        assert!(entry.hidden);
        assert_eq!((&*entry.content_type, &*entry.parent_name), ("7", ""));
        assert_eq!((entry.thumbnail, entry.download_url), (None, None));
        read(r#"{"filename":"a","type":0,"parentFileId":0}"#).unwrap_err();
    }

    #[test]
    fn page_must_have_a_list_or_a_total() {
        let page = |json: &str| serde_json::from_str::<FilePageV1>(json);
        for (json, total) in [
            (r#"{"total":"7","fileList":null}"#, Some(7)),
            (r#"{"total":0}"#, Some(0)),
            (r#"{"total":null,"fileList":[]}"#, None),
            (r#"{"fileList":[]}"#, None),
        ] {
            assert_eq!(page(json).unwrap().total, total, "{json}");
        }
        for json in [
            "null",
            "{}",
            r#"{"total":-1}"#,
            r#"{"total":1,"fileList":7}"#,
        ] {
            page(json).unwrap_err();
        }
    }

    #[test]
    fn unreadable_row_loses_only_itself_and_shows_no_url() {
        let page: FilePageV1 = serde_json::from_str(
            r#"{"total":2,"fileList":[
                {"fileId":7,"filename":"a","type":null,"thumbnail":"https://cdn.example/a.jpg?sig=canary"},
                {"fileId":8,"filename":"b","type":0}]}"#,
        )
        .unwrap();
        assert_eq!(page.entries.len(), 1);
        let row = &page.unreadable[0];
        assert_eq!(
            (row.id().map(crate::ids::EntryId::get), row.name()),
            (Some(7), Some("a"))
        );
        let shown = format!("{row} {page:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
