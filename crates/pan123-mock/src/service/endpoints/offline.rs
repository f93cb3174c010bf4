//! `POST /api/v1/offline/download`, `GET /api/v1/offline/download/process`: offline downloads to the drive.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{EndpointResult, no_task, required_number};
use crate::service::args::{ArgResult, FAILURE, invalid};
use crate::service::options::Execution;
use crate::service::response::ApiResponse;
use crate::service::task_script::ScriptStep;
use crate::service::tasks::{Destination, Download, Storage};
use crate::service::{Effect, Service, Task, is_http};

/// The service's message when too many tasks are running.
const TOO_MANY: &str = "同时下载的任务超出最大限制";

impl Service {
    pub(super) fn download(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let args = self.body(request, &["url", "fileName", "dirID", "callBackUrl"])?;
        let url = source_url(args.string("url")?)?;
        let folder = match args.number("dirID")? {
            // According to the documentation the root cannot be chosen; in practice such a file lands in the default folder.
            Some(0) if self.options.strict => {
                return Err(ApiResponse::error(FAILURE, "dirID不支持根目录"));
            }
            Some(0) => None,
            Some(id) if self.options.strict && !self.has_folder(id) => {
                return Err(ApiResponse::error(FAILURE, "dirID不存在"));
            }
            other => other,
        };
        let download = Download {
            url,
            destination: Destination::Drive(folder),
            file_name: args.string("fileName")?,
            callback_url: args.string("callBackUrl")?,
        };
        self.create_task(now, download)
    }

    pub(super) fn progress(&mut self, now: SystemTime, request: &Request<Bytes>) -> EndpointResult {
        let step = self.poll_task(now, request, Storage::Drive)?;
        Ok(progress_response(step.percent, step.status))
    }

    /// Polls a task of this storage.
    pub(super) fn poll_task(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
        storage: Storage,
    ) -> ArgResult<ScriptStep> {
        let args = self.query(request, &["taskID"])?;
        let id = required_number(&args, "taskID")?;
        let task = self.tasks.get_mut(id);
        let task = task
            .filter(|task| task.destination().storage() == storage)
            .ok_or_else(no_task)?;

        let ended = task.poll(now);
        let step = task.progress();
        if let Some(result) = ended {
            self.finish(now, id, result);
        }
        Ok(step)
    }

    /// Creates a task, unless too many of its storage are running.
    pub(super) fn create_task(&mut self, now: SystemTime, download: Download) -> EndpointResult {
        let running = self.tasks.running(download.destination.storage());
        let limit = self.options.running_limit;
        if limit.is_some_and(|limit| running >= limit) {
            return Err(ApiResponse::error(
                self.options.running_limit_code,
                TOO_MANY,
            ));
        }
        let url = download.url.clone();
        let task = match self.options.execution_of(&url) {
            Execution::Fetch => {
                let task = self.tasks.create_fetched(now, download);
                let name = self.tasks.get(task).map(Task::name).unwrap_or_default();
                self.outbox.push(Effect::Fetch { task, url, name });
                task
            }
            Execution::Script(script) => {
                let ends = script.ends_after().and_then(|takes| now.checked_add(takes));
                let task = self.tasks.create(now, download, script);
                if let Some(ends) = ends {
                    self.schedule.task_ends(ends, task);
                }
                task
            }
        };
        Ok(ApiResponse::ok(&json!({ "taskID": task })))
    }

    fn has_folder(&self, id: i64) -> bool {
        u64::try_from(id).is_ok_and(|id| self.drive.is_folder(id))
    }
}

pub(super) fn source_url(url: Option<String>) -> ArgResult<String> {
    let url = url.ok_or_else(|| invalid("url"))?;
    if is_http(&url) {
        Ok(url)
    } else {
        Err(ApiResponse::error(FAILURE, "url仅支持http/https"))
    }
}

pub(super) fn progress_response(process: f64, status: i64) -> ApiResponse {
    ApiResponse::ok(&json!({"process": percent(process), "status": status}))
}

/// Writes whole percentages as integers, as the service does.
fn percent(percent: f64) -> Value {
    percent.to_string().parse().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_percentages_are_integers() {
        assert_eq!(percent(100.0).to_string(), "100");
        assert_eq!(percent(37.5).to_string(), "37.5");
        assert_eq!(percent(f64::NAN), Value::Null);
    }
}
