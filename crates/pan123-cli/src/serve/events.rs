//! What the batch tells, for the queue and the log.

use std::sync::Arc;
use std::time::Duration;

use pan123_async::proto::batch::{BatchEvent, BatchReport, ItemChange};
use pan123_async::proto::ledger::LedgerFault;
use pan123_async::proto::offline::FileLookup;
use pan123_async::{Batch, Client, Error};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::health::Health;
use super::metrics::Metrics;
use super::mirror::Entry;
use super::names::FoundFile;
use super::queue::Queue;
use super::rpc::{Notification, RpcError};
use crate::display::Display;
use crate::failure::{Exit, exit_of};
use crate::output::Output;
use crate::stop::Stop;

/// How often the queue looks for what other programs did to the ledger.
const CHECK: Duration = Duration::from_secs(5);
/// The same for a ledger that machines share.
const SHARED_CHECK: Duration = Duration::from_secs(2);
/// How often a ledger is opened again that was of no more use.
const REOPEN: Duration = Duration::from_secs(5);
/// How many files are looked for at once, and how many wait for that.
const MAX_LOOKUPS: usize = 64;

/// Opens the batch of the ledger.
pub(super) type OpenBatch = dyn Fn() -> Result<Batch, LedgerFault> + Send + Sync;

/// Who runs the batch.
pub(super) struct Runner {
    pub(super) queue: Queue,
    pub(super) client: Client,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) stop: Stop,
    pub(super) open: Arc<OpenBatch>,
    pub(super) out: Output,
}

impl Runner {
    /// Runs the batch to its end. If machines share the ledger, a fault that ended the use of it is no end: it is opened again until that
    /// succeeds.
    pub(super) async fn run(self, mut batch: Batch) -> Option<BatchReport> {
        // No URL and no option is in what it shows.
        let mut log = Display::creating(self.out);
        loop {
            self.run_batch(&mut batch, &mut log).await;
            let report = batch.report().cloned();
            // What it holds is free for the next one.
            drop(batch);
            let fault = report.as_ref().and_then(|report| report.fault.clone());
            let Some(fault) = fault.filter(|_| self.queue.is_shared()) else {
                return report;
            };
            self.health.ledger_failed(&fault);
            batch = tokio::select! {
                batch = self.open_again(fault, &mut log) => batch,
                () = self.stop.requested() => return report,
            };
            self.queue.set_batch(batch.handle());
            self.health.ledger_works();
            let _ = log.event(&BatchEvent::LedgerRecovered);
        }
    }

    async fn open_again(&self, mut fault: LedgerFault, log: &mut Display) -> Batch {
        loop {
            sleep(REOPEN).await;
            let open = Arc::clone(&self.open);
            match spawn_blocking(move || open()).await {
                Ok(Ok(batch)) => return batch,
                Ok(Err(new)) if new != fault => {
                    self.health.ledger_failed(&new);
                    let _ = log.event(&BatchEvent::LedgerFailed(new.clone()));
                    fault = new;
                }
                _ => {}
            }
        }
    }

    async fn run_batch(&self, batch: &mut Batch, log: &mut Display) {
        let Runner {
            queue,
            client,
            metrics,
            ..
        } = self;
        let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
        let mut checks = interval(if queue.is_shared() {
            SHARED_CHECK
        } else {
            CHECK
        });
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = batch.next() => event,
                _ = checks.tick() => {
                    let checked = queue.check().await;
                    // The batch uses the same server, and tells when it is away.
                    if !queue.is_shared() {
                        tell_failure(log, checked);
                    }
                    continue;
                }
            };
            let Some(event) = event else {
                return;
            };
            if let BatchEvent::Item {
                key,
                change: ItemChange::Progress(progress),
                ..
            } = &event
            {
                queue.progressed(key, progress);
                continue;
            }
            self.note_health(&event);
            // The service goes on if nobody reads its log.
            let _ = log.event(&event);
            if let BatchEvent::Item { key, change, .. } = &event {
                metrics.count(change);
                let changed = queue.changed(key, notification_of(change)).await;
                let entry = tell_failure(log, changed).flatten();
                if let (ItemChange::Succeeded(_) | ItemChange::Confirmed(_), Some(entry)) =
                    (change, entry)
                {
                    look_up(&lookups, client, queue, entry);
                }
            }
        }
    }

    fn note_health(&self, event: &BatchEvent) {
        match event {
            BatchEvent::LedgerFailed(fault) => self.health.ledger_failed(fault),
            BatchEvent::LedgerRecovered => self.health.ledger_works(),
            BatchEvent::Paused { error, .. } if exit_of(error) == Exit::Credentials => {
                self.health.credentials_rejected();
            }
            _ => {}
        }
    }
}

fn tell_failure<T>(log: &Display, result: Result<T, RpcError>) -> Option<T> {
    result.map_err(|error| log.note(&error.message)).ok()
}

fn notification_of(change: &ItemChange) -> Option<Notification> {
    match change {
        ItemChange::Created(_) => Some(Notification::Start),
        ItemChange::Succeeded(_) | ItemChange::Confirmed(_) => Some(Notification::Complete),
        ItemChange::Failed { .. } | ItemChange::Unconfirmed { .. } => Some(Notification::Error),
        _ => None,
    }
}

/// Looks for the file of a download, to show its name and size; not if many are looked for already.
fn look_up(lookups: &Arc<Semaphore>, client: &Client, queue: &Queue, entry: Entry) {
    let Ok(permit) = Arc::clone(lookups).try_acquire_owned() else {
        return;
    };
    let (client, queue) = (client.clone(), queue.clone());
    tokio::spawn(async move {
        let file = find_file(&client, &entry).await;
        if let Ok(Some(file)) = file {
            // It is shown without otherwise.
            let _ = queue.found(entry.gid, file).await;
        }
        drop(permit);
    });
}

async fn find_file(client: &Client, entry: &Entry) -> Result<Option<FoundFile>, Error> {
    let found = match entry.item.file {
        Some(file) => client.files().detail(file).await?,
        None => match client
            .offline_download()
            .find_file(entry.item.expected_file())
            .await?
        {
            FileLookup::Found { entry, .. } => *entry,
            _ => return Ok(None),
        },
    };
    let (name, size) = (found.name, found.size);
    Ok(Some(FoundFile { name, size }))
}
