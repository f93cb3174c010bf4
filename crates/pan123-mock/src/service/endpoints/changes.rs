//! `POST /upload/v1/file/mkdir`, `POST /api/v1/file/move`, `PUT /api/v1/file/name`, `POST /api/v1/file/rename`: what clients change in the
//! drive. A request that is refused changes nothing.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::{Judged, needed, not_found};
use crate::service::Service;
use crate::service::answer::Answer;
use crate::service::args::{Args, FAILURE, Taken, wrong};
use crate::service::drive::{Places, is_allowed};

const FOLDER_EXISTS: &str = "该目录下已经有同名文件夹,无法进行创建";
const NAME_TAKEN: &str = "该目录下文件名重复无法创建";
const ALREADY_THERE: &str = "文件已在当前文件夹中，请选择其他文件夹";

/// How many files and folders a request may name.
pub(super) const MOST_IDS: usize = 100;
/// How many new names a request may give.
const MOST_NAMES: usize = 30;

impl Service {
    pub(super) fn mkdir(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["name", "parentID"])?;
        let name = args.string("name")?.ok_or_else(|| wrong("name"))?;
        let name = allowed(name, "name")?;
        let parent = self.folder(needed(&args, "parentID")?)?;
        if let Some(other) = self.drive.named(parent, &name) {
            let message = if other.is_folder {
                FOLDER_EXISTS
            } else {
                NAME_TAKEN
            };
            return Err(Answer::refused(FAILURE, message));
        }
        let folder = self.drive.add_folder(now, parent, &name);
        Ok(Answer::ok(&json!({ "dirID": folder })))
    }

    pub(super) fn move_files(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["fileIDs", "toParentFileID"])?;
        let ids = self.file_ids(&args)?;
        let target = self.folder(needed(&args, "toParentFileID")?)?;
        let mut places = Places::new();
        for id in ids {
            let file = self.drive.get(id).ok_or_else(not_found)?;
            if file.parent == target {
                return Err(Answer::refused(FAILURE, ALREADY_THERE));
            }
            if self.drive.is_within(target, id) {
                return Err(into_itself());
            }
            places.insert(id, (target, file.name.clone()));
        }
        self.put(now, places)
    }

    pub(super) fn rename_one(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["fileId", "fileName"])?;
        let id = needed(&args, "fileId")?;
        let name = args.string("fileName")?.ok_or_else(|| wrong("fileName"))?;
        let name = allowed(name, "fileName")?;
        let file = self.drive.get(id).ok_or_else(not_found)?;
        let places = Places::from([(id, (file.parent, name))]);
        self.put(now, places)
    }

    pub(super) fn rename_many(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let key = "renameList";
        let args = self.body(request, &[key])?;
        let list = args.strings(key)?;
        let list = list
            .filter(|list| (1..=MOST_NAMES).contains(&list.len()))
            .ok_or_else(|| wrong(key))?;
        let mut places = Places::new();
        for renaming in list {
            let (id, name) = renaming.split_once('|').ok_or_else(|| wrong(key))?;
            let id = id.parse().map_err(|_| wrong(key))?;
            let name = allowed(name.to_owned(), key)?;
            let file = self.drive.get(id).ok_or_else(not_found)?;
            places.insert(id, (file.parent, name));
        }
        self.put(now, places)
    }

    fn put(&mut self, now: SystemTime, places: Places) -> Judged {
        let done = self.drive.put(now, places);
        done.map_err(|_| Answer::refused(FAILURE, NAME_TAKEN))?;
        Ok(nothing())
    }

    /// `fileIDs`, all of which exist.
    pub(super) fn file_ids(&self, args: &Args) -> Taken<Vec<u64>> {
        let ids = ids(args, "fileIDs", MOST_IDS)?;
        let known = |id: &u64| self.drive.get(*id).is_some();
        if ids.iter().all(known) {
            Ok(ids)
        } else {
            Err(not_found())
        }
    }

    /// A folder that something can be put into.
    pub(super) fn folder(&self, id: u64) -> Taken<u64> {
        if self.drive.is_folder(id) {
            Ok(id)
        } else {
            Err(not_found())
        }
    }
}

/// At least one id, and at most so many.
pub(super) fn ids(args: &Args, key: &str, most: usize) -> Taken<Vec<u64>> {
    let ids = args.numbers(key)?;
    ids.filter(|ids| (1..=most).contains(&ids.len()))
        .ok_or_else(|| wrong(key))
}

/// A folder cannot be put below itself.
pub(super) fn into_itself() -> Answer {
    Answer::refused(FAILURE, "不能移动到自身或其子文件夹")
}

/// `data` of changes that have nothing to tell.
pub(super) fn nothing() -> Answer {
    Answer::ok(&())
}

fn allowed(name: String, key: &str) -> Taken<String> {
    if is_allowed(&name) {
        Ok(name)
    } else {
        Err(wrong(key))
    }
}
