//! The calls of single endpoints of the drive and the image bed, as data.

use std::fmt::Debug;

use pan123_proto::file::{
    CopyFile, CopyFiles, CreateDir, DeleteFiles, DownloadUrl, GetCopyProgress, GetDetail,
    GetDownloadUrl, GetInfos, ListFilesV1, MoveFiles, RecoverFiles, RecoverFilesTo, RenameFile,
    RenameFiles, TrashFiles,
};
use pan123_proto::image_bed::{GetImageBedProgress, ImageBedDownload};
use pan123_proto::{BuildError, CopyTaskId, EntryId, Error, FileId, ImageBedTaskId, Parent};

use crate::observed::Outcome;
use crate::run::Caller;

/// A call of one endpoint. Ids are those of the service; folder 0 is the root.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is the call of that name")]
pub enum DriveCall {
    Detail(u64),
    Infos(Vec<u64>),
    DownloadUrl(u64),
    CreateDir(u64, &'static str),
    Trash(Vec<u64>),
    Delete(Vec<u64>),
    Recover(Vec<u64>),
    RecoverTo(Vec<u64>, u64),
    Rename(u64, &'static str),
    RenameMany(Vec<(u64, &'static str)>),
    MoveTo(Vec<u64>, u64),
    Copy(u64, u64),
    CopyMany(Vec<u64>, u64),
    CopyProgress(u64),
    OldList(ListFilesV1),
    ToImageBed(ImageBedDownload),
    GetImageBedProgress(u64),
}

/// An entry of this number.
pub(crate) fn entry(id: u64) -> EntryId {
    EntryId::new(id).expect("no entry is 0")
}

/// Entries of these numbers.
pub(crate) fn entries(ids: &[u64]) -> Vec<EntryId> {
    ids.iter().map(|id| entry(*id)).collect()
}

/// A file of this number.
pub(crate) fn file(id: u64) -> FileId {
    FileId::new(id).expect("no file is 0")
}

/// A folder of this number, or the root.
pub(crate) fn parent(id: u64) -> Parent {
    Parent::from_number(id)
}

/// Entries with their new names.
pub(crate) fn renames<'a>(names: &[(u64, &'a str)]) -> Vec<(EntryId, &'a str)> {
    names.iter().map(|(id, name)| (entry(*id), *name)).collect()
}

/// Makes a call by the methods of a client of an adapter: they have the same names.
macro_rules! by_methods {
    ($client:expr, $call:expr $(, $await:tt)?) => {{
        use $crate::drive_calls::{entries, entry, file, parent, renames, url};
        let client = $client;
        let (files, bed) = (client.files(), client.image_bed());
        match $call {
            DriveCall::Detail(id) => Outcome::entry(&files.detail(entry(*id))$(.$await)?),
            DriveCall::Infos(ids) => Outcome::entries(&files.infos(&entries(ids))$(.$await)?),
            DriveCall::DownloadUrl(id) => url(files.download_url(file(*id))$(.$await)?),
            DriveCall::CreateDir(dir, name) => Outcome::of(&files.create_dir(parent(*dir), name)$(.$await)?),
            DriveCall::Trash(ids) => Outcome::of(&files.trash(&entries(ids))$(.$await)?),
            DriveCall::Delete(ids) => Outcome::of(&files.delete(&entries(ids))$(.$await)?),
            DriveCall::Recover(ids) => Outcome::of(&files.recover(&entries(ids))$(.$await)?),
            DriveCall::RecoverTo(ids, dir) => {
                Outcome::of(&files.recover_to(&entries(ids), parent(*dir))$(.$await)?)
            }
            DriveCall::Rename(id, name) => Outcome::of(&files.rename(entry(*id), name)$(.$await)?),
            DriveCall::RenameMany(names) => Outcome::of(&files.rename_many(&renames(names))$(.$await)?),
            DriveCall::MoveTo(ids, dir) => {
                Outcome::of(&files.move_to(&entries(ids), parent(*dir))$(.$await)?)
            }
            DriveCall::Copy(id, dir) => Outcome::of(&files.copy(file(*id), parent(*dir))$(.$await)?),
            DriveCall::CopyMany(ids, dir) => {
                Outcome::of(&files.copy_many(&entries(ids), parent(*dir))$(.$await)?)
            }
            DriveCall::CopyProgress(task) => {
                let task = CopyTaskId::new(*task).expect("no task is 0");
                Outcome::of(&files.copy_progress(task)$(.$await)?)
            }
            DriveCall::OldList(list) => Outcome::old_list(&client.send(list)$(.$await)?),
            DriveCall::ToImageBed(download) => Outcome::of(&bed.download(download)$(.$await)?),
            DriveCall::GetImageBedProgress(task) => {
                let task = ImageBedTaskId::new(*task).expect("no task is 0");
                Outcome::of(&bed.progress(task)$(.$await)?)
            }
        }
    }};
}

pub(crate) use by_methods;

/// The path of the URL; its address differs between runs.
pub(crate) fn url(url: Result<DownloadUrl, Error>) -> Outcome {
    let path = |url: DownloadUrl| {
        let url = url.into_string();
        url.splitn(4, '/').last().map(str::to_owned)
    };
    Outcome::of(&url.map(path))
}

/// Makes a call by its endpoint.
pub(crate) async fn by_endpoint<C: Caller>(caller: &C, call: &DriveCall) -> Outcome {
    match made(caller, call).await {
        Ok(outcome) => outcome,
        Err(error) => Outcome::of(&Err::<(), _>(Error::from(error))),
    }
}

async fn made<C: Caller>(caller: &C, call: &DriveCall) -> Result<Outcome, BuildError> {
    Ok(match call {
        DriveCall::Detail(id) => Outcome::entry(&caller.send(&GetDetail::new(entry(*id))).await),
        DriveCall::Infos(ids) => {
            Outcome::entries(&caller.send(&GetInfos::new(entries(ids))?).await)
        }
        DriveCall::DownloadUrl(id) => url(caller.send(&GetDownloadUrl::new(file(*id))).await),
        DriveCall::CreateDir(dir, name) => {
            outcome(caller.send(&CreateDir::new(parent(*dir), *name)?).await)
        }
        DriveCall::Trash(ids) => outcome(caller.send(&TrashFiles::new(entries(ids))?).await),
        DriveCall::Delete(ids) => outcome(caller.send(&DeleteFiles::new(entries(ids))?).await),
        DriveCall::Recover(ids) => outcome(caller.send(&RecoverFiles::new(entries(ids))?).await),
        DriveCall::RecoverTo(ids, dir) => outcome(
            caller
                .send(&RecoverFilesTo::new(entries(ids), parent(*dir))?)
                .await,
        ),
        DriveCall::Rename(id, name) => {
            outcome(caller.send(&RenameFile::new(entry(*id), *name)?).await)
        }
        DriveCall::RenameMany(names) => {
            outcome(caller.send(&RenameFiles::new(renames(names))?).await)
        }
        DriveCall::MoveTo(ids, dir) => outcome(
            caller
                .send(&MoveFiles::new(entries(ids), parent(*dir))?)
                .await,
        ),
        DriveCall::Copy(id, dir) => {
            outcome(caller.send(&CopyFile::new(file(*id), parent(*dir))).await)
        }
        DriveCall::CopyMany(ids, dir) => outcome(
            caller
                .send(&CopyFiles::new(entries(ids), parent(*dir))?)
                .await,
        ),
        DriveCall::CopyProgress(task) => outcome(
            caller
                .send(&GetCopyProgress::new(CopyTaskId::new(*task)?))
                .await,
        ),
        DriveCall::OldList(list) => Outcome::old_list(&caller.send(list).await),
        DriveCall::ToImageBed(download) => outcome(caller.send(download).await),
        DriveCall::GetImageBedProgress(task) => outcome(
            caller
                .send(&GetImageBedProgress::new(ImageBedTaskId::new(*task)?))
                .await,
        ),
    })
}

#[allow(clippy::needless_pass_by_value, reason = "called with temporaries")]
fn outcome<T: Debug>(result: Result<T, Error>) -> Outcome {
    Outcome::of(&result)
}
