//! `pan123 ls`.

use super::print;
use crate::app::App;
use crate::drive::{Drive, Found};
use crate::failure::{Exit, Failure};
use crate::place::Place;
use clap::ValueHint;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folders, or files; the root if there are none
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other)]
    places: Vec<Place>,
    /// Show ids, sizes and dates, too
    #[arg(long, short)]
    long: bool,
}

pub(crate) async fn run(app: &App, mut args: Args) -> Result<Exit, Failure> {
    if args.places.is_empty() {
        args.places.push(Place::Id(0));
    }
    let drive = Drive::of(app)?;
    let mut exit = Exit::Success;
    for (index, place) in args.places.iter().enumerate() {
        if args.places.len() > 1 {
            let gap = if index > 0 { "\n" } else { "" };
            app.out.heading(&format!("{gap}{}:", place.heading()))?;
        }
        exit = exit.max(match one(app, &drive, place, args.long).await {
            Ok(exit) => exit,
            Err(failure) => app.out.failure(&failure),
        });
    }
    Ok(exit)
}

async fn one(app: &App, drive: &Drive, place: &Place, is_long: bool) -> Result<Exit, Failure> {
    let found = drive.get(place).await?;
    let Some(folder) = found.folder() else {
        let Found::Entry(entry) = found else {
            return Ok(Exit::Success);
        };
        print::list(app.out, vec![*entry], is_long)?;
        return Ok(Exit::Success);
    };
    let mut entries = Vec::new();
    let mut exit = Exit::Success;
    let mut listing = drive.files.list(folder);
    while let Some(row) = listing.next().await {
        match row {
            Ok(entry) => entries.push(entry),
            // The listing goes on after a row that cannot be read, and ends after any other error.
            Err(error) => exit = exit.max(app.out.failure(&error.into())),
        }
    }
    print::list(app.out, entries, is_long)?;
    Ok(exit)
}
