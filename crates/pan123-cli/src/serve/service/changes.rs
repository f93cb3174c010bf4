//! The calls that add, change and settle downloads.

use pan123_async::proto::ledger::Verdict;
use pan123_async::proto::offline::FoundBy;
use pan123_async::{BuildError, DirId, Download, FileId, FileLookup};
use serde_json::Value;

use super::super::names::Note;
use super::super::queue::Addition;
use super::super::rpc::{GidPrefix, Options, Params, Place, RpcError};
use super::{Service, ok};
use crate::lists::read_url;
use crate::words::Lang;

/// How many URIs a download may have.
const MAX_URIS: usize = 16;

impl Service {
    pub(super) async fn add_uri(&self, params: &Params) -> Result<Value, RpcError> {
        let mut uris = params.uris(0)?;
        uris.truncate(MAX_URIS);
        let options = Options::read(params.optional_map(1)?)?;
        let place = params.optional_place(2)?;
        let uri = uris.remove(0);
        let read = read_url(&uri);
        let download = read.map_err(|reason| RpcError::new(reason.text(Lang::English)))?;
        let dir = options.place.dir.or_else(|| self.default_dir());
        let folder = match &dir {
            Some(dir) => self.folders.find(dir).await?,
            None => None,
        };
        let download = placed(download, folder, options.place.out.as_deref())?;
        let addition = Addition {
            gid: options.gid,
            download,
            note: Note {
                dir,
                other_uris: uris,
                dropped: options.dropped,
                ..Note::default()
            },
            is_paused: options.is_paused,
            place,
        };
        let gid = self.queue.add(addition).await?;
        Ok(gid.to_string().into())
    }

    pub(super) async fn change_option(&self, params: &Params) -> Result<(), RpcError> {
        let gid = params.gid(0)?;
        let Place { dir, out } = Place::read(params.map(1)?);
        self.queue.look(|mirror| mirror.find(&gid).map(|_| ()))?;
        let folder = match &dir {
            Some(dir) => Some(self.folders.find(dir).await?),
            None => None,
        };
        let edit = move |now: &Download, note: Note| {
            let folder = folder.unwrap_or(now.dir());
            let changed = placed(
                Download::new(now.url())?,
                folder,
                out.as_deref().or(now.name()),
            )?;
            let changed = match now.callback_url() {
                Some(url) => changed.callback(url)?,
                None => changed,
            };
            let dir = dir.or_else(|| note.dir.clone());
            Ok((changed, Note { dir, ..note }))
        };
        self.queue.edit(gid, edit).await
    }

    /// Settles an unconfirmed download: `again`, `drop`, `find`, `found` with a file id, or `was` with a task id.
    pub(super) async fn settle(&self, params: &Params) -> Result<Value, RpcError> {
        let gid = params.gid(0)?;
        let verdict = match params.text(1)? {
            "again" => Verdict::SendAgain,
            "drop" => Verdict::Drop,
            "found" => Verdict::Found(params.text(2)?.parse()?),
            "was" => Verdict::Was(params.text(2)?.parse()?),
            "find" => Verdict::Found(self.find_file(&gid).await?),
            _ => {
                return Err(RpcError::new(
                    "say how to settle it: `again`, `drop`, `find`, `found` with a file id, or `was` with a task id",
                ));
            }
        };
        self.queue.settle(gid, verdict).await?;
        Ok(ok())
    }

    pub(super) async fn find_file(&self, gid: &GidPrefix) -> Result<FileId, RpcError> {
        let (of, expected) = self.queue.look(|mirror| {
            let (_, entry) = mirror.find(gid)?;
            Ok::<_, RpcError>((entry.gid, entry.item.expected_file()))
        })?;
        let found = self.client.offline_download().find_file(expected).await;
        let FileLookup::Found { entry, by, .. } = found? else {
            return Err(not_found());
        };
        let file = entry.file().ok_or_else(not_found)?;
        let is_asked = matches!(by, FoundBy::RequestedName | FoundBy::Id);
        let is_anothers = || {
            self.queue
                .look(|mirror| mirror.may_be_anothers(of, &entry.name))
        };
        let doubt = if !is_asked {
            "the name was not requested"
        } else if is_anothers() {
            "another download has that name"
        } else {
            return Ok(file);
        };
        Err(RpcError::new(format!(
            "{:?} may be its file, but {doubt}: settle it with that file's id, {file}, if it is",
            entry.name
        )))
    }
}

/// Returns the download with this folder and name.
fn placed(
    download: Download,
    folder: Option<DirId>,
    out: Option<&str>,
) -> Result<Download, BuildError> {
    let download = match folder {
        Some(folder) => download.save_to(folder),
        None => download,
    };
    match out {
        Some(out) => download.file_name(out),
        None => Ok(download),
    }
}

fn not_found() -> RpcError {
    RpcError::new("no file fits: that proves nothing, as it may still arrive")
}
