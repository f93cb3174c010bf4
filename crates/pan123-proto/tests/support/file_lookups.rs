//! Downloads that succeed at once, and their files.

use std::time::SystemTime;

use pan123_proto::DirId;
use pan123_proto::offline::{Download, ExpectedFile, FileLookup};
use serde_json::json;

use super::drive::FakeDrive;
use super::{Reply, START, World, path};

pub(crate) const DEFAULT_DIR: &str = "来自:离线下载";

/// The wall clock at the start.
pub(crate) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + START
}

/// Every task is done at its first poll.
pub(crate) fn world(drive: &FakeDrive) -> World {
    let drive = drive.clone();
    World::new(move |view, request| match request.uri().path() {
        path::PROGRESS => Reply::data(json!({"process": 100, "status": 2})),
        _ => drive.serve(view, request),
    })
}

pub(crate) fn download() -> Download {
    Download::new("https://example.com/film.mp4?sig=x").expect("good values")
}

pub(crate) fn target() -> ExpectedFile {
    ExpectedFile::of(&download(), start())
}

pub(crate) fn into(dir: u64) -> ExpectedFile {
    let dir = DirId::new(dir).expect("good values");
    ExpectedFile::of(&download().save_to(dir), start())
}

pub(crate) fn found(landed: &FileLookup) -> u64 {
    match landed {
        FileLookup::Found { entry, .. } => entry.id.get(),
        other => panic!("{other:?}"),
    }
}

/// How the file was found, and its name; or what else came.
pub(crate) fn described(lookup: &FileLookup) -> String {
    match lookup {
        FileLookup::Found { entry, by } => format!("{by:?}: {}", entry.name),
        FileLookup::Several(entries) => {
            let names: Vec<_> = entries.iter().map(|entry| &entry.name[..]).collect();
            format!("several: {}", names.join(", "))
        }
        other => format!("{other:?}"),
    }
}
