//! The queue and the history, as aria2's methods act on them.

mod work;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pan123_async::proto::batch::BatchHandle;
use pan123_async::proto::ledger::{Counts, ItemState, LedgerOp, Refusal, Verdict};
use pan123_async::proto::offline::CallbackSigner;
use pan123_async::{Download, ItemKey, Progress};
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::books::{Books, Shared, lock};
use super::health::Health;
use super::mirror::{Entry, Mirror, REMOVED};
use super::names::{FoundFile, Note};
use super::rpc::{Gid, GidPrefix, Notification, Position, RpcError};
use work::{Removed, add, move_within, remove};

/// How many downloads may wait and run at once.
const MAX_OPEN: usize = 100_000;
/// How many notifications a socket may be behind.
const MAX_NOTIFICATIONS: usize = 1024;

/// How long the batch takes at most to record what a callback told.
const LATE: Duration = Duration::from_secs(3);

/// Signs the URLs at which the service tells of ends.
#[derive(Debug)]
pub(super) struct Callbacks {
    pub(super) signer: CallbackSigner,
    pub(super) url: String,
}

/// The queue. Its clones are the same.
#[derive(Clone)]
pub(super) struct Queue {
    books: Arc<Mutex<Books>>,
    mirror: Shared,
    /// The one that runs: after a fault of the ledger another one does.
    batch: Arc<Mutex<BatchHandle>>,
    callbacks: Option<Arc<Callbacks>>,
    notifications: broadcast::Sender<(Notification, Gid)>,
    health: Arc<Health>,
    is_shared: bool,
}

/// A download to add.
#[derive(Clone, Debug)]
pub(super) struct Addition {
    /// The client's choice.
    pub(super) gid: Option<Gid>,
    pub(super) download: Download,
    pub(super) note: Note,
    pub(super) is_paused: bool,
    /// The place in the queue; none is the last.
    pub(super) place: Option<Position>,
}

impl Queue {
    pub(super) fn new(
        books: Books,
        batch: BatchHandle,
        callbacks: Option<Callbacks>,
        health: Arc<Health>,
    ) -> Queue {
        Queue {
            mirror: Arc::clone(books.mirror()),
            is_shared: books.is_shared(),
            books: Arc::new(Mutex::new(books)),
            batch: Arc::new(Mutex::new(batch)),
            callbacks: callbacks.map(Arc::new),
            notifications: broadcast::Sender::new(MAX_NOTIFICATIONS),
            health,
        }
    }

    /// Whether other replicas work on the ledger, too.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub(super) fn callbacks(&self) -> Option<&Callbacks> {
        self.callbacks.as_deref()
    }

    pub(super) fn batch(&self) -> BatchHandle {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner);
        batch.clone()
    }

    /// Goes on with another batch.
    pub(super) fn set_batch(&self, batch: BatchHandle) {
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = batch;
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<(Notification, Gid)> {
        self.notifications.subscribe()
    }

    /// Looks at the items.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Mirror) -> T) -> T {
        look(&lock(&self.mirror))
    }

    /// Runs what blocks as long as a disk does. Nobody waits for a server that is known to be away.
    async fn with_books<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Books) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        if self.is_shared
            && let Some(trouble) = self.health.ledger_trouble()
        {
            return Err(RpcError::new(trouble));
        }
        let books = Arc::clone(&self.books);
        let work = move || work(&mut books.lock().unwrap_or_else(PoisonError::into_inner));
        let done = spawn_blocking(work).await;
        done.unwrap_or_else(|_| Err(RpcError::new("the service is stopping")))
    }

    /// Tells all sockets, under each name of the download.
    fn notify(&self, notification: Notification, gid: Gid) {
        for name in self.look(|mirror| mirror.names(gid)) {
            // There may be no socket.
            let _ = self.notifications.send((notification, name));
        }
    }

    // What clients do.

    /// Adds a download, and returns its GID. While one like it is unconfirmed, the GID is another name of that one, and nothing is sent.
    pub(super) async fn add(&self, addition: Addition) -> Result<Gid, RpcError> {
        let callbacks = self.callbacks.clone();
        let (gid, is_alias) = self
            .with_books(move |books| add(books, callbacks.as_deref(), addition))
            .await?;
        if is_alias {
            let _ = self.notifications.send((Notification::Error, gid));
        } else {
            self.batch().claim();
        }
        Ok(gid)
    }

    pub(super) async fn pause(&self, gid: GidPrefix) -> Result<Gid, RpcError> {
        let changed = self.with_books(move |books| {
            let (name, entry) = books.find(&gid)?;
            let refused = match entry.state() {
                ItemState::Queued | ItemState::Claimed | ItemState::Intended => {
                    books.change(&entry, LedgerOp::Pause(entry.key().clone()))?
                }
                state => Some(Refusal::State(state)),
            };
            match refused {
                None => Ok((name, entry.gid)),
                Some(Refusal::State(ItemState::Paused)) => {
                    Err(RpcError::new(format!("GID#{name} cannot be paused now")))
                }
                Some(_) => Err(RpcError::new(format!(
                    "GID#{name} cannot be paused now: 123pan has no pause"
                ))),
            }
        });
        let (name, gid) = changed.await?;
        self.notify(Notification::Pause, gid);
        Ok(name)
    }

    pub(super) async fn unpause(&self, gid: GidPrefix) -> Result<Gid, RpcError> {
        let changed = self.with_books(move |books| {
            let (name, entry) = books.find(&gid)?;
            let refused = match entry.state() {
                ItemState::Paused => books.change(&entry, LedgerOp::Resume(entry.key().clone()))?,
                state => Some(Refusal::State(state)),
            };
            match refused {
                None => Ok(name),
                Some(_) => Err(RpcError::new(format!("GID#{name} cannot be unpaused now"))),
            }
        });
        let name = changed.await?;
        self.batch().claim();
        Ok(name)
    }

    /// Pauses all that is queued, or queues all that is paused.
    pub(super) async fn pause_all(&self, pauses: bool) -> Result<(), RpcError> {
        let from = if pauses {
            ItemState::Queued
        } else {
            ItemState::Paused
        };
        let changed = self.with_books(move |books| {
            books.read_queue()?;
            let entries: Vec<Entry> = {
                let mirror = lock(books.mirror());
                mirror
                    .queue()
                    .filter(|entry| entry.state() == from)
                    .cloned()
                    .collect()
            };
            books.change_all(&entries, |entry| {
                let key = entry.key().clone();
                if pauses {
                    LedgerOp::Pause(key)
                } else {
                    LedgerOp::Resume(key)
                }
            })
        });
        let changed = changed.await?;
        if pauses {
            for gid in changed {
                self.notify(Notification::Pause, gid);
            }
        } else {
            self.batch().claim();
        }
        Ok(())
    }

    /// Removes what is not sent. With `force`, what is sent is no longer followed.
    pub(super) async fn remove(&self, gid: GidPrefix, force: bool) -> Result<Gid, RpcError> {
        let removed = self.with_books(move |books| remove(books, &gid, force));
        let Removed { name, names, key } = removed.await?;
        self.batch().leave(key);
        for name in names {
            let _ = self.notifications.send((Notification::Stop, name));
        }
        Ok(name)
    }

    /// Leaves a stopped download out of lists. An unconfirmed one stays unconfirmed.
    pub(super) async fn remove_result(&self, gid: GidPrefix) -> Result<(), RpcError> {
        self.with_books(move |books| {
            let (name, entry) = books.find(&gid)?;
            let listed = lock(books.mirror()).names(entry.gid).first().copied();
            let refused = match entry.state() {
                _ if !entry.status().is_stopped() => true,
                // The download is in the lists under a later name.
                _ if listed != Some(name) => false,
                ItemState::Unconfirmed => {
                    let note = Note {
                        hidden: true,
                        ..lock(books.mirror()).note(entry.gid)
                    };
                    books.set_note(entry.gid, note)?;
                    false
                }
                _ => books.hide(&entry)?.is_some(),
            };
            if refused {
                return Err(RpcError::new(format!(
                    "Could not remove download result of GID#{name}"
                )));
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn purge(&self) -> Result<(), RpcError> {
        self.with_books(Books::hide_ended).await
    }

    /// Moves a download within the queue, and returns its new place.
    pub(super) async fn move_to(
        &self,
        gid: GidPrefix,
        position: Position,
    ) -> Result<usize, RpcError> {
        self.with_books(move |books| {
            books.read_queue()?;
            let (name, entry) = books.find(&gid)?;
            let moved = move_within(books, entry.gid, position)?;
            moved
                .ok_or_else(|| RpcError::new(format!("GID#{name} not found in the waiting queue.")))
        })
        .await
    }

    /// Changes what is downloaded, until it is sent.
    pub(super) async fn edit(
        &self,
        gid: GidPrefix,
        edit: impl FnOnce(&Download, Note) -> Result<(Download, Note), RpcError> + Send + 'static,
    ) -> Result<(), RpcError> {
        self.with_books(move |books| {
            let (name, entry) = books.find(&gid)?;
            let refused = || {
                RpcError::new(format!(
                    "Cannot change option for GID#{name}: it is {}",
                    entry.state()
                ))
            };
            if !matches!(entry.state(), ItemState::Queued | ItemState::Paused) {
                return Err(refused());
            }
            let note = lock(books.mirror()).note(entry.gid);
            let (download, note) = edit(&entry.item.download, note)?;
            let op = LedgerOp::Edit(entry.key().clone(), Box::new(download));
            if books.change(&entry, op)?.is_some() {
                return Err(refused());
            }
            books.set_note(entry.gid, note)
        })
        .await
    }

    /// Settles an unconfirmed download.
    pub(super) async fn settle(&self, gid: GidPrefix, verdict: Verdict) -> Result<(), RpcError> {
        let settled = self.with_books(move |books| {
            let (name, entry) = books.find(&gid)?;
            let key = entry.key().clone();
            match books.change(&entry, LedgerOp::Settle { key, verdict })? {
                None => Ok(entry.gid),
                Some(refusal) => Err(RpcError::new(format!(
                    "GID#{name} cannot be settled so: {refusal}"
                ))),
            }
        });
        let gid = settled.await?;
        match verdict {
            Verdict::Found(_) => self.notify(Notification::Complete, gid),
            Verdict::Drop => self.notify(Notification::Stop, gid),
            _ => self.batch().claim(),
        }
        Ok(())
    }

    // What the batch tells.

    /// Takes an item as it is now, and tells the sockets. Returns it.
    pub(super) async fn changed(
        &self,
        key: &ItemKey,
        notification: Option<Notification>,
    ) -> Result<Option<Entry>, RpcError> {
        let gid = Gid::of_key(key);
        let (entry, news) = self
            .with_books(move |books| Ok((books.read_again(gid)?, books.take_news())))
            .await?;
        if self.is_shared {
            self.tell(news);
            return Ok(entry);
        }
        // One that a client removed is no news any more.
        if let (Some(notification), Some(entry)) = (notification, &entry)
            && entry.item.reason.as_deref() != Some(REMOVED)
        {
            self.notify(notification, entry.gid);
        }
        Ok(entry)
    }

    /// Takes what a callback told of an item that may have ended already, which is no event of the batch.
    pub(super) fn told(&self, key: ItemKey) {
        let queue = self.clone();
        tokio::spawn(async move {
            sleep(LATE).await;
            // It is shown without otherwise.
            let _ = queue.changed(&key, None).await;
        });
    }

    pub(super) fn progressed(&self, key: &ItemKey, progress: &Progress) {
        lock(&self.mirror).set_progress(Gid::of_key(key), progress);
    }

    pub(super) async fn found(&self, gid: Gid, file: FoundFile) -> Result<(), RpcError> {
        self.with_books(move |books| books.set_file(gid, file))
            .await
    }

    /// Returns the totals of the ledger.
    pub(super) async fn counts(&self) -> Result<Counts, RpcError> {
        self.with_books(|books| Ok(books.counts()?)).await
    }

    /// Looks for what other programs did to the ledger.
    pub(super) async fn check(&self) -> Result<(), RpcError> {
        let checked = self.with_books(|books| {
            books.check()?;
            Ok(books.take_news())
        });
        self.tell(checked.await?);
        Ok(())
    }

    /// Reads the item of a GID if another replica may have changed it. While the ledger is away, what is known of it counts.
    pub(super) async fn refresh(&self, gid: GidPrefix) {
        if self.is_shared {
            let read = self.with_books(move |books| {
                books.read_others(&gid)?;
                Ok(books.take_news())
            });
            if let Ok(news) = read.await {
                self.tell(news);
            }
        }
    }

    fn tell(&self, news: Vec<(Notification, Gid)>) {
        for (notification, gid) in news {
            self.notify(notification, gid);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}
