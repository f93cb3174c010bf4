//! `POST /api/v1/file/copy`, `POST /api/v1/file/async/copy`, `GET /api/v1/file/async/copy/process`: what clients copy within the drive.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::changes::ids;
use super::{Judged, needed, no_task, not_found};
use crate::service::Service;
use crate::service::answer::Answer;
use crate::service::args::FAILURE;
use crate::service::drive::{NoCopy, each_once};

/// How many files and folders a task may copy.
const MOST_IDS: usize = 3000;

impl Service {
    pub(super) fn copy(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["fileId", "targetDirId"])?;
        let source = needed(&args, "fileId")?;
        let folder = needed(&args, "targetDirId")?;
        let target = self.drive.copy(now, source, folder).map_err(refused)?;
        Ok(Answer::ok(
            &json!({"sourceFileId": source, "targetFileId": target}),
        ))
    }

    pub(super) fn copy_many(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["fileIds", "targetDirId"])?;
        let ids = each_once(ids(&args, "fileIds", MOST_IDS)?);
        let folder = needed(&args, "targetDirId")?;
        let task = self.create_copy(now, ids, folder).map_err(refused)?;
        Ok(Answer::ok(&json!({ "taskId": task })))
    }

    pub(super) fn copy_progress(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.query(request, &["taskId"])?;
        let task = needed(&args, "taskId")?;
        let status = self.poll_copy(now, task).ok_or_else(no_task)?;
        Ok(Answer::ok(&Progress {
            task_id: task,
            status,
        }))
    }
}

/// A struct, so that the fields come in the order of the documentation.
#[derive(serde::Serialize)]
struct Progress {
    #[serde(rename = "taskId")]
    task_id: u64,
    status: i64,
}

fn refused(why: NoCopy) -> Answer {
    match why {
        NoCopy::NotFound => not_found(),
        NoCopy::IntoItself => Answer::refused(FAILURE, "不能复制到自身或其子文件夹"),
    }
}
