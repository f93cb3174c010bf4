//! `POST /api/v1/file/copy`, `POST /api/v1/file/async/copy`, `GET /api/v1/file/async/copy/process`: copies within the drive.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::edits::ids;
use super::{EndpointResult, no_task, not_found, required_number};
use crate::service::Service;
use crate::service::args::FAILURE;
use crate::service::drive::{CopyError, without_duplicates};
use crate::service::response::ApiResponse;

/// The largest number of ids in a task.
const MAX_IDS: usize = 3000;

impl Service {
    pub(super) fn copy(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["fileId", "targetDirId"])?;
        let source = required_number(&args, "fileId")?;
        let folder = required_number(&args, "targetDirId")?;
        let target = self.drive.copy(now, source, folder).map_err(refused)?;
        Ok(ApiResponse::ok(
            &json!({"sourceFileId": source, "targetFileId": target}),
        ))
    }

    pub(super) fn copy_many(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &["fileIds", "targetDirId"])?;
        let ids = without_duplicates(ids(&args, "fileIds", MAX_IDS)?);
        let folder = required_number(&args, "targetDirId")?;
        let task = self.create_copy(now, ids, folder).map_err(refused)?;
        Ok(ApiResponse::ok(&json!({ "taskId": task })))
    }

    pub(super) fn copy_progress(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.query(request, &["taskId"])?;
        let task = required_number(&args, "taskId")?;
        let status = self.poll_copy(now, task).ok_or_else(no_task)?;
        Ok(ApiResponse::ok(&Progress {
            task_id: task,
            status,
        }))
    }
}

/// A struct, to keep the documented order of fields.
#[derive(serde::Serialize)]
struct Progress {
    #[serde(rename = "taskId")]
    task_id: u64,
    status: i64,
}

fn refused(why: CopyError) -> ApiResponse {
    match why {
        CopyError::NotFound => not_found(),
        CopyError::IntoItself => ApiResponse::error(FAILURE, "不能复制到自身或其子文件夹"),
    }
}
