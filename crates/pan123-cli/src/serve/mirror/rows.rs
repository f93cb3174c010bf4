//! Items as the rows that clients see.

use pan123_async::Download;
use pan123_async::proto::ledger::ItemState;

use super::super::names::Note;
use super::super::rpc::{Gid, Offset, Row, Status, page};
use super::{DEFAULT_DIR, Entry, List, Mirror};

impl Mirror {
    /// Returns the rows that a client asks for.
    pub(in crate::serve) fn rows(&self, list: List, offset: Offset) -> Vec<Row> {
        let rows = |gids: Vec<&Gid>| {
            let entries = gids.into_iter().filter_map(|gid| self.entries.get(gid));
            entries
                .map(|entry| self.row(self.listed_name(entry.gid), entry))
                .collect()
        };
        match list {
            List::Active => rows(page(self.active.values(), self.active.len(), offset)),
            List::Waiting => rows(page(self.waiting.values(), self.waiting.len(), offset)),
            List::Stopped => rows(page(self.stopped.values(), self.stopped.len(), offset)),
        }
    }

    /// Returns the rows of unconfirmed items, those that lists leave out as well.
    pub(in crate::serve) fn unconfirmed_rows(&self, offset: Offset) -> Vec<Row> {
        let gids = page(self.unconfirmed.iter(), self.unconfirmed.len(), offset);
        let entries = gids.into_iter().filter_map(|gid| self.entries.get(gid));
        entries
            .map(|entry| self.row(self.listed_name(entry.gid), entry))
            .collect()
    }

    pub(in crate::serve) fn row(&self, name: Gid, entry: &Entry) -> Row {
        let note = self.notes.get(&entry.gid);
        let download = &entry.item.download;
        let file = note.and_then(|note| note.file.as_ref());
        let others = note.into_iter().flat_map(|note| &note.other_uris);
        let tasks = entry.item.task.iter().chain(&entry.item.other_tasks);
        Row {
            gid: name,
            status: entry.status(),
            percent: entry.percent,
            size: file.map(|file| file.size),
            dir: self.dir(entry),
            name: file.map_or_else(|| file_name(download), |file| file.name.clone()),
            uris: [download.url()]
                .into_iter()
                .chain(others.map(String::as_str))
                .map(str::to_owned)
                .collect(),
            message: message(entry, note),
            state: entry.state().name(),
            tasks: tasks.map(ToString::to_string).collect(),
        }
    }

    /// Returns the folder of a download as its client named it, or by its id.
    pub(in crate::serve) fn dir(&self, entry: &Entry) -> String {
        let note = self.notes.get(&entry.gid);
        match (
            note.and_then(|note| note.dir.as_ref()),
            entry.item.download.dir(),
        ) {
            (Some(dir), _) => dir.clone(),
            (None, Some(id)) => format!("id:{id}"),
            (None, None) => DEFAULT_DIR.to_owned(),
        }
    }
}

/// The name that a file will have, or may have.
pub(super) fn file_name(download: &Download) -> String {
    let requested = download.name().map(str::to_owned);
    let name = requested.or_else(|| download.suggested_file_name());
    name.unwrap_or_else(|| "download".to_owned())
}

/// Why a download stopped; empty if it has not, or if it is complete.
fn message(entry: &Entry, note: Option<&Note>) -> String {
    let reason = entry.item.reason.as_deref().unwrap_or("no reason is known");
    let message = match entry.state() {
        ItemState::Unconfirmed => format!(
            "unconfirmed: 123pan may or may not have this download, so it is not sent again until somebody settles it ({reason})"
        ),
        ItemState::Failed => reason.to_owned(),
        ItemState::Dropped => "unconfirmed, and given up".to_owned(),
        _ => return String::new(),
    };
    match note
        .map(|note| note.dropped.join(", "))
        .filter(|dropped| !dropped.is_empty())
    {
        Some(dropped) if entry.status() == Status::Error => {
            format!("{message}; 123pan takes no headers, so it was fetched without: {dropped}")
        }
        _ => message,
    }
}
