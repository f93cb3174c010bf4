//! `GET /api/v2/file/list`, `GET /api/v1/file/detail`, `POST /api/v1/file/infos`, `GET /api/v1/file/download_info`: the contents of the
//! drive.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::rows::{Detail, Row};
use super::{EndpointResult, not_found, required_number};
use crate::service::Service;
use crate::service::args::{ArgResult, Args, FAILURE, invalid};
use crate::service::drive::File;
use crate::service::response::ApiResponse;

/// The key that holds the rows of `POST /api/v1/file/infos`. The documentation has used both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum InfosKey {
    /// `fileList`, as in the 2026 sample.
    #[default]
    FileList,
    /// `list`, as in the 2025 sample.
    List,
}

/// The `lastFileId` of the last page of [`path::FILE_LIST`](super::path::FILE_LIST). A full page with nothing after it is already the last
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum ListEnd {
    /// -1, as documented.
    #[default]
    MinusOne,
    /// 0, which an existing client expects. Sent back, it starts the list again.
    Zero,
    /// None: from the second page on `lastFileId` repeats what the client sent, so the same page comes forever.
    Never,
}

const LIST_KEYS: [&str; 8] = [
    "parentFileId",
    "limit",
    "lastFileId",
    "searchData",
    "searchMode",
    "category",
    // Accepted without effect.
    "trashed",
    "businessType",
];

/// The largest number of rows in a page.
const MAX_PAGE_SIZE: usize = 100;

/// The characters that are escaped in the path of a URL.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl Service {
    pub(super) fn file_list(&mut self, _: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.query(request, &LIST_KEYS)?;
        let parent = required_number(&args, "parentFileId")?;
        let limit = page_size(&args)?;
        // A client may send the end marker back, which is not an id.
        let sent = args.number::<i64>("lastFileId")?.unwrap_or(0);
        let last = u64::try_from(sent).unwrap_or(0);
        let category = args.number("category")?.filter(|&number: &u8| number != 0);

        // A search ignores the folder, and neither kind of list filters the trash.
        let mut page = match Search::of(&args)? {
            Some(search) => {
                let found = self.drive.after(last);
                self.page(found.filter(|it| search.finds(&it.name)), category, limit)
            }
            None => self.page(self.drive.entries_after(parent, last), category, limit),
        };
        if self.options.list_end == ListEnd::Never && sent > 0 {
            page.last_file_id = sent;
        }
        Ok(ApiResponse::ok(&page))
    }

    pub(super) fn file_detail(
        &mut self,
        _: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.query(request, &["fileID"])?;
        let file = self.file(required_number(&args, "fileID")?)?;
        Ok(ApiResponse::ok(&Detail::of(file, self.options.seed)))
    }

    pub(super) fn file_infos(&mut self, _: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["fileIds"])?;
        let ids = args.numbers("fileIds")?.ok_or_else(|| invalid("fileIds"))?;
        // Unknown ids are skipped, as in the documented sample.
        let known = ids.into_iter().filter_map(|id: u64| self.drive.get(id));
        let rows = self.rows(&known.collect::<Vec<_>>());
        Ok(ApiResponse::ok(&BTreeMap::from([(
            self.options.infos_key.as_str(),
            rows,
        )])))
    }

    pub(super) fn download_info(
        &mut self,
        _: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.query(request, &["fileId"])?;
        let file = self.file(required_number(&args, "fileId")?)?;
        if file.is_folder {
            return Err(ApiResponse::error(FAILURE, "文件夹没有下载地址"));
        }
        let host = request.headers().get(header::HOST);
        let host = host
            .and_then(|host| host.to_str().ok())
            .unwrap_or("127.0.0.1");
        let name = utf8_percent_encode(&file.name, IN_PATH);
        let url = format!("http://{host}/__files/{}/{name}", file.id);
        Ok(ApiResponse::ok(&json!({ "downloadUrl": url })))
    }

    fn file(&self, id: u64) -> ArgResult<&File> {
        self.drive.get(id).ok_or_else(not_found)
    }

    fn page<'a>(
        &self,
        found: impl Iterator<Item = &'a File>,
        category: Option<u8>,
        limit: usize,
    ) -> Page<'a> {
        let wanted = found.filter(|file| category.is_none_or(|it| file.category() == it));
        let mut files: Vec<_> = wanted.take(limit + 1).collect();
        let more = files.len() > limit;
        files.truncate(limit);
        let last = files.last().map(|file| file.id.cast_signed());
        let end = match self.options.list_end {
            ListEnd::MinusOne => -1,
            ListEnd::Zero => 0,
            // For an empty folder any id will do.
            ListEnd::Never => last.unwrap_or(1),
        };
        Page {
            last_file_id: last.filter(|_| more).unwrap_or(end),
            file_list: self.rows(&files),
        }
    }

    fn rows<'a>(&self, files: &[&'a File]) -> Vec<Row<'a>> {
        let seed = self.options.seed;
        files.iter().map(|file| Row::of(file, seed)).collect()
    }
}

impl InfosKey {
    fn as_str(self) -> &'static str {
        match self {
            Self::FileList => "fileList",
            Self::List => "list",
        }
    }
}

/// Reads the number of rows per page.
pub(super) fn page_size(args: &Args) -> ArgResult<usize> {
    let limit = args.number("limit")?;
    limit
        .filter(|limit| (1..=MAX_PAGE_SIZE).contains(limit))
        .ok_or_else(|| invalid("limit"))
}

/// A search by name.
pub(super) enum Search {
    Exactly(String),
    /// In lower case.
    Part(String),
}

impl Search {
    fn of(args: &Args) -> ArgResult<Option<Self>> {
        let exact = match args.number("searchMode")? {
            None | Some(0) => false,
            Some(1) => true,
            Some(_) => return Err(invalid("searchMode")),
        };
        let search = args.string("searchData")?.map(|name| {
            if exact {
                Self::Exactly(name)
            } else {
                Self::part(&name)
            }
        });
        Ok(search)
    }

    pub(super) fn part(name: &str) -> Self {
        Self::Part(name.to_lowercase())
    }

    pub(super) fn finds(&self, name: &str) -> bool {
        match self {
            Self::Exactly(wanted) => name == wanted,
            Self::Part(wanted) => name.to_lowercase().contains(wanted),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page<'a> {
    last_file_id: i64,
    file_list: Vec<Row<'a>>,
}
