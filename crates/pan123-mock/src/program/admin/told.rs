//! What the mock tells of itself.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{Asked, Shared};
use crate::service::{Callback, CopyTask, Ending, File, RecordedRequest, Task, timestamp};

pub(super) fn state(shared: &Shared, _: &Asked<'_>) -> Value {
    let now = shared.face.now();
    shared.face.update(|service| {
        json!({
            "now": timestamp(now).to_string(),
            "requests": service.requests().len(),
            "tasks": service.tasks().len(),
            "running": service.tasks().iter().filter(|task| task.ending().is_none()).count(),
            "callbacks": service.callbacks().len(),
            "callbacks_due": service.callbacks_due(),
            "faults": service.faults().len(),
            "tokens_minted": service.tokens_minted(),
            "oauth_refreshes": service.oauth_refreshes(),
        })
    })
}

pub(super) fn requests(shared: &Shared, asked: &Asked<'_>) -> Value {
    let secrets = asked.shows_secrets();
    shared.face.update(|service| {
        let requests = service.requests().iter();
        requests
            .map(|request| of_request(request, secrets))
            .collect()
    })
}

fn of_request(request: &RecordedRequest, secrets: bool) -> Value {
    let (query, headers, body) = if secrets {
        let all = request.headers.iter();
        let headers = all.map(|(name, value)| json!([name.as_str(), text(value.as_bytes())]));
        (
            request.query.clone(),
            headers.collect(),
            text(&request.body).into_owned(),
        )
    } else {
        let headers = json!(request.shown_headers());
        (request.shown_query(), headers, request.shown_body())
    };
    json!({
        "method": request.method.as_str(),
        "path": request.path,
        "query": query,
        "headers": headers,
        "body": body,
        "body_length": request.body_length,
        "came": request.fate.to_string(),
        "status": request.status.map(|status| status.as_u16()),
        "code": request.code,
    })
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

pub(super) fn tasks(shared: &Shared, _: &Asked<'_>) -> Value {
    shared
        .face
        .update(|service| service.tasks().iter().map(of_task).collect())
}

fn of_task(task: &Task) -> Value {
    let (file_id, reason) = match task.ending() {
        Some(Ending::Succeeded { file_id }) => (Some(*file_id), None),
        Some(Ending::Failed { reason }) => (None, Some(reason)),
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
        "process": task.step().percent,
        "status": task.step().status,
        "polls": task.polls(),
        "fetched_bytes": task.fetched_bytes(),
        "ended": task.ending().is_some(),
        "file_id": file_id,
        "reason": reason,
    })
}

pub(super) fn callbacks(shared: &Shared, _: &Asked<'_>) -> Value {
    shared
        .face
        .update(|service| service.callbacks().iter().map(of_callback).collect())
}

fn of_callback(callback: &Callback) -> Value {
    json!({
        "task": callback.task,
        "url": callback.url,
        "body": serde_json::from_slice::<Value>(&callback.body).unwrap_or_default(),
        "delivery": callback.delivery,
    })
}

pub(super) fn files(shared: &Shared, _: &Asked<'_>) -> Value {
    shared
        .face
        .update(|service| service.files().map(of_file).collect())
}

fn of_file(file: &File) -> Value {
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

pub(super) fn copies(shared: &Shared, _: &Asked<'_>) -> Value {
    shared
        .face
        .update(|service| service.copy_tasks().iter().map(of_copy).collect())
}

fn of_copy(task: &CopyTask) -> Value {
    json!({
        "id": task.id(),
        "file_ids": task.file_ids(),
        "target_dir_id": task.target_dir_id(),
        "status": task.status(),
        "polls": task.polls(),
        "copies": task.copies(),
    })
}

pub(super) fn faults(shared: &Shared, _: &Asked<'_>) -> Value {
    shared.face.update(|service| {
        let faults = service.faults().iter();
        faults
            .map(|fault| serde_json::to_value(fault).unwrap_or_default())
            .collect()
    })
}

pub(super) fn options(shared: &Shared, asked: &Asked<'_>) -> Value {
    let options = shared.face.update(|service| service.options());
    let mut options = serde_json::to_value(options).unwrap_or_default();
    if let (false, Some(fields)) = (asked.shows_secrets(), options.as_object_mut()) {
        fields.remove("client_secret");
    }
    options
}
