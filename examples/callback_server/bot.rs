//! Saves links into the drive, and learns of their ends from callbacks.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use pan123_async::proto::offline::{CallbackRefusal, CallbackSigner, VerifiedCallback};
use pan123_async::{Client, Download, Downloaded, WatchHandle, WatchPolicy};
use pan123_examples::callback::{Received, routes};
use tokio::sync::mpsc;

/// A bot. Its clones share all state.
#[derive(Clone)]
pub(crate) struct Bot {
    client: Client,
    signer: CallbackSigner,
    /// The public URL for callbacks, before it is signed.
    callback_url: Arc<str>,
    watches: Arc<Mutex<Watches>>,
    policy: WatchPolicy,
    log: mpsc::Sender<Entry>,
}

#[derive(Default)]
struct Watches {
    /// By the id in the callback URL.
    by_id: HashMap<String, WatchHandle>,
    stopped: bool,
}

/// What happened to a request to the receiver.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The watch of this callback's id polls at once.
    Nudged(VerifiedCallback),
    /// There is no watch of this callback's id: it is a duplicate, or came before the watch began or after it ended.
    Unwatched(VerifiedCallback),
    /// A watch is nudged all the same if only the body could not be read.
    Refused(CallbackRefusal),
}

impl Bot {
    /// Creates a bot and the log of its receiver. The log holds at most `entries` unread entries, since anyone can cause entries.
    pub(crate) fn new(
        client: Client,
        signer: CallbackSigner,
        callback_url: &str,
        policy: WatchPolicy,
        entries: usize,
    ) -> (Bot, mpsc::Receiver<Entry>) {
        let (log, log_entries) = mpsc::channel(entries);
        let bot = Bot {
            client,
            signer,
            callback_url: callback_url.into(),
            watches: Arc::default(),
            policy,
            log,
        };
        (bot, log_entries)
    }

    /// Returns the router that receives the callbacks.
    pub(crate) fn routes(&self) -> Router {
        let bot = self.clone();
        routes(self.signer.clone(), move |received| {
            bot.on_request(received);
        })
    }

    /// Saves a link under this id, and follows the task to its end. How it ended is decided by the watch, not by a callback.
    pub(crate) async fn save(&self, id: &str, url: &str) -> Result<Downloaded, Box<dyn Error>> {
        let callback = self.signer.sign(&self.callback_url, id)?;
        let download = Download::new(url)?.callback(callback)?;
        let offline = self.client.offline_download();
        let task = offline.download(&download).await?;
        let watch = offline.watch_with(task, self.policy.clone());
        // A callback that came before this line found no watch. Nothing is lost, since a watch begins with a poll.
        self.watches().add(id, watch.handle());
        let end = watch.to_end().await;
        self.watches().by_id.remove(id);
        Ok(end?)
    }

    /// Stops all watches, also those that are yet to begin. The tasks continue at the service.
    pub(crate) fn stop(&self) {
        let mut watches = self.watches();
        watches.stopped = true;
        for watch in watches.by_id.values() {
            watch.stop();
        }
    }

    fn on_request(&self, received: Received) {
        let entry = match received {
            // With any status: the watch asks the service how the task ended.
            Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) => self.nudge(callback),
            Err(refusal) => {
                // A body that cannot be read may have been the service's, if the URL is ours.
                if let Some(id) = refusal.id()
                    && let Some(watch) = self.watches().by_id.get(id)
                {
                    watch.nudge();
                }
                Entry::Refused(refusal)
            }
        };
        // An entry that does not fit is dropped: the sender must not wait for the log.
        let _ = self.log.try_send(entry);
    }

    fn nudge(&self, callback: VerifiedCallback) -> Entry {
        match self.watches().by_id.get(&callback.id) {
            Some(watch) => {
                watch.notify(&callback.notice);
                Entry::Nudged(callback)
            }
            None => Entry::Unwatched(callback),
        }
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watches {
    fn add(&mut self, id: &str, watch: WatchHandle) {
        if self.stopped {
            watch.stop();
        }
        self.by_id.insert(id.to_owned(), watch);
    }
}
