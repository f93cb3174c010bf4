//! `pan123 trash`.

use std::collections::HashSet;

use clap::ValueHint;
use pan123_async::proto::file::ListFilesV1;
use pan123_async::proto::{EntryId, UnreadableRow};
use pan123_async::{Entry, Error, Parent};

use super::confirm::Consent;
use super::print::{self, Change};
use crate::app::App;
use crate::drive::{Drive, Found, MAX_ENTRIES};
use crate::failure::{Exit, Failure};
use crate::place::Place;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List what is in the trash
    Ls(ListArgs),
    /// Restore files and folders from the trash
    Restore(RestoreArgs),
    /// Permanently delete what is in the trash
    Empty(EmptyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only what was in this folder
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other)]
    folder: Option<Place>,
    /// Show ids, sizes and dates, too
    #[arg(long, short)]
    long: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// What to restore, by its id or the path that it had
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other, required = true)]
    places: Vec<Place>,
    /// The folder to restore it to, instead of the one that it was in
    #[arg(long, value_name = "PATH|ID", value_hint = ValueHint::Other)]
    to: Option<Place>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct EmptyArgs {
    /// Only what was in this folder
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other)]
    folder: Option<Place>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(app: &App, command: Command) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    match command {
        Command::Ls(args) => {
            let list = list(app, &drive, args.folder.as_ref());
            let (entries, exit) = app.until_stopped(list).await?;
            print::list(app.out, entries, args.long)?;
            Ok(exit)
        }
        Command::Restore(args) => restore(app, &drive, args).await,
        Command::Empty(args) => empty(app, &drive, args).await,
    }
}

/// Lists the trash, or what in it was in one folder.
async fn list(
    app: &App,
    drive: &Drive,
    folder: Option<&Place>,
) -> Result<(Vec<Entry>, Exit), Failure> {
    let rows = match folder {
        Some(place) => trashed_in(drive, drive.folder(place).await?).await,
        None => whole_trash(drive).await?,
    };
    Ok(app.out.successes(rows))
}

/// The old list is the only one that has the trash alone. It does not say of a row that it is in the trash, so that each is looked up.
async fn whole_trash(drive: &Drive) -> Result<Vec<Result<Entry, Failure>>, Failure> {
    let mut rows = Vec::new();
    let (mut seen, mut listed) = (HashSet::new(), 0);
    for page in 1.. {
        let request = ListFilesV1::of(Parent::Root).trashed(true).page(page)?;
        let found = drive.client.send(&request).await?;
        let ids: Vec<_> = found.entries.iter().map(|row| row.entry.id).collect();
        let count = ids.len() + found.unreadable.len();
        listed += count as u64;
        let is_last = match found.total {
            Some(total) => listed >= total,
            None => count < MAX_ENTRIES,
        };
        rows.extend(found.unreadable.into_iter().map(unreadable));
        // A list that repeats itself ends, too.
        let ids: Vec<_> = ids.into_iter().filter(|id| seen.insert(*id)).collect();
        if ids.is_empty() {
            break;
        }
        let infos = drive.infos(&ids).await?;
        let trashed = infos.entries.into_iter().filter(|entry| entry.trashed);
        rows.extend(trashed.map(Ok));
        rows.extend(infos.unreadable.into_iter().map(unreadable));
        if is_last {
            break;
        }
    }
    Ok(rows)
}

fn unreadable<T>(row: UnreadableRow) -> Result<T, Failure> {
    Err(Error::UnreadableRow(Box::new(row)).into())
}

async fn trashed_in(drive: &Drive, folder: Parent) -> Vec<Result<Entry, Failure>> {
    let mut rows = Vec::new();
    let mut listing = drive.files.list(folder).with_trashed(true);
    while let Some(row) = listing.next().await {
        match row {
            Ok(entry) if !entry.trashed => {}
            row => rows.push(row.map_err(Failure::from)),
        }
    }
    rows
}

async fn restore(app: &App, drive: &Drive, args: RestoreArgs) -> Result<Exit, Failure> {
    let look_up = async {
        let to = match &args.to {
            Some(place) => Some(drive.folder(place).await?),
            None => None,
        };
        let mut found = Vec::new();
        for place in &args.places {
            found.push(trashed_at(app, drive, place).await);
        }
        Ok((to, found))
    };
    let (to, found) = app.until_stopped(look_up).await?;
    let (entries, mut exit) = app.out.successes(found);
    for part in entries.chunks(MAX_ENTRIES) {
        app.check_stopped()?;
        exit = exit.max(match restore_part(app, drive, part, to).await {
            Ok(exit) => exit,
            Err(failure) => app.out.failure(&failure),
        });
    }
    Ok(exit)
}

async fn restore_part(
    app: &App,
    drive: &Drive,
    entries: &[Entry],
    to: Option<Parent>,
) -> Result<Exit, Failure> {
    let ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let Some(folder) = to else {
        let left = drive.files.recover(&ids).await?.abnormal;
        let (left, restored) = entries
            .iter()
            .cloned()
            .partition::<Vec<_>, _>(|entry| left.contains(&entry.id));
        Change::Restored.report_all(app.out, &restored, None)?;
        let (_, exit) = app
            .out
            .successes::<()>(left.iter().map(|it| Err(not_restored(app, it))).collect());
        return Ok(exit);
    };
    drive.files.recover_to(&ids, folder).await?;
    Change::Restored.report_all(app.out, entries, Some(folder))?;
    Ok(Exit::Success)
}

fn not_restored(app: &App, entry: &Entry) -> Failure {
    let (name, id) = (print::name(entry), entry.id);
    let message = app.out.lang.pick(
        format!("{name} was not restored, perhaps because its folder is gone: `pan123 trash restore --to FOLDER id:{id}`"),
        format!("{name} 未能恢复，可能原文件夹已不存在：可用 `pan123 trash restore --to FOLDER id:{id}`"),
    );
    Failure::new(Exit::Failed, message)
}

/// Finds what is in the trash under this id, or was at this path.
async fn trashed_at(app: &App, drive: &Drive, place: &Place) -> Result<Entry, Failure> {
    let lang = app.out.lang;
    let fail =
        |english: String, chinese: String| Failure::new(Exit::Failed, lang.pick(english, chinese));
    let Some((folder, name)) = place.split() else {
        return match drive.get(place).await? {
            Found::Entry(entry) if entry.trashed => Ok(*entry),
            Found::Entry(_) => Err(fail(
                format!("{place} is not in the trash"),
                format!("{place} 不在回收站中"),
            )),
            Found::Root => Err(drive.not_an_entry()),
        };
    };
    let rows = trashed_in(drive, drive.folder(&folder).await?).await;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            Ok(entry) if entry.name == name => found.push(entry),
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    // It is not known to be missing while a row that cannot be read may be it.
    if found.is_empty()
        && let Some(failure) = failures.pop()
    {
        return Err(failure);
    }
    match found.len() {
        0 => Err(fail(
            format!("nothing that was at {place} is in the trash"),
            format!("回收站中没有原位于 {place} 的内容"),
        )),
        1 => Ok(found.remove(0)),
        count => {
            let ids: Vec<_> = found
                .iter()
                .map(|entry| format!("id:{}", entry.id))
                .collect();
            let ids = ids.join(", ");
            Err(fail(
                format!(
                    "{count} things that were at {place} are in the trash: name one by its id, of {ids}"
                ),
                format!("回收站中有 {count} 项原位于 {place}：请用 id 指定其一：{ids}"),
            ))
        }
    }
}

async fn empty(app: &App, drive: &Drive, args: EmptyArgs) -> Result<Exit, Failure> {
    let consent = Consent::new(app, args.yes)?;
    let list = list(app, drive, args.folder.as_ref());
    let (entries, mut exit) = app.until_stopped(list).await?;
    if entries.is_empty() {
        app.out.note(
            app.out
                .lang
                .pick("there is nothing in the trash", "回收站中没有内容"),
        );
        return Ok(exit);
    }
    let names = print::names(app.out.lang, &entries);
    let question = app.out.lang.pick(
        format!("permanently delete {names}?"),
        format!("彻底删除 {names}？"),
    );
    consent.ask(app, &question).await?;
    for part in entries.chunks(MAX_ENTRIES) {
        app.check_stopped()?;
        let ids: Vec<EntryId> = part.iter().map(|entry| entry.id).collect();
        match drive.files.delete(&ids).await {
            Ok(_) => Change::Deleted.report_all(app.out, part, None)?,
            Err(error) => exit = exit.max(app.out.failure(&error.into())),
        }
    }
    Ok(exit)
}
