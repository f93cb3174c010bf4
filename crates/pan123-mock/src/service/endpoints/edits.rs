//! `POST /upload/v1/file/mkdir`, `POST /api/v1/file/move`, `PUT /api/v1/file/name`, `POST /api/v1/file/rename`: changes to the drive. A
//! rejected request changes nothing.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::{EndpointResult, not_found, required_number};
use crate::service::Service;
use crate::service::args::{ArgResult, Args, FAILURE, invalid};
use crate::service::drive::{Moves, is_allowed};
use crate::service::response::ApiResponse;

const FOLDER_EXISTS: &str = "该目录下已经有同名文件夹,无法进行创建";
const NAME_TAKEN: &str = "该目录下文件名重复无法创建";
const ALREADY_THERE: &str = "文件已在当前文件夹中，请选择其他文件夹";

/// The largest number of ids in a request.
pub(super) const MAX_IDS: usize = 100;
/// The largest number of new names in a request.
const MAX_RENAMES: usize = 30;

impl Service {
    pub(super) fn mkdir(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["name", "parentID"])?;
        let name = args.string("name")?.ok_or_else(|| invalid("name"))?;
        let name = allowed(name, "name")?;
        let parent = self.folder(required_number(&args, "parentID")?)?;
        if let Some(other) = self.drive.find_by_name(parent, &name) {
            let message = if other.is_folder {
                FOLDER_EXISTS
            } else {
                NAME_TAKEN
            };
            return Err(ApiResponse::error(FAILURE, message));
        }
        let folder = self.drive.add_folder(now, parent, &name);
        Ok(ApiResponse::ok(&json!({ "dirID": folder })))
    }

    pub(super) fn move_files(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &["fileIDs", "toParentFileID"])?;
        let ids = self.file_ids(&args)?;
        let target = self.folder(required_number(&args, "toParentFileID")?)?;
        let mut moves = Moves::new();
        for id in ids {
            let file = self.drive.get(id).ok_or_else(not_found)?;
            if file.parent == target {
                return Err(ApiResponse::error(FAILURE, ALREADY_THERE));
            }
            if self.drive.is_within(target, id) {
                return Err(into_itself());
            }
            moves.insert(id, (target, file.name.clone()));
        }
        self.relocate(now, moves)
    }

    pub(super) fn rename_one(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &["fileId", "fileName"])?;
        let id = required_number(&args, "fileId")?;
        let name = args
            .string("fileName")?
            .ok_or_else(|| invalid("fileName"))?;
        let name = allowed(name, "fileName")?;
        let file = self.drive.get(id).ok_or_else(not_found)?;
        let moves = Moves::from([(id, (file.parent, name))]);
        self.relocate(now, moves)
    }

    pub(super) fn rename_many(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let key = "renameList";
        let args = self.body(request, &[key])?;
        let list = args.strings(key)?;
        let list = list
            .filter(|list| (1..=MAX_RENAMES).contains(&list.len()))
            .ok_or_else(|| invalid(key))?;
        let mut moves = Moves::new();
        for renaming in list {
            let (id, name) = renaming.split_once('|').ok_or_else(|| invalid(key))?;
            let id = id.parse().map_err(|_| invalid(key))?;
            let name = allowed(name.to_owned(), key)?;
            let file = self.drive.get(id).ok_or_else(not_found)?;
            moves.insert(id, (file.parent, name));
        }
        self.relocate(now, moves)
    }

    fn relocate(&mut self, now: SystemTime, moves: Moves) -> EndpointResult {
        let done = self.drive.relocate(now, moves);
        done.map_err(|_| ApiResponse::error(FAILURE, NAME_TAKEN))?;
        Ok(empty())
    }

    /// Reads `fileIDs`, all of which must exist.
    pub(super) fn file_ids(&self, args: &Args) -> ArgResult<Vec<u64>> {
        let ids = ids(args, "fileIDs", MAX_IDS)?;
        let known = |id: &u64| self.drive.get(*id).is_some();
        if ids.iter().all(known) {
            Ok(ids)
        } else {
            Err(not_found())
        }
    }

    /// Checks that this folder exists and is not in the trash.
    pub(super) fn folder(&self, id: u64) -> ArgResult<u64> {
        if self.drive.is_folder(id) {
            Ok(id)
        } else {
            Err(not_found())
        }
    }
}

/// Reads between 1 and `max` ids.
pub(super) fn ids(args: &Args, key: &str, max: usize) -> ArgResult<Vec<u64>> {
    let ids = args.numbers(key)?;
    ids.filter(|ids| (1..=max).contains(&ids.len()))
        .ok_or_else(|| invalid(key))
}

/// The error for a folder that would be below itself.
pub(super) fn into_itself() -> ApiResponse {
    ApiResponse::error(FAILURE, "不能移动到自身或其子文件夹")
}

/// A success without data.
pub(super) fn empty() -> ApiResponse {
    ApiResponse::ok(&())
}

fn allowed(name: String, key: &str) -> ArgResult<String> {
    if is_allowed(&name) {
        Ok(name)
    } else {
        Err(invalid(key))
    }
}
