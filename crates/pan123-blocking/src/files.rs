//! The files and folders of the drive.

use pan123_proto::file::{
    CopiedFile, CopyFile, CopyFiles, CopyProgress, CreateDir, CreatedDir, DeleteFiles, Done,
    DownloadUrl, Entry, FileInfos, GetCopyProgress, GetDetail, GetDownloadUrl, GetInfos, ListFiles,
    MoveFiles, RecoverFiles, RecoverFilesTo, RecoveredFiles, RenameFile, RenameFiles, RenamedFiles,
    StartedCopy, TrashFiles,
};
use pan123_proto::{CopyTaskId, DirId, EntryId, Error, FileId, Parent};

use crate::client::Client;
use crate::listing::Listing;

/// The files and folders of the drive: [`Client::files`] returns it.
///
/// ```no_run
/// use pan123_blocking::{Error, Files, Parent};
///
/// fn tidy(files: &Files) -> Result<(), Error> {
///     let archive = files.ensure_dir("/archive/2026")?;
///     let mut old = Vec::new();
///     for entry in files.list(Parent::Root) {
///         let entry = entry?;
///         if entry.name.ends_with(".log") {
///             old.push(entry.id);
///         }
///     }
///     for ids in old.chunks(100) {
///         files.move_to(ids, archive)?;
///     }
///     if let Some(draft) = files.find("/drafts/old.txt")? {
///         files.trash(&[draft.id])?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    client: Client,
}

impl Files {
    pub(crate) fn new(client: Client) -> Files {
        Files { client }
    }

    /// Lists a folder, entry by entry.
    #[doc(alias = "目录")]
    pub fn list(&self, parent: impl Into<Parent>) -> Listing {
        self.list_with(ListFiles::of(parent))
    }

    /// Lists a folder with other settings, or the results of a search.
    pub fn list_with(&self, files: ListFiles) -> Listing {
        Listing::new(self.client.session().list(files), self.client.context())
    }

    /// Finds the entry at a path such as `/videos/2026/film.mp4`, or returns `None`. Each call looks the path up again:
    /// nothing is cached.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if the path names the root or contains `.` or `..`; any other [`Error`] if a call fails.
    pub fn find(&self, path: &str) -> Result<Option<Entry>, Error> {
        self.client.drive(self.client.session().find(path)?)
    }

    /// Creates the folders of a path such as `/videos/2026` that do not exist yet, and returns the id of the last one. It is
    /// harmless if another program creates them at the same time.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if the path names the root or contains `.` or `..`, and if a missing folder has a name that the service does
    /// not accept: then none is created. Any other [`Error`] if a call fails.
    #[doc(alias = "目录")]
    #[doc(alias = "mkdir")]
    pub fn ensure_dir(&self, path: &str) -> Result<DirId, Error> {
        self.client.drive(self.client.session().ensure_dir(path)?)
    }

    /// Reads the details of one file or folder.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    pub fn detail<E: Into<EntryId>>(&self, entry: E) -> Result<Entry, Error> {
        self.client.send(&GetDetail::new(entry))
    }

    /// Reads 1 to 100 files and folders with all that a list tells of them. Those that do not exist are missing from the result.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    pub fn infos<E: Into<EntryId> + Copy>(&self, entries: &[E]) -> Result<FileInfos, Error> {
        self.client.send(&GetInfos::new(entries.iter().copied())?)
    }

    /// Returns a URL from which a file can be fetched for a while without a token.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    pub fn download_url(&self, file: FileId) -> Result<DownloadUrl, Error> {
        self.client.send(&GetDownloadUrl::new(file))
    }

    /// Creates a folder.
    ///
    /// The service rejects a name that is taken, even if an earlier attempt of the same call took it and its response was lost: see
    /// [`ApiError::follows_lost_response`](pan123_proto::ApiError::follows_lost_response).
    ///
    /// # Errors
    ///
    /// [`Error::Build`] for a name that the service does not accept; any other [`Error`] if the call fails.
    #[doc(alias = "目录")]
    #[doc(alias = "mkdir")]
    pub fn create_dir<P: Into<Parent>>(&self, parent: P, name: &str) -> Result<CreatedDir, Error> {
        self.client.send(&CreateDir::new(parent, name)?)
    }

    /// Moves 1 to 100 files and folders into the trash.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    #[doc(alias = "回收站")]
    pub fn trash<E: Into<EntryId> + Copy>(&self, entries: &[E]) -> Result<Done, Error> {
        self.client.send(&TrashFiles::new(entries.iter().copied())?)
    }

    /// Permanently deletes 1 to 100 files and folders that are in the trash.
    ///
    /// An earlier attempt of the same call whose response was lost may have deleted them already: see
    /// [`ApiError::follows_lost_response`](pan123_proto::ApiError::follows_lost_response).
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    #[doc(alias = "回收站")]
    pub fn delete<E: Into<EntryId> + Copy>(&self, entries: &[E]) -> Result<Done, Error> {
        self.client
            .send(&DeleteFiles::new(entries.iter().copied())?)
    }

    /// Restores 1 to 100 files and folders from the trash to where they were.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    #[doc(alias = "回收站")]
    #[doc(alias = "restore")]
    pub fn recover<E: Into<EntryId> + Copy>(&self, entries: &[E]) -> Result<RecoveredFiles, Error> {
        self.client
            .send(&RecoverFiles::new(entries.iter().copied())?)
    }

    /// Restores 1 to 100 files and folders from the trash into a folder.
    ///
    /// An earlier attempt of the same call whose response was lost may have restored them already: see
    /// [`ApiError::follows_lost_response`](pan123_proto::ApiError::follows_lost_response).
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    #[doc(alias = "回收站")]
    #[doc(alias = "restore")]
    pub fn recover_to<E: Into<EntryId> + Copy, P: Into<Parent>>(
        &self,
        entries: &[E],
        parent: P,
    ) -> Result<Done, Error> {
        self.client
            .send(&RecoverFilesTo::new(entries.iter().copied(), parent)?)
    }

    /// Renames a file or folder.
    ///
    /// # Errors
    ///
    /// [`Error::Build`] for a name that the service does not accept; any other [`Error`] if the call fails.
    #[doc(alias = "重命名")]
    pub fn rename<E: Into<EntryId>>(&self, entry: E, name: &str) -> Result<Done, Error> {
        self.client.send(&RenameFile::new(entry, name)?)
    }

    /// Renames 1 to 30 files and folders. Some may be renamed while others fail: see [`RenamedFiles`].
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no names or more than 30, or for a name that the service does not accept; any other [`Error`]
    /// if the call fails.
    #[doc(alias = "重命名")]
    pub fn rename_many<E: Into<EntryId> + Copy, N: AsRef<str>>(
        &self,
        names: &[(E, N)],
    ) -> Result<RenamedFiles, Error> {
        self.client.send(&RenameFiles::new(
            names.iter().map(|(entry, name)| (*entry, name)),
        )?)
    }

    /// Moves 1 to 100 files and folders into a folder.
    ///
    /// The service may reject what is there already, as after an earlier attempt whose response was lost: see
    /// [`ApiError::follows_lost_response`](pan123_proto::ApiError::follows_lost_response).
    ///
    /// # Errors
    ///
    /// [`Error::Build`] if there are no entries or more than 100; any other [`Error`] if the call fails.
    #[doc(alias = "move")]
    pub fn move_to<E: Into<EntryId> + Copy, P: Into<Parent>>(
        &self,
        entries: &[E],
        parent: P,
    ) -> Result<Done, Error> {
        self.client
            .send(&MoveFiles::new(entries.iter().copied(), parent)?)
    }

    /// Copies a file into a folder. The request is not sent again once it may have arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Ambiguous`] if the copy may exist; any other [`Error`] if the call fails.
    pub fn copy<P: Into<Parent>>(&self, file: FileId, parent: P) -> Result<CopiedFile, Error> {
        self.client.send(&CopyFile::new(file, parent))
    }

    /// Starts a copy of 1 to 3000 files and folders into a folder; [`copy_progress`](Files::copy_progress) tells when it is
    /// done. The request is not sent again once it may have arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Ambiguous`] if the copy may have been started; [`Error::Build`] if there are no entries or more than 3000; any other
    /// [`Error`] if the call fails.
    pub fn copy_many<E: Into<EntryId> + Copy, P: Into<Parent>>(
        &self,
        entries: &[E],
        parent: P,
    ) -> Result<StartedCopy, Error> {
        self.client
            .send(&CopyFiles::new(entries.iter().copied(), parent)?)
    }

    /// Returns the progress of a copy that [`copy_many`](Files::copy_many) started.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    #[doc(alias = "进度")]
    pub fn copy_progress(&self, task: CopyTaskId) -> Result<CopyProgress, Error> {
        self.client.send(&GetCopyProgress::new(task))
    }
}
