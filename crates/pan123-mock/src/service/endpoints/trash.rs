//! `POST /api/v1/file/trash`, `POST /api/v1/file/delete`, `POST /api/v1/file/recover`, `POST /api/v1/file/recover/by_path`: the trash. A
//! rejected request changes nothing.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::edits::{MAX_IDS, empty, ids, into_itself};
use super::{EndpointResult, required_number};
use crate::service::Service;
use crate::service::args::{ArgResult, Args, FAILURE};
use crate::service::response::ApiResponse;

/// The real message is not documented.
const NOT_IN_TRASH: &str = "文件不在回收站中";

impl Service {
    pub(super) fn trash(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["fileIDs"])?;
        let ids = self.file_ids(&args)?;
        self.drive.trash(now, &ids);
        Ok(empty())
    }

    pub(super) fn delete(&mut self, _: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["fileIDs"])?;
        let ids = self.trashed_ids(&args)?;
        self.drive.purge(&ids);
        Ok(empty())
    }

    pub(super) fn recover(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["fileIDs"])?;
        let ids = ids(&args, "fileIDs", MAX_IDS)?;
        let left = self.drive.recover(now, &ids);
        Ok(ApiResponse::ok(&json!({ "abnormalFileIDs": left })))
    }

    pub(super) fn recover_to(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &["fileIDs", "parentFileID"])?;
        let ids = self.trashed_ids(&args)?;
        let folder = self.folder(required_number(&args, "parentFileID")?)?;
        if ids.iter().any(|id| self.drive.is_within(folder, *id)) {
            return Err(into_itself());
        }
        for id in ids {
            self.drive.recover_to(now, id, folder);
        }
        Ok(empty())
    }

    /// Reads `fileIDs`, all of which must be in the trash.
    fn trashed_ids(&self, args: &Args) -> ArgResult<Vec<u64>> {
        let ids = self.file_ids(args)?;
        let trashed = |id: &u64| self.drive.get(*id).is_some_and(|file| file.trashed);
        if ids.iter().all(trashed) {
            Ok(ids)
        } else {
            Err(ApiResponse::error(FAILURE, NOT_IN_TRASH))
        }
    }
}
