//! `pan123 status` and `pan123 wait`: tasks by their ids.

use std::time::Duration;

use pan123_async::{
    Error, OfflineDownload, Progress, TaskId, TaskStatus, WatchError, WatchEvent, WatchPolicy,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::app::App;
use crate::display::{Display, ItemLine};
use crate::failure::{Exit, Failure, exit_of, exit_of_watch};

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The options of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The ids of the tasks
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<TaskId>,
}

/// The options of `wait`.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitArgs {
    /// The ids of the tasks
    #[arg(required = true, value_name = "TASK")]
    tasks: Vec<TaskId>,
    /// Give up after this time, such as `90s`, `15m` or `12h`; without it, a task that stands still for 30 min is given up
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

/// Prints where tasks stand.
pub(crate) async fn status(app: &App, args: StatusArgs) -> Result<Exit, Failure> {
    let offline = app.client()?.offline_download();
    let mut exit = Exit::Success;
    for task in distinct(args.tasks) {
        let progress = async { Ok(offline.progress(task).await) };
        let (line, one) = stand(task, app.until_stopped(progress).await?);
        exit = exit.max(one);
        app.out.result(&line.text(app.out.lang), &line)?;
    }
    Ok(exit)
}

fn stand(task: TaskId, answer: Result<Progress, Error>) -> (ItemLine<'static>, Exit) {
    match answer {
        Ok(progress) => progressed(task, progress),
        Err(error) => failed(task, exit_of(&error), &error),
    }
}

fn progressed(task: TaskId, progress: Progress) -> (ItemLine<'static>, Exit) {
    let line = |change| ItemLine::of_task(task, change);
    match progress.status {
        TaskStatus::Succeeded => (line("succeeded"), Exit::Success),
        TaskStatus::Failed => (line("failed"), Exit::Failed),
        _ => (line("progress").progress(progress), Exit::Success),
    }
}

/// Waits until tasks have ended.
pub(crate) async fn wait(app: &App, args: WaitArgs) -> Result<Exit, Failure> {
    let offline = app.client()?.offline_download();
    let policy = WatchPolicy::default().deadline(args.timeout.unwrap_or(FOREVER));
    let policy = match args.timeout {
        Some(timeout) => policy.stall_timeout(timeout),
        None => policy,
    };
    let (events, mut seen) = unbounded_channel();
    for task in distinct(args.tasks) {
        let watch = watch(offline.clone(), task, policy.clone(), events.clone());
        tokio::spawn(watch);
    }
    drop(events);
    let mut display = Display::following(app.out);
    let mut exit = Exit::Success;
    let show = async {
        while let Some((task, event)) = seen.recv().await {
            let (line, one) = line_of(task, event);
            exit = exit.max(one);
            display.item(&line)?;
        }
        Ok(exit)
    };
    app.stop.leave_note();
    let ended = app.until_stopped(show).await;
    display.end();
    ended
}

type Seen = (TaskId, Result<WatchEvent, WatchError>);

/// Follows a task, as long as somebody hears of it.
async fn watch(
    offline: OfflineDownload,
    task: TaskId,
    policy: WatchPolicy,
    events: UnboundedSender<Seen>,
) {
    let mut watch = offline.watch_with(task, policy);
    while let Some(event) = watch.next().await {
        if events.send((task, event)).is_err() {
            return;
        }
    }
}

fn line_of(task: TaskId, event: Result<WatchEvent, WatchError>) -> (ItemLine<'static>, Exit) {
    match event {
        Ok(WatchEvent::Progress(progress)) => progressed(task, progress),
        Ok(WatchEvent::PollFailed(error)) => {
            let line = ItemLine::of_task(task, "poll_failed").reason(error.to_string());
            (line, Exit::Success)
        }
        Ok(_) => (ItemLine::of_task(task, "progress"), Exit::Success),
        Err(error) => failed(task, exit_of_watch(&error), &error),
    }
}

fn failed(task: TaskId, exit: Exit, error: &dyn ToString) -> (ItemLine<'static>, Exit) {
    let change = match exit {
        Exit::TimedOut => "timed_out",
        Exit::Unavailable => "unavailable",
        Exit::Credentials => "rejected",
        _ => "failed",
    };
    let line = ItemLine::of_task(task, change).reason(error.to_string());
    (line, exit)
}

fn distinct(tasks: Vec<TaskId>) -> Vec<TaskId> {
    let mut seen = std::collections::HashSet::new();
    tasks
        .into_iter()
        .filter(|task| seen.insert(*task))
        .collect()
}

/// Reads a time, such as `90s`, `15m` or `12h`; without a unit it is in seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        _ => 1.0,
    };
    let seconds = number
        .trim()
        .parse()
        .ok()
        .map(|number: f64| number * factor);
    seconds
        .filter(|seconds| *seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| *time <= FOREVER)
        .ok_or_else(|| "expected a time such as `90s`, `15m` or `12h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("1.5m", 90), ("12h", 43_200)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "-1", "1d", "h", "nan", "inf", "1e300h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
