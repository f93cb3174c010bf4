//! `POST /api/v1/offline/download`, `GET /api/v1/offline/download/process`: the offline download of the drive.

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{Judged, needed, no_task};
use crate::service::answer::Answer;
use crate::service::args::{FAILURE, Taken, wrong};
use crate::service::course::Step;
use crate::service::options::Way;
use crate::service::tasks::{Download, Place, Target};
use crate::service::{Effect, Service, Task, is_http};

/// What the service says when too many tasks run at once.
const TOO_MANY: &str = "同时下载的任务超出最大限制";

impl Service {
    pub(super) fn download(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &["url", "fileName", "dirID", "callBackUrl"])?;
        let url = source(args.string("url")?)?;
        let folder = match args.number("dirID")? {
            // The documentation says that the root cannot be chosen; in practice such a file lands in the default folder.
            Some(0) if self.options.strict => {
                return Err(Answer::refused(FAILURE, "dirID不支持根目录"));
            }
            Some(0) => None,
            Some(id) if self.options.strict && !self.has_folder(id) => {
                return Err(Answer::refused(FAILURE, "dirID不存在"));
            }
            other => other,
        };
        let asked = Download {
            url,
            target: Target::Drive(folder),
            file_name: args.string("fileName")?,
            callback_url: args.string("callBackUrl")?,
        };
        self.create_task(now, asked)
    }

    pub(super) fn progress(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let step = self.polled(now, request, Place::Drive)?;
        Ok(told(step.percent, step.status))
    }

    /// A progress poll for a task of this place.
    pub(super) fn polled(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
        place: Place,
    ) -> Taken<Step> {
        let args = self.query(request, &["taskID"])?;
        let id = needed(&args, "taskID")?;
        let task = self.tasks.get_mut(id);
        let task = task
            .filter(|task| task.target().place() == place)
            .ok_or_else(no_task)?;

        let ended = task.poll(now);
        let step = task.step();
        if let Some(result) = ended {
            self.finish(now, id, result);
        }
        Ok(step)
    }

    /// A new task, unless too many of its place are running.
    pub(super) fn create_task(&mut self, now: SystemTime, asked: Download) -> Judged {
        let running = self.tasks.running(asked.target.place());
        let limit = self.options.running_limit;
        if limit.is_some_and(|limit| running >= limit) {
            return Err(Answer::refused(self.options.running_limit_code, TOO_MANY));
        }
        let url = asked.url.clone();
        let task = match self.options.way_of(&url) {
            Way::Fetched => {
                let task = self.tasks.create_fetched(now, asked);
                let name = self.tasks.get(task).map(Task::name).unwrap_or_default();
                self.outbox.push(Effect::Fetch { task, url, name });
                task
            }
            Way::On(course) => {
                let ends = course.ends_after().and_then(|takes| now.checked_add(takes));
                let task = self.tasks.create(now, asked, course);
                if let Some(ends) = ends {
                    self.schedule.task_ends(ends, task);
                }
                task
            }
        };
        Ok(Answer::ok(&json!({ "taskID": task })))
    }

    fn has_folder(&self, id: i64) -> bool {
        u64::try_from(id).is_ok_and(|id| self.drive.is_folder(id))
    }
}

pub(super) fn source(url: Option<String>) -> Taken<String> {
    let url = url.ok_or_else(|| wrong("url"))?;
    if is_http(&url) {
        Ok(url)
    } else {
        Err(Answer::refused(FAILURE, "url仅支持http/https"))
    }
}

pub(super) fn told(process: f64, status: i64) -> Answer {
    Answer::ok(&json!({"process": percent(process), "status": status}))
}

/// Whole percents as an integer literal, as the service writes them, and any other number as a fraction.
fn percent(percent: f64) -> Value {
    percent.to_string().parse().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_percents_are_integers_on_the_wire() {
        assert_eq!(percent(100.0).to_string(), "100");
        assert_eq!(percent(37.5).to_string(), "37.5");
        assert_eq!(percent(f64::NAN), Value::Null);
    }
}
