//! `GET /api/v1/file/detail`: one file or folder.
//!
//! <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/> (获取单个文件详情).

use std::time::Duration;

use http::Method;

use super::entry::Entry;
use crate::endpoint::{Endpoint, Idempotency, Query, RateClass};
use crate::ids::EntryId;

/// Requests one file or folder. The response has neither the category nor the time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetDetail {
    entry: EntryId,
}

impl GetDetail {
    /// Creates the request for a file or folder.
    pub fn new(entry: impl Into<EntryId>) -> GetDetail {
        GetDetail {
            entry: entry.into(),
        }
    }
}

impl Endpoint for GetDetail {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/file/detail";
    const RATE: RateClass = RateClass::new("file/detail", Duration::from_millis(200));
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    type Response = Entry;

    fn query(&self, query: &mut Query) {
        query.push("fileID", self.entry);
    }
}
