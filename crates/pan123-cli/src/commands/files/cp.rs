//! `pan123 cp`.

use clap::ValueHint;
use std::time::Duration;

use pan123_async::proto::CopyTaskId;
use pan123_async::proto::file::CopyStatus;
use pan123_async::{Entry, Error, FileId, Parent};

use super::destination::{Destination, look_up};
use super::print::Change;
use crate::app::App;
use crate::drive::{Drive, Found};
use crate::failure::{Exit, Failure};
use crate::place::Place;
use crate::words::Lang;

/// The most that the service copies in one task.
const MAX_COPIES: usize = 3000;

/// The pauses between two looks at a copy task.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to copy
    #[arg(value_name = "SOURCE", value_hint = ValueHint::Other, required = true)]
    sources: Vec<Place>,
    /// A folder, or the path of the copy of a single file
    #[arg(value_name = "DESTINATION", value_hint = ValueHint::Other)]
    destination: Place,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    let (to, entries, exit) = look_up(app, &drive, &args.sources, &args.destination).await?;
    app.check_stopped()?;
    let (folder, name) = match to {
        Destination::Into(folder) => (folder, None),
        Destination::As(folder, name) => (folder, Some(name)),
    };
    match &entries[..] {
        [] => {}
        [entry] if entry.file().is_some() => one(app, &drive, entry, folder, name).await?,
        _ if name.is_some() => return Err(folder_under_new_name(app)),
        entries => {
            for part in entries.chunks(MAX_COPIES) {
                app.check_stopped()?;
                many(app, &drive, part, folder).await?;
            }
        }
    }
    Ok(exit)
}

/// Copies one file, which then gets its new name, if it has one: the service does one or the other.
async fn one(
    app: &App,
    drive: &Drive,
    entry: &Entry,
    folder: Parent,
    name: Option<String>,
) -> Result<(), Failure> {
    let Some(file) = entry.file() else {
        return Ok(());
    };
    let copy = drive.files.copy(file, folder).await?.target;
    // The service changes a name that is taken.
    let given = match drive.find(&Place::Id(copy.get())).await {
        Ok(Some(Found::Entry(copy))) => copy.name,
        _ => entry.name.clone(),
    };
    let name = name.unwrap_or_else(|| given.clone());
    if name != given {
        let renamed = drive.files.rename(copy, &name).await;
        renamed.map_err(|error| not_renamed(app, copy, error))?;
    }
    Change::Copied.report(app.out, &name, Some(copy.get()), Some(folder))?;
    Ok(())
}

/// Copies several files, or folders, by a task of the service.
async fn many(app: &App, drive: &Drive, entries: &[Entry], folder: Parent) -> Result<(), Failure> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let task = drive.files.copy_many(&ids, folder).await?.task;
    let followed = app.until_stopped(follow(app.out.lang, drive, task)).await;
    followed.map_err(|failure| goes_on(app, task, failure))?;
    for entry in entries {
        Change::Copied.report(app.out, &entry.name, None, Some(folder))?;
    }
    Ok(())
}

/// Waits for the end of a copy task.
async fn follow(lang: Lang, drive: &Drive, task: CopyTaskId) -> Result<(), Failure> {
    let mut pause = FIRST_PAUSE;
    loop {
        match drive.files.copy_progress(task).await?.status {
            CopyStatus::Done => return Ok(()),
            CopyStatus::Failed => {
                let message = lang.pick(
                    "the service reports that the copy failed; part of it may be there",
                    "服务报告复制失败；部分内容可能已复制",
                );
                return Err(Failure::new(Exit::Failed, message));
            }
            _ => tokio::time::sleep(pause).await,
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

fn goes_on(app: &App, task: CopyTaskId, mut failure: Failure) -> Failure {
    let lang = app.out.lang;
    failure.message = match failure.exit {
        Exit::Interrupted => lang.pick(
            format!("stopped by Ctrl-C; the copy goes on at the service (copy task {task})"),
            format!("已被 Ctrl-C 停止；复制仍在服务端进行（复制任务 {task}）"),
        ),
        _ => lang.pick(
            format!("copy task {task}: {}", failure.message),
            format!("复制任务 {task}：{}", failure.message),
        ),
    };
    failure
}

fn not_renamed(app: &App, copy: FileId, error: Error) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = app.out.lang.pick(
        format!(
            "it was copied (id:{copy}), but not renamed: {}",
            failure.message
        ),
        format!("已复制（id:{copy}），但未能重命名：{}", failure.message),
    );
    failure
}

fn folder_under_new_name(app: &App) -> Failure {
    Failure::usage(app.out.lang.pick(
        "the service copies a folder only under its own name: give a folder that exists as the destination, and rename the copy",
        "服务只能以原名复制文件夹：请以已存在的文件夹为目标，再重命名副本",
    ))
}
