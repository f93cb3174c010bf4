//! `pan123 info`.

use clap::ValueHint;
use pan123_async::Entry;

use super::print;
use crate::app::App;
use crate::drive::{Drive, Found};
use crate::failure::{Exit, Failure};
use crate::place::Place;
use crate::words::{Lang, local_time, shown, size};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files or folders
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other, required = true)]
    places: Vec<Place>,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    let mut exit = Exit::Success;
    for (index, place) in args.places.iter().enumerate() {
        let entry = match drive.get(place).await {
            Ok(Found::Entry(entry)) => entry,
            Ok(Found::Root) => {
                let failure = drive.not_an_entry();
                exit = exit.max(app.out.failure(&failure));
                continue;
            }
            Err(failure) => {
                exit = exit.max(app.out.failure(&failure));
                continue;
            }
        };
        if index > 0 {
            app.out.heading("")?;
        }
        let text = text(app.out.lang, &entry);
        app.out.result(&text, &print::object(&entry))?;
    }
    Ok(exit)
}

fn text(lang: Lang, entry: &Entry) -> String {
    let is_file = entry.dir().is_none();
    let parent = entry.parent.map(|parent| format!("id:{parent}"));
    let state = match (entry.trashed, entry.is_rejected()) {
        (true, _) => Some(lang.pick("in the trash", "在回收站中")),
        (_, true) => Some(lang.pick("rejected by the service's review", "未通过审核")),
        _ => None,
    };
    let rows = [
        (lang.pick("name", "名称"), Some(shown(&entry.name))),
        ("id", Some(entry.id.to_string())),
        (
            lang.pick("kind", "类型"),
            Some(print::kind(lang, entry).to_owned()),
        ),
        (lang.pick("folder", "所在文件夹"), parent),
        (
            lang.pick("size", "大小"),
            is_file.then(|| exact_size(entry.size)),
        ),
        (
            "md5",
            Some(entry.etag.clone()).filter(|md5| !md5.is_empty()),
        ),
        (
            lang.pick("created", "创建时间"),
            entry.created_at.and_then(local_time),
        ),
        (
            lang.pick("changed", "修改时间"),
            entry.updated_at.and_then(local_time),
        ),
        (lang.pick("state", "状态"), state.map(str::to_owned)),
    ];
    let separator = lang.pick(": ", "：");
    let lines = rows.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}{separator}{value}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn exact_size(bytes: u64) -> String {
    if bytes < 1000 {
        return size(bytes);
    }
    format!("{} ({bytes} B)", size(bytes))
}
