//! `pan123 mkdir`.

use super::print::Change;
use crate::app::App;
use crate::drive::Drive;
use crate::failure::{Exit, Failure};
use crate::place::Place;
use clap::ValueHint;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The paths of the new folders
    #[arg(value_name = "PATH", value_hint = ValueHint::Other, required = true)]
    places: Vec<Place>,
    /// Create missing folders on the way, too, and accept a folder that exists
    #[arg(long, short)]
    parents: bool,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    let mut exit = Exit::Success;
    for place in &args.places {
        app.check_stopped()?;
        if let Err(failure) = one(app, &drive, place, args.parents).await {
            exit = exit.max(app.out.failure(&failure));
        }
    }
    Ok(exit)
}

async fn one(app: &App, drive: &Drive, place: &Place, parents: bool) -> Result<(), Failure> {
    let (Some(path), Some((folder, name))) = (place.path(), place.split()) else {
        return Err(Failure::usage(app.out.lang.pick(
            format!("{place} is no path of a new folder: give one such as `/videos/2026`"),
            format!("{place} 不是新文件夹的路径：请给出如 `/videos/2026` 的路径"),
        )));
    };
    let (dir, parent) = if parents {
        (drive.files.ensure_dir(path).await?, None)
    } else {
        let parent = drive.folder(&folder).await?;
        (
            drive.files.create_dir(parent, name).await?.dir,
            Some(parent),
        )
    };
    Change::Created.report(app.out, name, Some(dir.get()), parent)?;
    Ok(())
}
