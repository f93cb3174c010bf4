//! Admin routes that read the state.

use std::borrow::Cow;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

use super::{AdminRequest, Shared};
use crate::service::{Callback, CopyTask, File, RecordedRequest, Task, TaskOutcome, timestamp};

pub(super) fn state(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    let now = shared.server.now();
    shared.server.update(|service| {
        json!({
            "now": timestamp(now).to_string(),
            "requests": service.requests().len(),
            "tasks": service.tasks().len(),
            "running": service.tasks().iter().filter(|task| task.outcome().is_none()).count(),
            "callbacks": service.callbacks().len(),
            "callbacks_due": service.callbacks_due(),
            "faults": service.faults().len(),
            "tokens_issued": service.tokens_issued(),
            "oauth_refreshes": service.oauth_refreshes(),
        })
    })
}

pub(super) fn requests(shared: &Shared, request: &AdminRequest<'_>) -> Value {
    let secrets = request.includes_secrets();
    shared.server.update(|service| {
        let requests = service.requests().iter();
        requests
            .map(|request| request_json(request, secrets))
            .collect()
    })
}

fn request_json(request: &RecordedRequest, secrets: bool) -> Value {
    let (query, headers, body) = if secrets {
        let all = request.headers.iter();
        let headers = all.map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]));
        (
            request.query.clone(),
            headers.collect(),
            text(&request.body).into_owned(),
        )
    } else {
        let headers = json!(request.redacted_headers());
        (request.redacted_query(), headers, request.redacted_body())
    };
    let received_at = request.received_at.duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "received_at": received_at.unwrap_or_default().as_secs_f64(),
        "method": request.method.as_str(),
        "path": request.path,
        "query": query,
        "headers": headers,
        "body": body,
        "body_length": request.body_length,
        "wire_outcome": request.wire_outcome.to_string(),
        "status": request.status.map(|status| status.as_u16()),
        "code": request.code,
    })
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

pub(super) fn tasks(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared
        .server
        .update(|service| service.tasks().iter().map(task_json).collect())
}

fn task_json(task: &Task) -> Value {
    let (file_id, reason) = match task.outcome() {
        Some(TaskOutcome::Succeeded { file_id }) => (Some(*file_id), None),
        Some(TaskOutcome::Failed { reason }) => (None, Some(reason)),
        None => (None, None),
    };
    json!({
        "id": task.id(),
        "url": task.url(),
        "file_name": task.file_name(),
        "dir_id": task.dir_id(),
        "is_image_bed": task.is_image_bed(),
        "business_dir_id": task.business_dir_id(),
        "callback_url": task.callback_url(),
        "process": task.progress().percent,
        "status": task.progress().status,
        "polls": task.polls(),
        "fetched_bytes": task.fetched_bytes(),
        "ended": task.outcome().is_some(),
        "file_id": file_id,
        "reason": reason,
    })
}

pub(super) fn callbacks(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared
        .server
        .update(|service| service.callbacks().iter().map(callback_json).collect())
}

fn callback_json(callback: &Callback) -> Value {
    json!({
        "task": callback.task,
        "url": callback.url,
        "body": serde_json::from_slice::<Value>(&callback.body).unwrap_or_default(),
        "delivery": callback.delivery,
    })
}

pub(super) fn files(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared
        .server
        .update(|service| service.files().map(file_json).collect())
}

fn file_json(file: &File) -> Value {
    json!({
        "id": file.id,
        "parent": file.parent,
        "name": file.name,
        "size": file.size,
        "is_folder": file.is_folder,
        "trashed": file.trashed,
        "created": timestamp(file.created).to_string(),
        "updated": timestamp(file.updated).to_string(),
    })
}

pub(super) fn copies(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared
        .server
        .update(|service| service.copy_tasks().iter().map(copy_json).collect())
}

fn copy_json(task: &CopyTask) -> Value {
    json!({
        "id": task.id(),
        "file_ids": task.file_ids(),
        "target_dir_id": task.target_dir_id(),
        "status": task.status(),
        "polls": task.polls(),
        "copies": task.copies(),
    })
}

pub(super) fn faults(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared.server.update(|service| all_json(service.faults()))
}

pub(super) fn routes(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    shared.server.update(|service| all_json(service.routes()))
}

fn all_json<T: Serialize>(items: &[T]) -> Value {
    serde_json::to_value(items).unwrap_or_default()
}

pub(super) fn options(shared: &Shared, request: &AdminRequest<'_>) -> Value {
    let options = shared.server.update(|service| service.options());
    let mut options = serde_json::to_value(options).unwrap_or_default();
    if let (false, Some(fields)) = (request.includes_secrets(), options.as_object_mut()) {
        fields.remove("client_secret");
    }
    options
}
