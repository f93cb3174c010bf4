//! How files and folders are printed.

use std::io;

use pan123_async::proto::file::EntryKind;
use pan123_async::{Entry, Parent};
use serde_json::{Value, json};

use crate::output::Output;
use crate::words::{Lang, iso_time, local_time, shown, size};

/// An entry for `--json`.
pub(super) fn object(entry: &Entry) -> Value {
    json!({
        "type": "entry",
        "id": entry.id,
        "name": entry.name,
        "kind": kind(Lang::English, entry),
        "parent": entry.parent,
        "size": entry.size,
        "md5": Some(&entry.etag).filter(|md5| !md5.is_empty()),
        "created_at": entry.created_at.and_then(iso_time),
        "updated_at": entry.updated_at.and_then(iso_time),
        "trashed": entry.trashed,
        "rejected": entry.is_rejected(),
    })
}

pub(super) fn kind(lang: Lang, entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::File => lang.pick("file", "文件"),
        EntryKind::Dir => lang.pick("folder", "文件夹"),
        _ => lang.pick("other", "其他"),
    }
}

/// The name, with a slash after that of a folder.
pub(super) fn name(entry: &Entry) -> String {
    let slash = if entry.dir().is_some() { "/" } else { "" };
    format!("{}{slash}", shown(&entry.name))
}

/// Names entries in a question: the only one, or how many there are and the first of them.
pub(super) fn names(lang: Lang, entries: &[Entry]) -> String {
    if let [entry] = entries {
        return name(entry);
    }
    let first: Vec<_> = entries.iter().take(3).map(name).collect();
    let dots = if entries.len() > 3 { ", …" } else { "" };
    let (count, first) = (entries.len(), first.join(", "));
    lang.pick(
        format!("{count} files and folders ({first}{dots})"),
        format!("{count} 个文件和文件夹（{first}{dots}）"),
    )
}

/// Prints entries by name, a line each. A long line has the name last, so that wide characters upset no column.
pub(super) fn list(out: Output, mut entries: Vec<Entry>, is_long: bool) -> io::Result<()> {
    entries.sort_by(|one, other| one.name.cmp(&other.name).then(one.id.cmp(&other.id)));
    let width = |text: fn(&Entry) -> String| entries.iter().map(|it| text(it).len()).max();
    let ids = width(|entry| entry.id.to_string()).unwrap_or(0);
    let sizes = width(size_of).unwrap_or(0);
    for entry in &entries {
        let name = name(entry);
        let text = if is_long {
            let (id, size) = (entry.id.to_string(), size_of(entry));
            let time = entry.updated_at.or(entry.created_at).and_then(local_time);
            let time = time.unwrap_or_else(|| "-".to_owned());
            format!("{id:>ids$}  {size:>sizes$}  {time:<16}  {name}")
        } else {
            name
        };
        out.result(&text, &object(entry))?;
    }
    Ok(())
}

fn size_of(entry: &Entry) -> String {
    match entry.dir() {
        Some(_) => "-".to_owned(),
        None => size(entry.size),
    }
}

/// What was done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Moved,
    Copied,
    Trashed,
    Restored,
    Deleted,
}

impl Change {
    fn key(self) -> &'static str {
        match self {
            Change::Created => "created",
            Change::Moved => "moved",
            Change::Copied => "copied",
            Change::Trashed => "trashed",
            Change::Restored => "restored",
            Change::Deleted => "deleted",
        }
    }

    fn word(self, lang: Lang) -> &'static str {
        match self {
            Change::Created => lang.pick("created", "已创建"),
            Change::Moved => lang.pick("moved", "已移动"),
            Change::Copied => lang.pick("copied", "已复制"),
            Change::Trashed => lang.pick("moved to the trash", "已移入回收站"),
            Change::Restored => lang.pick("restored", "已恢复"),
            Change::Deleted => lang.pick("deleted", "已彻底删除"),
        }
    }

    /// Prints that it was done. The id is missing where the service does not tell it, as of the copy of a folder.
    pub(super) fn report(
        self,
        out: Output,
        name: &str,
        id: Option<u64>,
        parent: Option<Parent>,
    ) -> io::Result<()> {
        let lang = out.lang;
        let word = self.word(lang);
        let text = match id {
            Some(id) => format!("{word}{}{} (id:{id})", lang.pick(": ", "："), shown(name)),
            None => format!("{word}{}{}", lang.pick(": ", "："), shown(name)),
        };
        let object = json!({
            "type": "change",
            "change": self.key(),
            "id": id,
            "name": name,
            "parent": parent,
        });
        out.result(&text, &object)
    }

    /// Prints that it was done to these entries, which are now in this folder; where they were, if it is `None`.
    pub(super) fn report_all(
        self,
        out: Output,
        entries: &[Entry],
        parent: Option<Parent>,
    ) -> io::Result<()> {
        entries.iter().try_for_each(|entry| {
            let parent = parent.or(entry.parent);
            self.report(out, &entry.name, Some(entry.id.get()), parent)
        })
    }
}
