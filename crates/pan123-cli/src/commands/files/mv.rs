//! `pan123 mv`.

use clap::ValueHint;
use pan123_async::{Entry, Parent};

use super::destination::{Destination, look_up};
use super::print::Change;
use crate::app::App;
use crate::drive::{Drive, MAX_ENTRIES};
use crate::failure::{Exit, Failure};
use crate::place::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to move
    #[arg(value_name = "SOURCE", value_hint = ValueHint::Other, required = true)]
    sources: Vec<Place>,
    /// A folder, or the new path of a single source
    #[arg(value_name = "DESTINATION", value_hint = ValueHint::Other)]
    destination: Place,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    let (to, entries, exit) = look_up(app, &drive, &args.sources, &args.destination).await?;
    match to {
        Destination::Into(folder) => Ok(exit.max(into(app, &drive, entries, folder).await?)),
        Destination::As(folder, name) => {
            for entry in entries {
                rename(app, &drive, entry, folder, &name).await?;
            }
            Ok(exit)
        }
    }
}

async fn into(
    app: &App,
    drive: &Drive,
    entries: Vec<Entry>,
    folder: Parent,
) -> Result<Exit, Failure> {
    // The service rejects what is there already.
    let (there, elsewhere) = entries
        .into_iter()
        .partition::<Vec<_>, _>(|entry| entry.parent == Some(folder));
    Change::Moved.report_all(app.out, &there, Some(folder))?;
    let mut exit = Exit::Success;
    for part in elsewhere.chunks(MAX_ENTRIES) {
        app.check_stopped()?;
        let ids: Vec<_> = part.iter().map(|entry| entry.id).collect();
        match drive.files.move_to(&ids, folder).await {
            Ok(_) => Change::Moved.report_all(app.out, part, Some(folder))?,
            Err(error) => exit = exit.max(app.out.failure(&error.into())),
        }
    }
    Ok(exit)
}

/// Moves one entry to its new folder, and gives it its new name there: the service does one or the other.
async fn rename(
    app: &App,
    drive: &Drive,
    entry: Entry,
    folder: Parent,
    name: &str,
) -> Result<(), Failure> {
    let is_moved = entry.parent != Some(folder);
    if is_moved {
        drive.files.move_to(&[entry.id], folder).await?;
    }
    if entry.name != name {
        let renamed = drive.files.rename(entry.id, name).await;
        renamed.map_err(|error| not_renamed(app, &entry, is_moved, error))?;
    }
    Change::Moved.report(app.out, name, Some(entry.id.get()), Some(folder))?;
    Ok(())
}

fn not_renamed(app: &App, entry: &Entry, is_moved: bool, error: pan123_async::Error) -> Failure {
    let mut failure = Failure::from(error);
    if is_moved {
        let old = crate::words::shown(&entry.name);
        failure.message = app.out.lang.pick(
            format!(
                "it was moved, but is still named `{old}`: {}",
                failure.message
            ),
            format!("已移动，但名称仍为 `{old}`：{}", failure.message),
        );
    }
    failure
}
