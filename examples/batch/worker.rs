//! The program that is killed: it submits its downloads, follows them to their ends, and goes on where an earlier run stopped.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::serve;
use pan123_async::proto::Endpoint;
use pan123_async::proto::batch::{BatchEvent, BatchHandle, BatchPolicy, ItemChange};
use pan123_async::proto::offline::{
    CallbackKey, CallbackRefusal, CallbackSigner, GetDownloadProgress,
};
use pan123_async::{BuildError, Client, Download, ItemKey, NewItem, Pacing};
use pan123_examples::callback::{Received, routes};
use pan123_examples::{one_line, println};
use pan123_ledger::SqliteLedger;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET};
use pan123_store::FileStore;
use tokio::net::TcpListener;

/// How many files are downloaded.
pub(crate) const FILES: usize = 200;

/// What the program is told by its command line.
pub(crate) struct Settings {
    /// Where the ledger, the token and the key of the callbacks are kept. A restart needs the same folder.
    pub(crate) folder: PathBuf,
    /// The service.
    pub(crate) base_url: String,
    /// The server of the files.
    pub(crate) source: String,
    /// Where callbacks are received: the same address after a restart, since earlier downloads name it.
    pub(crate) callbacks: SocketAddr,
}

pub(crate) fn ledger(folder: &Path) -> SqliteLedger {
    SqliteLedger::new(folder.join("downloads.db"))
}

/// The secret that signs the URLs of callbacks.
pub(crate) fn key_file(folder: &Path) -> PathBuf {
    folder.join("callback.key")
}

pub(crate) fn client(folder: &Path, base_url: &str) -> Result<Client, BuildError> {
    // A program for the real service leaves the pace as it is: one create and five polls a second.
    let pacing = Pacing::default()
        .every(Download::RATE, Duration::from_millis(30))
        .every(GetDownloadProgress::RATE, Duration::from_millis(5));
    Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(base_url)
        .token_store(FileStore::new(folder.join("token.json")))
        .pacing(pacing)
        .build()
}

/// Runs the batch to its end. A restart calls it with the same items: the ledger knows what became of each.
pub(crate) async fn run(settings: &Settings) -> Result<(), Box<dyn Error>> {
    let client = client(&settings.folder, &settings.base_url)?;
    let key = CallbackKey::new("batch", fs::read(key_file(&settings.folder))?)?;
    let signer = CallbackSigner::new([key])?;
    let items = (1..=FILES).map(|number| item(settings, &signer, number));
    let items = items.collect::<Result<Vec<_>, _>>()?;

    // One create at a time, so that just one is on its way when the program is killed. By default there are up to four. Nobody else
    // saves to the folder, so a file tells of its item by its name.
    let policy = BatchPolicy::default().max_creates(1).confirm_by_name(true);
    let ledger = ledger(&settings.folder);
    let mut batch = client
        .offline_download()
        .batch_with(&ledger, items, policy)?;

    let handle = batch.handle();
    let receiver = routes(signer, move |received| receive(&handle, received));
    let listener = TcpListener::bind(settings.callbacks).await?;
    tokio::spawn(async move { serve(listener, receiver).await });

    let mut seen = Seen::default();
    while let Some(event) = batch.next().await {
        seen.print(&event);
    }
    let report = batch.report().ok_or("the batch has not ended")?;
    println!("worker: {report}");
    match &report.fault {
        Some(fault) => Err(fault.clone().into()),
        None => Ok(()),
    }
}

/// The name under which a callback finds its item, and the file that is wanted. With a name and a folder of its own, the file of an
/// unconfirmed item can be recognized.
fn item(
    settings: &Settings,
    signer: &CallbackSigner,
    number: usize,
) -> Result<NewItem, BuildError> {
    let key = format!("file {number}");
    let callback = signer.sign(&format!("http://{}/pan123", settings.callbacks), &key)?;
    let download = Download::new(format!("{}/files/{number}", settings.source))?
        .file_name(format!("file-{number}.bin"))?
        .callback(callback)?;
    Ok(NewItem::new(ItemKey::new(key)?, download))
}

/// Passes a callback to the batch, which polls the task at once: how it ended is for the service to say, not for a callback.
fn receive(batch: &BatchHandle, received: Received) {
    match received {
        Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) => {
            if let Ok(key) = ItemKey::new(callback.id) {
                batch.notify(key, &callback.notice);
            }
        }
        // The URL is ours, but the body cannot be read.
        Err(refusal) => {
            if let Some(Ok(key)) = refusal.id().map(ItemKey::new) {
                batch.nudge(key);
            }
        }
    }
}

/// Prints what is worth a line.
#[derive(Default)]
struct Seen {
    succeeded: usize,
    window_full: bool,
}

impl Seen {
    fn print(&mut self, event: &BatchEvent) {
        match event {
            BatchEvent::Item { key, change, .. } => self.print_change(key, change),
            BatchEvent::WindowFull { running, .. } => {
                if !std::mem::replace(&mut self.window_full, true) {
                    println!("worker: the service takes no more than {running} tasks at once");
                }
            }
            BatchEvent::Paused { error, pause, .. } => {
                println!("worker: paused for {pause:?}: {}", one_line(error));
            }
            BatchEvent::LedgerFailed(fault) => println!("worker: {fault}"),
            other => println!("worker: {other:?}"),
        }
    }

    fn print_change(&mut self, key: &ItemKey, change: &ItemChange) {
        match change {
            ItemChange::Created(_) | ItemChange::Progress(_) => {}
            ItemChange::Succeeded(_) => {
                self.succeeded += 1;
                if self.succeeded.is_multiple_of(25) {
                    println!("worker: {} files in this run", self.succeeded);
                }
            }
            ItemChange::Resumed(task) => println!("worker: {key}: follows task {task} of before"),
            ItemChange::Unconfirmed { reason, .. } => {
                println!("worker: {key}: unconfirmed: {reason}");
            }
            ItemChange::Confirmed(file) => {
                println!("worker: {key}: confirmed: it is file {file}");
            }
            other => println!("worker: {key}: {other:?}"),
        }
    }
}
