//! `pan123 rm`.

use super::confirm::Consent;
use super::print::{Change, names};
use crate::app::App;
use crate::drive::{Drive, MAX_ENTRIES};
use crate::failure::{Exit, Failure};
use crate::place::Place;
use clap::ValueHint;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to move to the trash
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other, required = true)]
    places: Vec<Place>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let consent = Consent::new(app, args.yes)?;
    let drive = Drive::of(app)?;
    let look_up = async { Ok(drive.entries(&args.places).await) };
    let (entries, mut exit) = app.out.successes(app.until_stopped(look_up).await?);
    if entries.is_empty() {
        return Ok(exit);
    }
    let names = names(app.out.lang, &entries);
    let question = app.out.lang.pick(
        format!("move {names} to the trash?"),
        format!("将 {names} 移入回收站？"),
    );
    consent.ask(app, &question).await?;
    for part in entries.chunks(MAX_ENTRIES) {
        app.check_stopped()?;
        let ids: Vec<_> = part.iter().map(|entry| entry.id).collect();
        match drive.files.trash(&ids).await {
            Ok(_) => Change::Trashed.report_all(app.out, part, None)?,
            Err(error) => exit = exit.max(app.out.failure(&error.into())),
        }
    }
    Ok(exit)
}
