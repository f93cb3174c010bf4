//! Admin routes that change the state.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{AdminError, AdminRequest, CommandResult, Shared, bad_request};
use crate::program::command_line::builder_from_json;
use crate::service::serde_millis;
use crate::{CallbackPolicy, Fault, ListEnd, RateLimits, Route, Service, TaskEnd, TaskScript};

pub(super) fn clear_requests(shared: &Shared) {
    shared.server.update(Service::clear_requests);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskUpdate {
    process: Option<f64>,
    status: Option<i64>,
    size: Option<u64>,
    reason: Option<String>,
}

pub(super) fn update_task(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let ended = |id| {
        shared
            .server
            .update(|service| Some(service.task(id)?.outcome().is_some()))
    };
    let id = request.parameter.parse::<u64>().ok();
    let Some((task, ended)) = id.and_then(|id| Some((id, ended(id)?))) else {
        let message = format!("there is no task {}", request.parameter);
        return Err((StatusCode::NOT_FOUND, message));
    };
    let end = |how| {
        shared
            .server
            .act(|service, now| service.end_task(now, task, how));
    };
    let update: TaskUpdate = request.json()?;
    if ended {
        let message = format!("task {task} has already ended");
        return Err((StatusCode::CONFLICT, message));
    }
    match update {
        TaskUpdate {
            process: Some(percent),
            status: Some(status),
            size: None,
            reason: None,
        } if ![1, 2].contains(&status) => shared
            .server
            .update(|service| service.set_fetch_progress(task, (percent, status))),
        TaskUpdate {
            process: None,
            status: None,
            size: Some(size),
            reason: None,
        } => end(TaskEnd::Succeeded { size }),
        TaskUpdate {
            process: None,
            status: None,
            size: None,
            reason: Some(reason),
        } => end(TaskEnd::Failed { reason }),
        _ => {
            return Err(bad_request(
                "expected `process` with a `status` other than 1 and 2, or `size` to succeed, or `reason` to fail",
            ));
        }
    }
    Ok(())
}

pub(super) fn set_callbacks(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let callbacks: CallbackPolicy = request.json()?;
    shared
        .server
        .update(|service| service.set_callbacks(callbacks));
    Ok(())
}

pub(super) fn add_fault(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let fault: Fault = request.json()?;
    shared.server.update(|service| service.fault(fault));
    Ok(())
}

pub(super) fn clear_faults(shared: &Shared) {
    shared.server.update(Service::clear_faults);
}

pub(super) fn add_route(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let route: Route = request.json()?;
    shared.server.update(|service| service.route(route));
    Ok(())
}

pub(super) fn clear_routes(shared: &Shared) {
    shared.server.update(Service::clear_routes);
}

pub(super) fn set_script(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let mut fields: Map<String, Value> = request.json()?;
    let url = fields.remove("url");
    let script: TaskScript =
        serde_json::from_value(fields.into()).map_err(|error| bad_request(error.to_string()))?;
    match url {
        None => shared
            .server
            .update(|service| service.set_default_script(script)),
        Some(Value::String(url)) => shared
            .server
            .update(|service| service.set_script_for(url, script)),
        Some(_) => return Err(bad_request("`url` must be a string")),
    }
    Ok(())
}

pub(super) fn set_copy_script(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let script: TaskScript = request.json()?;
    shared
        .server
        .update(|service| service.set_copy_script(script));
    Ok(())
}

pub(super) fn fail_next_copy(shared: &Shared) {
    shared.server.update(Service::next_copy_fails);
}

pub(super) fn set_list_end(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let end: ListEnd = request.json()?;
    shared.server.update(|service| service.set_list_end(end));
    Ok(())
}

pub(super) fn set_rate_limits(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let limits: RateLimits = request.json()?;
    shared
        .server
        .update(|service| service.set_rate_limits(limits));
    Ok(())
}

pub(super) fn set_running_limit(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let limit: Option<usize> = request.json()?;
    shared
        .server
        .update(|service| service.set_running_limit(limit));
    Ok(())
}

pub(super) fn revoke_tokens(shared: &Shared) {
    let now = shared.server.now();
    shared.server.update(|service| service.revoke_tokens(now));
}

/// Adding files locks the service, so their number is limited.
const MAX_FILES: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    parent: u64,
    files: usize,
}

pub(super) fn add_files(shared: &Shared, request: &AdminRequest<'_>) -> Result<Value, AdminError> {
    let Files { parent, files } = request.json()?;
    if files > MAX_FILES {
        return Err(bad_request(format!("`files` must be at most {MAX_FILES}")));
    }
    let now = shared.server.now();
    let add = |service: &mut Service| service.add_files(now, parent, files);
    Ok(json!({ "ids": shared.server.update(add) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    redirect_uri: String,
}

pub(super) fn oauth_code(shared: &Shared, request: &AdminRequest<'_>) -> Result<Value, AdminError> {
    let Authorize { redirect_uri } = request.json()?;
    let now = shared.server.now();
    let authorize = |service: &mut Service| service.authorize(now, redirect_uri);
    Ok(json!({ "code": shared.server.update(authorize) }))
}

pub(super) fn oauth_pair(shared: &Shared, _: &AdminRequest<'_>) -> Value {
    let now = shared.server.now();
    let pair = shared.server.update(|service| service.oauth_pair(now));
    json!({"access_token": pair.access_token, "refresh_token": pair.refresh_token})
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum TimeUpdate {
    #[serde(with = "serde_millis")]
    AdvanceMs(Duration),
    StopAt(Timestamp),
    Run(bool),
}

pub(super) fn update_time(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    match request.json()? {
        TimeUpdate::AdvanceMs(by) => shared.server.advance(by),
        TimeUpdate::StopAt(at) => shared.server.stop_clock_at(at.into()),
        TimeUpdate::Run(true) => shared.server.resume_clock(),
        TimeUpdate::Run(false) => shared.server.stop_clock_at(shared.server.now()),
    }
    Ok(())
}

pub(super) fn reset(shared: &Shared, request: &AdminRequest<'_>) -> CommandResult {
    let started_with = shared.settings.builder();
    let service = if request.body.is_empty() {
        started_with.service()
    } else {
        let builder = builder_from_json(request.json()?).map_err(bad_request)?;
        builder.with_fetch_of(&started_with).service()
    };
    shared.server.replace(service);
    Ok(())
}
