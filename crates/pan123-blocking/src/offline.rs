//! Offline download into the drive.

use pan123_proto::batch::BatchPolicy;
use pan123_proto::ledger::{Ledger, LedgerFault, NewItem};
use pan123_proto::offline::{
    CreatedDownload, Download, Downloaded, ExpectedFile, FileLookup, GetDownloadProgress, Progress,
    WatchError, WatchPolicy,
};
use pan123_proto::{Error, TaskId};

use crate::batch::Batch;
use crate::client::Client;
use crate::watch::Watch;

/// Offline download (离线下载): the cloud fetches an http(s) URL into the drive. [`Client::offline_download`] returns it.
///
/// ```no_run
/// use pan123_blocking::{DirId, Download, Error, OfflineDownload};
///
/// fn save(offline: &OfflineDownload) -> Result<(), Box<dyn std::error::Error>> {
///     let download = Download::new("https://example.com/video.mp4")?
///         .file_name("my_video.mp4")?
///         .save_to(DirId::new(456)?);
///     let task = match offline.download(&download) {
///         Ok(task) => task, // keep it
///         Err(Error::Ambiguous(lost)) => return Err(format!("it may exist: {}", lost.cause()).into()),
///         Err(error) => return Err(error.into()),
///     };
///     println!("{}", offline.progress(task)?);
///     let done = offline.wait(task)?;
///     println!("{:?}", done.progress.status);
///     Ok(())
/// }
/// ```
#[doc(alias = "离线下载")]
#[derive(Clone, Debug)]
pub struct OfflineDownload {
    client: Client,
}

impl OfflineDownload {
    pub(crate) fn new(client: Client) -> OfflineDownload {
        OfflineDownload { client }
    }

    /// Creates a download and returns the id of its task. Keep the id: the service cannot list tasks.
    ///
    /// The request is not sent again once it may have arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Ambiguous`] if the task may exist; any other [`Error`] if the call fails.
    #[doc(alias = "离线下载")]
    pub fn download(&self, download: &Download) -> Result<TaskId, Error> {
        let CreatedDownload { task, .. } = self.client.send(download)?;
        Ok(task)
    }

    /// Returns the progress of a task.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    #[doc(alias = "进度")]
    #[doc(alias = "download_process")]
    pub fn progress(&self, task: TaskId) -> Result<Progress, Error> {
        self.client.send(&GetDownloadProgress::new(task))
    }

    /// Follows a task until it ends, event by event.
    pub fn watch(&self, task: TaskId) -> Watch {
        self.watch_with(task, WatchPolicy::default())
    }

    /// Follows a task like [`watch`](OfflineDownload::watch), at another pace and with other limits.
    pub fn watch_with(&self, task: TaskId, policy: WatchPolicy) -> Watch {
        let watch = self.client.session().watch(task, policy);
        Watch::new(watch, self.client.context())
    }

    /// Waits until a task has succeeded.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up.
    pub fn wait(&self, task: TaskId) -> Result<Downloaded, WatchError> {
        self.watch(task).to_end()
    }

    /// Waits until a task has succeeded, then looks for its file: the service does not tell which file a task has become.
    ///
    /// # Errors
    ///
    /// [`WatchError`] if the task failed or the watch gave up. A file that is not found is not an error: see
    /// [`Downloaded::file`].
    pub fn wait_for_file(
        &self,
        task: TaskId,
        target: ExpectedFile,
    ) -> Result<Downloaded, WatchError> {
        self.watch(task).to_file(target)
    }

    /// Looks for the file of a download that has already ended. [`FindFile`](pan123_proto::offline::FindFile) tells which file
    /// matches.
    ///
    /// # Errors
    ///
    /// [`Error`] if a call fails.
    pub fn find_file(&self, target: ExpectedFile) -> Result<FileLookup, Error> {
        self.client.drive(self.client.session().find_file(target))
    }

    /// Submits any number of downloads and follows them to their ends, event by event: no more at once than the account allows, each
    /// one once, and what fails a few times. All of it is recorded in the ledger: a batch on the ledger of an earlier one goes on where
    /// that stopped, and several programs may work on one ledger.
    ///
    /// The items must be there when they are asked for: while their iterator blocks, as that of a channel does, nothing is recorded.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the ledger cannot be opened, or belongs to another account.
    pub fn batch<I>(&self, ledger: &dyn Ledger, items: I) -> Result<Batch, LedgerFault>
    where
        I: IntoIterator<Item = NewItem>,
        I::IntoIter: Send + 'static,
    {
        self.batch_with(ledger, items, BatchPolicy::default())
    }

    /// Submits downloads like [`batch`](OfflineDownload::batch), with other limits.
    ///
    /// # Errors
    ///
    /// [`LedgerFault`] if the ledger cannot be opened, or belongs to another account.
    pub fn batch_with<I>(
        &self,
        ledger: &dyn Ledger,
        items: I,
        policy: BatchPolicy,
    ) -> Result<Batch, LedgerFault>
    where
        I: IntoIterator<Item = NewItem>,
        I::IntoIter: Send + 'static,
    {
        let session = self.client.session();
        let ledger = ledger.open(&session.ledger_account())?;
        let batch = session.batch(ledger, policy);
        Ok(Batch::new(
            batch,
            Box::new(items.into_iter()),
            self.client.context(),
        ))
    }
}
