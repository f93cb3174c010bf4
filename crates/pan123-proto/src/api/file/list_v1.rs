//! `GET /api/v1/file/list`: the files and folders of a folder, by numbered pages. The old list.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/hosdqqax0knovnm2>. It sorts and shows the trash alone, which
//! [`ListFiles`](super::ListFiles) does not; but a user who does not pay may ask once in five seconds.

use std::fmt;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Deserializer};

use super::entry::Entry;
use super::several::check_count;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::error::BuildError;
use crate::ids::Parent;
use crate::wire::http_url::RedactedUrl;
use crate::wire::lenient::{Flag, Text, Whole};

/// The most entries of a page.
const MOST: usize = 100;

/// Asks for one page of the old list. [`ListFiles`](super::ListFiles) is the one that the service recommends.
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

/// What the old list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OrderBy {
    /// `file_id`: the numbers of the files and folders.
    #[default]
    Id,
    /// `size`: how large they are.
    Size,
    /// `file_name`: their names.
    Name,
}

/// Which end of the old list comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderDirection {
    /// `asc`: the smallest.
    #[default]
    Ascending,
    /// `desc`: the largest.
    Descending,
}

impl ListFilesV1 {
    /// What is in this folder: its first page of 100 entries, by rising ids.
    pub fn of(parent: impl Into<Parent>) -> ListFilesV1 {
        ListFilesV1 {
            parent: parent.into(),
            page: 1,
            limit: MOST,
            order_by: OrderBy::default(),
            direction: OrderDirection::default(),
            trashed: None,
            search: None,
        }
    }

    /// Which page, counted from 1.
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

    /// How many entries a page has, 100 by default.
    ///
    /// # Errors
    ///
    /// [`BuildError::Count`] if it is not 1 to 100.
    pub fn page_size(mut self, entries: usize) -> Result<ListFilesV1, BuildError> {
        check_count("entries of a page", entries, MOST)?;
        self.limit = entries;
        Ok(self)
    }

    /// What it is sorted by.
    pub fn order_by(mut self, order: OrderBy) -> ListFilesV1 {
        self.order_by = order;
        self
    }

    /// Which end comes first.
    pub fn order_direction(mut self, direction: OrderDirection) -> ListFilesV1 {
        self.direction = direction;
        self
    }

    /// Whether it shows what lies in the trash. If this is not said, the service decides.
    pub fn trashed(mut self, trashed: bool) -> ListFilesV1 {
        self.trashed = Some(trashed);
        self
    }

    /// Only what has this text in its name, as the service searches.
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

/// One page of the old list. The last one is the one that ends with the entry number `total`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilePageV1 {
    /// How many entries all pages have.
    pub total: u64,
    /// The files and folders of this one.
    pub entries: Vec<EntryV1>,
}

/// A file or folder with what only the old list tells of it. What the answer left out is `None`, empty or false.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryV1 {
    /// What every list tells. `trashed` is missing in this one, and so is false.
    pub entry: Entry,
    /// The name of the folder that it is in.
    pub parent_name: String,
    /// What kind of content a file has, by a number of the service's in a text.
    pub content_type: String,
    /// Whether it is hidden.
    pub hidden: bool,
    /// The URL of a small picture. `Debug` leaves out its query, which may sign it.
    pub thumbnail: Option<String>,
    /// A URL to fetch a file from. `Debug` leaves out its query, which may sign it.
    pub download_url: Option<String>,
}

/// Without the queries of its URLs, which may sign them.
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
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            total: Whole<u64>,
            file_list: Option<Vec<EntryV1>>,
        }
        let wire = Wire::deserialize(deserializer)?;
        Ok(FilePageV1 {
            total: wire.total.0,
            entries: wire.file_list.unwrap_or_default(),
        })
    }
}

impl<'de> Deserialize<'de> for EntryV1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(flatten)]
            entry: Entry,
            parent_name: Option<Text>,
            content_type: Option<Text>,
            hidden: Option<Flag>,
            thumbnail: Option<Text>,
            download_url: Option<Text>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let text = |text: Option<Text>| text.map(|text| text.0).unwrap_or_default();
        let url = |url| Some(text(url)).filter(|url| !url.is_empty());
        Ok(EntryV1 {
            entry: wire.entry,
            parent_name: text(wire.parent_name),
            content_type: text(wire.content_type),
            hidden: wire.hidden.is_some_and(|flag| flag.0),
            thumbnail: url(wire.thumbnail),
            download_url: url(wire.download_url),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<EntryV1, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn signed_urls_are_kept_whole_and_not_printed() {
        let signed = "https://cdn.example/a.jpg?sig=canary";
        let entry = read(&format!(
            r#"{{"fileID":7,"filename":"a","type":0,"parentFileId":0,"thumbnail":"{signed}","downloadUrl":"{signed}"}}"#
        ))
        .unwrap();
        assert_eq!(entry.thumbnail.as_deref(), Some(signed));
        assert_eq!(entry.download_url.as_deref(), Some(signed));
        let shown = format!("{entry:?}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(shown.matches("https://cdn.example/a.jpg?…").count(), 2);
    }

    #[test]
    fn what_is_odd_or_missing_is_read_as_far_as_it_goes() {
        let id = u64::MAX;
        let entry = read(&format!(
            r#"{{"fileId":"{id}","filename":"a","type":"1","parentFileID":"9","hidden":1,"contentType":7,"thumbnail":null}}"#
        ))
        .unwrap();
        assert_eq!(entry.entry.id.get(), id);
        assert_eq!(entry.entry.parent.number(), 9);
        assert!(entry.hidden);
        assert_eq!((&*entry.content_type, &*entry.parent_name), ("7", ""));
        assert_eq!((entry.thumbnail, entry.download_url), (None, None));
        read(r#"{"filename":"a","type":0,"parentFileId":0}"#).unwrap_err();
    }

    #[test]
    fn a_page_says_how_many_there_are() {
        let page = |json: &str| serde_json::from_str::<FilePageV1>(json);
        assert_eq!(page(r#"{"total":"7","fileList":null}"#).unwrap().total, 7);
        for json in ["null", "{}", r#"{"fileList":[]}"#, r#"{"total":-1}"#] {
            page(json).unwrap_err();
        }
    }
}
