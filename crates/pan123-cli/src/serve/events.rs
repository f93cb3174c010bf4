//! What the batch tells, for the queue and the log.

use std::sync::Arc;
use std::time::Duration;

use pan123_async::proto::batch::{BatchEvent, BatchReport, ItemChange};
use pan123_async::proto::offline::FileLookup;
use pan123_async::{Batch, Client, Error};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use super::metrics::Metrics;
use super::mirror::Entry;
use super::names::FoundFile;
use super::queue::Queue;
use super::rpc::{Notification, RpcError};
use crate::display::Display;
use crate::output::Output;

/// How often the queue looks for what other programs did to the ledger.
const CHECK: Duration = Duration::from_secs(5);
/// How many files are looked for at once, and how many wait for that.
const MAX_LOOKUPS: usize = 64;

/// Runs the batch to its end.
pub(super) async fn run(
    mut batch: Batch,
    queue: Queue,
    client: Client,
    metrics: Arc<Metrics>,
    out: Output,
) -> Option<BatchReport> {
    // No URL and no option is in what it shows.
    let mut log = Display::creating(out);
    let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
    let mut checks = interval(CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = batch.next() => event,
            _ = checks.tick() => {
                tell_failure(&log, queue.check().await);
                continue;
            }
        };
        let Some(event) = event else {
            return batch.report().cloned();
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
        // The service goes on if nobody reads its log.
        let _ = log.event(&event);
        if let BatchEvent::Item { key, change, .. } = &event {
            metrics.count(change);
            let changed = queue.changed(key, notification_of(change)).await;
            let entry = tell_failure(&log, changed).flatten();
            if let (ItemChange::Succeeded(_) | ItemChange::Confirmed(_), Some(entry)) =
                (change, entry)
            {
                look_up(&lookups, &client, &queue, entry);
            }
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
