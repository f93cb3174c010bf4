//! A model of the service's drive, which tests fill with files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Value, json};

use super::server::{Reply, ServerView, http_date, path, routine};

/// Clones are the same drive.
#[derive(Clone, Default)]
pub(crate) struct FakeDrive {
    rows: Rc<RefCell<Vec<Row>>>,
}

#[derive(Clone)]
struct Row {
    id: u64,
    parent: u64,
    name: String,
    is_dir: bool,
    trashed: bool,
    made: SystemTime,
    /// The keys whose values are not the usual ones.
    changed: Vec<(&'static str, Value)>,
}

/// The id of the first entry.
pub(crate) const FIRST: u64 = 1000;

pub(crate) const DUPLICATE: &str = "该目录下已经有同名文件夹,无法进行创建";

impl FakeDrive {
    pub(crate) fn dir(&self, parent: u64, name: &str) -> u64 {
        self.add(parent, name, true, SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn dir_made(&self, parent: u64, name: &str, made: SystemTime) -> u64 {
        self.add(parent, name, true, made)
    }

    pub(crate) fn file(&self, parent: u64, name: &str) -> u64 {
        self.file_made(parent, name, SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn file_made(&self, parent: u64, name: &str, made: SystemTime) -> u64 {
        self.add(parent, name, false, made)
    }

    pub(crate) fn trash(&self, id: u64) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.iter_mut().find(|row| row.id == id);
        row.expect("an entry").trashed = true;
    }

    /// Sets a key of an entry, as the service shows it.
    pub(crate) fn set(&self, id: u64, key: &'static str, value: Value) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.iter_mut().find(|row| row.id == id);
        row.expect("an entry").changed.push((key, value));
    }

    pub(crate) fn remove(&self, id: u64) {
        self.rows.borrow_mut().retain(|row| row.id != id);
    }

    /// The names in a folder.
    pub(crate) fn names(&self, parent: u64) -> Vec<String> {
        let rows = self.rows.borrow();
        let inside = rows.iter().filter(|row| row.parent == parent);
        inside.map(|row| row.name.clone()).collect()
    }

    fn add(&self, parent: u64, name: &str, is_dir: bool, made: SystemTime) -> u64 {
        let mut rows = self.rows.borrow_mut();
        let id = rows.last().map_or(FIRST, |row| row.id + 1);
        rows.push(Row {
            id,
            parent,
            name: name.to_owned(),
            is_dir,
            trashed: false,
            made,
            changed: Vec::new(),
        });
        id
    }

    /// Serves the endpoints of a drive, and anything else like [`routine`].
    pub(crate) fn serve(&self, view: &ServerView<'_>, request: &Request<Bytes>) -> Reply {
        match request.uri().path() {
            path::LIST => self.list(request).header("date", &http_date(view.wall())),
            path::MKDIR => self.mkdir(request, view.wall()),
            path::DETAIL => self.detail(request),
            _ => routine(view, request),
        }
    }

    fn list(&self, request: &Request<Bytes>) -> Reply {
        let query: HashMap<_, _> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        let number = |key: &str| query.get(key).and_then(|text| text.parse::<u64>().ok());
        let parent = number("parentFileId").expect("a folder");
        let limit = usize::try_from(number("limit").expect("a limit")).expect("a small one");
        let after = number("lastFileId").unwrap_or(0);
        let rows = self.rows.borrow();
        let mut inside = rows
            .iter()
            .filter(|row| row.parent == parent && row.id > after);
        let page: Vec<_> = inside.by_ref().take(limit).collect();
        let last = match inside.next() {
            Some(_) => page.last().map_or(json!(-1), |row| json!(row.id)),
            None => json!(-1),
        };
        let page: Vec<_> = page.into_iter().map(Row::json).collect();
        Reply::data(json!({"lastFileId": last, "fileList": page}))
    }

    fn detail(&self, request: &Request<Bytes>) -> Reply {
        let query = request.uri().query().unwrap_or_default();
        let id = query.strip_prefix("fileID=").and_then(|id| id.parse().ok());
        let rows = self.rows.borrow();
        match rows.iter().find(|row| Some(row.id) == id) {
            Some(row) => Reply::data(row.json()),
            None => Reply::code(5066, "文件不存在，检查传入fileId是否正确"),
        }
    }

    fn mkdir(&self, request: &Request<Bytes>, now: SystemTime) -> Reply {
        let body: Value = serde_json::from_slice(request.body()).expect("a JSON body");
        let parent = body["parentID"].as_u64().expect("a folder");
        let name = body["name"].as_str().expect("a name");
        if self.names(parent).iter().any(|taken| taken == name) {
            return Reply::code(1, DUPLICATE);
        }
        let id = self.add(parent, name, true, now);
        Reply::data(json!({"dirID": id}))
    }
}

impl Row {
    fn json(&self) -> Value {
        let mut row = json!({
            "fileId": self.id,
            "filename": self.name,
            "parentFileId": self.parent,
            "type": u8::from(self.is_dir),
            "trashed": u8::from(self.trashed),
            "size": 1,
            "etag": "",
            "createAt": service_date(self.made),
        });
        for (key, value) in &self.changed {
            row[*key] = value.clone();
        }
        row
    }
}

/// A date as the service writes it.
pub(crate) fn service_date(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).expect("a time in range");
    let china = at.to_zoned(TimeZone::fixed(Offset::constant(8)));
    china.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
