//! The table of scenarios. Each module is a part of it; a row says what is done, once for all drivers, and what must come of it.

mod answers;
mod drive;
mod faults;
mod limits;
mod lists;
mod lost;
mod oauth;
mod paths;
mod service;
mod shared_store;
mod tasks;
mod together;
mod tokens;

use pan123_proto::offline::{Download, WatchPolicy};

use crate::scenario::{Call, Of, Scenario};

/// A part of the table.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// What it is about.
    pub name: &'static str,
    /// Its rows.
    pub rows: fn() -> Vec<Scenario>,
}

/// All of it.
pub const PARTS: [Part; 13] = [
    part("answers", answers::table),
    part("drive", drive::table),
    part("faults", faults::table),
    part("limits", limits::table),
    part("lists", lists::table),
    part("lost", lost::table),
    part("oauth", oauth::table),
    part("paths", paths::table),
    part("service", service::table),
    part("shared_store", shared_store::table),
    part("tasks", tasks::table),
    part("together", together::table),
    part("tokens", tokens::table),
];

const fn part(name: &'static str, rows: fn() -> Vec<Scenario>) -> Part {
    Part { name, rows }
}

/// The rows of all parts.
pub fn rows() -> impl Iterator<Item = Scenario> {
    PARTS.into_iter().flat_map(|part| (part.rows)())
}

/// A download like any other.
///
/// # Panics
///
/// Never: it is made of constants.
pub fn download() -> Download {
    Download::new("https://example.com/video.mp4").expect("a URL")
}

/// A call that creates it.
pub fn create() -> Call {
    Call::Create(download())
}

/// A call that follows the task created last.
pub fn watch() -> Call {
    Call::Watch(Of::Last, WatchPolicy::default())
}

/// A task that nobody created, for answers that are prepared.
pub const PROGRESS: Call = Call::Progress(Of::Task(7));
