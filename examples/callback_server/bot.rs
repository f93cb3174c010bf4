//! Saves links into the drive, and hears of their ends by callbacks.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use pan123_async::proto::offline::{CallbackRefusal, CallbackSigner, VerifiedCallback};
use pan123_async::{Client, Download, Downloaded, WatchHandle, WatchPolicy};
use pan123_examples::callback::{Heard, routes};
use tokio::sync::mpsc;

/// Its clones are one bot.
#[derive(Clone)]
pub(crate) struct Bot {
    client: Client,
    signer: CallbackSigner,
    /// What the service is told to post to, before it is signed.
    callback_url: Arc<str>,
    watches: Arc<Mutex<Watches>>,
    policy: WatchPolicy,
    log: mpsc::Sender<Entry>,
}

#[derive(Default)]
struct Watches {
    /// By the id in the callback URL.
    known: HashMap<String, WatchHandle>,
    stopped: bool,
}

/// What became of a request to the receiver.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The watch of this callback's id asks now.
    Nudged(VerifiedCallback),
    /// Nobody watches this callback's id: it is a duplicate, or faster or slower than the watch.
    Unwatched(VerifiedCallback),
    Refused(CallbackRefusal),
}

impl Bot {
    /// With a log of its receiver, of which no more than `entries` wait to be read: strangers write to it, too.
    pub(crate) fn new(
        client: Client,
        signer: CallbackSigner,
        callback_url: &str,
        policy: WatchPolicy,
        entries: usize,
    ) -> (Bot, mpsc::Receiver<Entry>) {
        let (log, read) = mpsc::channel(entries);
        let bot = Bot {
            client,
            signer,
            callback_url: callback_url.into(),
            watches: Arc::default(),
            policy,
            log,
        };
        (bot, read)
    }

    /// The receiver of the callbacks.
    pub(crate) fn routes(&self) -> Router {
        let bot = self.clone();
        routes(self.signer.clone(), move |heard| bot.hear(heard))
    }

    /// Saves a link under an id of the caller's, and follows it to its end. Only the watch says what the end is.
    pub(crate) async fn save(&self, id: &str, url: &str) -> Result<Downloaded, Box<dyn Error>> {
        let callback = self.signer.sign(&self.callback_url, id)?;
        let download = Download::new(url)?.callback(callback)?;
        let offline = self.client.offline_download();
        let task = offline.download(&download).await?;
        let watch = offline.watch_with(task, self.policy.clone());
        // A callback that was faster than this line finds no watch. It need not: a watch begins with a question.
        self.watches().add(id, watch.handle());
        let end = watch.to_end().await;
        self.watches().known.remove(id);
        Ok(end?)
    }

    /// Ends every watch, also those that have yet to begin. The tasks go on at the service.
    pub(crate) fn stop(&self) {
        let mut watches = self.watches();
        watches.stopped = true;
        for watch in watches.known.values() {
            watch.stop();
        }
    }

    fn hear(&self, heard: Heard) {
        let entry = match heard {
            // Whatever the status is: the watch finds out.
            Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) => self.nudge(callback),
            Err(refusal) => Entry::Refused(refusal),
        };
        // What nobody reads in time is not worth waiting for: the sender is to be answered.
        let _ = self.log.try_send(entry);
    }

    fn nudge(&self, callback: VerifiedCallback) -> Entry {
        match self.watches().known.get(&callback.id) {
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
        self.known.insert(id.to_owned(), watch);
    }
}
