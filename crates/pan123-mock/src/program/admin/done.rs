//! What the mock is told to do.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Asked, Done, Shared, refused};
use crate::program::command_line::of_options;
use crate::service::millis;
use crate::{Builder, Callbacks, Course, Fault, ListEnd, Pace, Service};

pub(super) fn forget_requests(shared: &Shared) {
    shared.face.update(Service::clear_requests);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    process: Option<f64>,
    status: Option<i64>,
    size: Option<u64>,
    reason: Option<String>,
}

pub(super) fn move_task(shared: &Shared, asked: &Asked<'_>) -> Done {
    let ended = |id| {
        shared
            .face
            .update(|service| Some(service.task(id)?.ending().is_some()))
    };
    let id = asked.rest.parse::<u64>().ok();
    let Some((task, ended)) = id.and_then(|id| Some((id, ended(id)?))) else {
        let message = format!("there is no task {}", asked.rest);
        return Err((StatusCode::NOT_FOUND, message));
    };
    let end = |result| {
        shared
            .face
            .act(|service, now| service.end_task(now, task, result));
    };
    let asked: Move = asked.json()?;
    if ended {
        let message = format!("task {task} has ended: an end is an end");
        return Err((StatusCode::CONFLICT, message));
    }
    match asked {
        Move {
            process: Some(percent),
            status: Some(status),
            size: None,
            reason: None,
        } if ![1, 2].contains(&status) => shared
            .face
            .update(|service| service.fetch_progress(task, (percent, status))),
        Move {
            process: None,
            status: None,
            size: Some(bytes),
            reason: None,
        } => end(Ok(bytes)),
        Move {
            process: None,
            status: None,
            size: None,
            reason: Some(reason),
        } => end(Err(reason)),
        _ => {
            return Err(refused(
                "a task takes `process` and a `status` that is no end, or `size` (it succeeds), or `reason` (it fails)",
            ));
        }
    }
    Ok(())
}

pub(super) fn set_callbacks(shared: &Shared, asked: &Asked<'_>) -> Done {
    let callbacks: Callbacks = asked.json()?;
    shared
        .face
        .update(|service| service.set_callbacks(callbacks));
    Ok(())
}

pub(super) fn set_fault(shared: &Shared, asked: &Asked<'_>) -> Done {
    let fault: Fault = asked.json()?;
    shared.face.update(|service| service.fault(fault));
    Ok(())
}

pub(super) fn clear_faults(shared: &Shared) {
    shared.face.update(Service::clear_faults);
}

pub(super) fn set_course(shared: &Shared, asked: &Asked<'_>) -> Done {
    let mut fields: Map<String, Value> = asked.json()?;
    let url = fields.remove("url");
    let course: Course =
        serde_json::from_value(fields.into()).map_err(|error| refused(error.to_string()))?;
    match url {
        None => shared
            .face
            .update(|service| service.set_default_course(course)),
        Some(Value::String(url)) => shared
            .face
            .update(|service| service.set_course_for(url, course)),
        Some(_) => return Err(refused("`url` is a text")),
    }
    Ok(())
}

pub(super) fn set_copy_course(shared: &Shared, asked: &Asked<'_>) -> Done {
    let course: Course = asked.json()?;
    shared
        .face
        .update(|service| service.set_copy_course(course));
    Ok(())
}

pub(super) fn fail_next_copy(shared: &Shared) {
    shared.face.update(Service::next_copy_fails);
}

pub(super) fn set_list_end(shared: &Shared, asked: &Asked<'_>) -> Done {
    let end: ListEnd = asked.json()?;
    shared.face.update(|service| service.set_list_end(end));
    Ok(())
}

pub(super) fn set_pace(shared: &Shared, asked: &Asked<'_>) -> Done {
    let pace: Pace = asked.json()?;
    shared.face.update(|service| service.set_pace(pace));
    Ok(())
}

pub(super) fn set_running_limit(shared: &Shared, asked: &Asked<'_>) -> Done {
    let limit: Option<usize> = asked.json()?;
    shared
        .face
        .update(|service| service.set_running_limit(limit));
    Ok(())
}

pub(super) fn push_tokens_out(shared: &Shared) {
    let now = shared.face.now();
    shared.face.update(|service| service.token_pushed_out(now));
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum MoveTime {
    #[serde(with = "millis")]
    AdvanceMs(Duration),
    StopAt(Timestamp),
    Run(bool),
}

pub(super) fn move_time(shared: &Shared, asked: &Asked<'_>) -> Done {
    match asked.json()? {
        MoveTime::AdvanceMs(by) => shared.face.advance(by),
        MoveTime::StopAt(at) => shared.face.stop_clock_at(at.into()),
        MoveTime::Run(true) => shared.face.run_clock(),
        MoveTime::Run(false) => shared.face.stop_clock_at(shared.face.now()),
    }
    Ok(())
}

pub(super) fn reset(shared: &Shared, asked: &Asked<'_>) -> Done {
    let builder: Builder = if asked.body.is_empty() {
        shared.builder.clone()
    } else {
        of_options(asked.json()?).map_err(refused)?
    };
    let service = builder.fetching_as(&shared.builder).service();
    shared.face.replace(service);
    Ok(())
}
