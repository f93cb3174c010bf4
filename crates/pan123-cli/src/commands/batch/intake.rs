//! Takes a list into a ledger: first all of it is checked, then it is added.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::{Path, PathBuf};

use pan123_async::proto::ledger::{LedgerAnswer, LedgerOp, OpenLedger};
use pan123_async::{Client, NewItem};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::folder_ids::FolderIds;
use crate::keys::key_of;
use crate::ledgers::ask;
use crate::lists::{BadLine, Entries, Entry, Folder};

/// So many bad lines are shown.
const MAX_SHOWN: u64 = 100;
/// So many folders a list may name.
const MAX_FOLDERS: usize = 10_000;
/// How many items are added at once.
const PAGE: usize = 500;

/// A list that can be read twice.
#[derive(Debug)]
pub(super) struct List {
    file: File,
    /// Where it is; none for one that came through a pipe.
    place: Option<PathBuf>,
}

/// How a list is taken.
#[derive(Debug)]
pub(super) struct Settings {
    to: Option<Folder>,
    skip_bad: bool,
}

impl Settings {
    pub(super) fn new(app: &App, to: Option<&str>, skip_bad: bool) -> Result<Settings, Failure> {
        let to = to.map(str::parse::<Folder>).transpose();
        let to =
            to.map_err(|reason| Failure::usage(format!("--to: {}", reason.text(app.out.lang))))?;
        Ok(Settings { to, skip_bad })
    }

    fn folder_of<'a>(&'a self, entry: &'a Entry) -> Option<&'a Folder> {
        entry.folder.as_ref().or(self.to.as_ref())
    }
}

/// What a list holds.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) downloads: u64,
    pub(super) folders: BTreeSet<Folder>,
    bad: u64,
}

impl List {
    /// Opens a list. What comes through a pipe is kept in a file without a name until the command ends.
    pub(super) async fn open(app: &App, list: &Path) -> Result<List, Failure> {
        let lang = app.out.lang;
        if list == Path::new("-") {
            if io::IsTerminal::is_terminal(&io::stdin()) {
                app.out.note(lang.pick(
                    "type or paste the list; end it with Ctrl-D on a line of its own",
                    "请输入或粘贴列表，最后在新的一行按 Ctrl-D 结束",
                ));
            }
            let file = app.until_stopped(spool(io::stdin())).await?;
            return Ok(List { file, place: None });
        }
        let failed = |error: &io::Error| {
            let list = list.display();
            Failure::usage(lang.pick(
                format!("the list {list} cannot be read: {error}"),
                format!("无法读取列表 {list}：{error}"),
            ))
        };
        let path = list.to_owned();
        // To open a named pipe is to wait for who writes into it.
        let opening = spawn_blocking(move || File::open(path));
        let opened = async { Ok(opening.await.map_err(io::Error::other)?) };
        let file = app.until_stopped(opened).await?;
        let file = file.map_err(|error| failed(&error))?;
        let metadata = file.metadata().map_err(|error| failed(&error))?;
        if metadata.is_dir() {
            return Err(failed(&io::ErrorKind::IsADirectory.into()));
        }
        if metadata.is_file() {
            let place = list.canonicalize();
            let place = place.map_err(|error| failed(&error))?;
            return Ok(List {
                file,
                place: Some(place),
            });
        }
        let file = app.until_stopped(spool(file)).await?;
        Ok(List { file, place: None })
    }

    pub(super) fn place(&self) -> Option<&Path> {
        self.place.as_deref()
    }

    /// Reads all of the list, and refuses it if it has bad lines that are not to be skipped.
    pub(super) fn check(&mut self, app: &App, settings: &Settings) -> Result<Checked, Failure> {
        let (out, lang) = (app.out, app.out.lang);
        let mut checked = Checked::default();
        let mut entries = self.entries()?;
        let mut shown = String::new();
        while let Some(entry) = next(app, &mut entries)? {
            match entry {
                Ok(entry) => {
                    checked.downloads += 1;
                    checked.folders.extend(settings.folder_of(&entry).cloned());
                }
                Err(bad) => {
                    checked.bad += 1;
                    if checked.bad <= MAX_SHOWN {
                        show_bad(app, &bad, &mut shown)?;
                    }
                }
            }
            if checked.folders.len() > MAX_FOLDERS {
                return Err(Failure::usage(lang.pick(
                    format!("the list names more than {MAX_FOLDERS} folders: split it"),
                    format!("列表中的目录超过 {MAX_FOLDERS} 个：请拆分列表"),
                )));
            }
        }
        let ignored: Vec<&str> = entries.ignored().iter().map(String::as_str).collect();
        if !ignored.is_empty() {
            let ignored = ignored.join(", ");
            out.note(&lang.pick(
                format!("options of aria2 that mean nothing here: {ignored}"),
                format!("以下 aria2 选项在此无效：{ignored}"),
            ));
        }
        if checked.bad > MAX_SHOWN {
            let more = checked.bad - MAX_SHOWN;
            shown += &lang.pick(format!("and {more} more\n"), format!("另有 {more} 行\n"));
        }
        let bad = checked.bad;
        if bad > 0 && !settings.skip_bad {
            let what = lang.pick(
                format!("bad lines: {bad}, so nothing is sent; correct them, or leave them out with --skip-bad"),
                format!("有 {bad} 行有误，因此未发送任何内容；请修正，或用 --skip-bad 跳过"),
            );
            return Err(Failure::usage(format!("{shown}{what}")));
        }
        if checked.downloads == 0 {
            return Err(Failure::usage(format!(
                "{shown}{}",
                lang.pick("the list has no downloads", "列表中没有下载项")
            )));
        }
        if bad > 0 {
            out.note(shown.trim_end());
        }
        Ok(checked)
    }

    /// Adds the downloads of a list that was checked. Returns how many are new.
    pub(super) fn add(
        &mut self,
        app: &App,
        settings: &Settings,
        ids: &FolderIds,
        ledger: &mut dyn OpenLedger,
    ) -> Result<u64, Failure> {
        let mut entries = self.entries()?;
        let mut items = Vec::new();
        let mut added = 0;
        while let Some(entry) = next(app, &mut entries)? {
            match entry {
                Ok(entry) => items.push(item(app, settings, ids, entry)?),
                Err(_) if settings.skip_bad => {}
                Err(_) => return Err(has_changed(app)),
            }
            if items.len() == PAGE {
                added += add(ledger, &mut items)?;
                if app.stop.is_requested() {
                    return Err(Failure::interrupted(app.out.lang));
                }
            }
        }
        Ok(added + add(ledger, &mut items)?)
    }

    fn entries(&mut self) -> Result<Entries<BufReader<&File>>, Failure> {
        self.file.rewind()?;
        Ok(Entries::new(BufReader::new(&self.file)))
    }
}

fn has_changed(app: &App) -> Failure {
    let text = app.out.lang.pick(
        "the list has changed while it was read; nothing of it was sent: run the command again",
        "读取过程中列表发生了变化；未发送任何内容：请重新运行",
    );
    Failure::new(Exit::Failed, text)
}

fn next(
    app: &App,
    entries: &mut Entries<BufReader<&File>>,
) -> Result<Option<Result<Entry, BadLine>>, Failure> {
    entries
        .next_entry()
        .map_err(|fault| fault.into_failure(app.out.lang))
}

/// Shows a bad line to programs, or adds it to the text for people.
fn show_bad(app: &App, bad: &BadLine, shown: &mut String) -> io::Result<()> {
    let line = bad.line;
    if app.out.is_json {
        let message = bad.reason.text(app.out.lang);
        let object = json!({"type": "bad_line", "line": line, "message": message});
        return app.out.result("", &object);
    }
    let reason = bad.reason.text(app.out.lang);
    *shown += &app.out.lang.pick(
        format!("line {line}: {reason}\n"),
        format!("第 {line} 行：{reason}\n"),
    );
    Ok(())
}

fn item(app: &App, settings: &Settings, ids: &FolderIds, entry: Entry) -> Result<NewItem, Failure> {
    let folder = settings.folder_of(&entry);
    let key = match &entry.key {
        Some(key) => key.clone(),
        None => key_of(&entry.download, folder, 1),
    };
    let Some(folder) = folder else {
        return Ok(NewItem::new(key, entry.download));
    };
    let dir = ids.known(folder).ok_or_else(|| has_changed(app))?;
    Ok(NewItem::new(key, entry.download.save_to(dir)))
}

fn add(ledger: &mut dyn OpenLedger, items: &mut Vec<NewItem>) -> Result<u64, Failure> {
    if items.is_empty() {
        return Ok(0);
    }
    match ask(ledger, LedgerOp::Add(std::mem::take(items)))? {
        LedgerAnswer::Added(added) => Ok(added as u64),
        _ => Ok(0),
    }
}

/// Finds the folders of a list, and creates those that are missing.
pub(super) async fn folder_ids(
    client: &Client,
    folders: BTreeSet<Folder>,
) -> Result<FolderIds, Failure> {
    let mut ids = FolderIds::new(client);
    for folder in &folders {
        ids.find(folder).await?;
    }
    Ok(ids)
}

/// Copies what can be read once into a file without a name.
async fn spool(mut from: impl io::Read + Send + 'static) -> Result<File, Failure> {
    let copied = spawn_blocking(move || {
        let mut file = tempfile::tempfile()?;
        io::copy(&mut from, &mut file)?;
        Ok::<_, io::Error>(file)
    });
    let copied = copied.await.map_err(io::Error::other)?;
    Ok(copied?)
}
