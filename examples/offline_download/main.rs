//! Downloads a URL into the drive and follows the task to its end, with a progress bar and the callback.
//!
//! Without settings it runs against a mock of the service, which downloads a file from a server on loopback. Against the real
//! service:
//!
//! ```text
//! PAN123_CLIENT_ID=… PAN123_CLIENT_SECRET=… cargo run --example offline_download -- https://example.com/video.mp4 [NAME]
//! ```
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PAN123_CLIENT_ID`, `PAN123_CLIENT_SECRET` | the developer's credentials |
//! | `PAN123_ACCESS_TOKEN` | an access token instead |
//! | `PAN123_BASE_URL` | the base URL of another server |
//! | `PAN123_TOKEN_FILE` | the file that stores the token between runs |
//! | `PAN123_DIR` | the folder to save to, as a path such as `/videos/2026`; missing folders are created |
//! | `PAN123_DIR_ID` | the id of the folder to save to, instead |
//! | `PAN123_CALLBACK_URL` | the public URL for the callback, which this program signs; must lead to `PAN123_CALLBACK_LISTEN` |
//! | `PAN123_CALLBACK_LISTEN` | the address to receive the callback on, by default `127.0.0.1:8787` |

mod bar;
mod callback;
mod settings;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use pan123_async::proto::offline::{CallbackNotice, CallbackOutcome, FoundBy};
use pan123_async::{Download, Downloaded, ExpectedFile, FileLookup, Watch, WatchError, WatchEvent};
use pan123_examples::demo::Demo;
use pan123_examples::{eprintln, exit_code, one_line, println};

use crate::bar::Bar;
use crate::callback::Callbacks;
use crate::settings::{Job, Plan, USAGE};

/// How long to wait for the callback after the task has ended.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run().await)
}

async fn run() -> Result<(), Box<dyn Error>> {
    match Plan::read().await? {
        Plan::Help => {
            println!("{USAGE}");
            Ok(())
        }
        Plan::Real(job) => download(*job).await,
        Plan::Demo => {
            let demo = Demo::start().await?;
            download(Job::of(&demo).await?).await
        }
    }
}

async fn download(job: Job) -> Result<(), Box<dyn Error>> {
    let callbacks = job.listen.map(Callbacks::receive);
    let offline = job.client.offline_download();
    let expected = ExpectedFile::of(&job.download, SystemTime::now());
    let task = offline.download(&job.download).await?;
    println!("task {task} was created");
    if let Some(fault) = job.client.session().token_store_fault() {
        eprintln!("warning: {}", one_line(&fault));
    }

    let mut ending = Ending::default();
    let watch = offline.watch(task);
    let result = follow(watch, expected, callbacks.as_ref(), &mut ending).await;
    let ended = matches!(result, Ok(_) | Err(WatchError::DownloadFailed { .. }));
    if let (true, None, Some(callbacks)) = (ended, &ending.notice, &callbacks) {
        let notice = tokio::time::timeout(CALLBACK_TIMEOUT, callbacks.next()).await;
        ending.notice = notice.ok().flatten();
    }
    match result {
        Ok(done) => {
            println!("{}", ending.success(&done, &job.download));
            Ok(())
        }
        Err(error) => Err(ending.failure(error)),
    }
}

/// Shows the events of the watch up to its end, then looks for the file. A callback proves nothing: it only makes the watch poll at
/// once.
async fn follow(
    mut watch: Watch,
    expected: ExpectedFile,
    callbacks: Option<&Callbacks>,
    ending: &mut Ending,
) -> Result<Downloaded, WatchError> {
    let bar = Bar::new();
    let handle = watch.handle();
    loop {
        let event = tokio::select! {
            event = watch.next() => event,
            notice = callback::next_of(callbacks), if ending.notice.is_none() => {
                bar.note("received the callback");
                match &notice {
                    Some(notice) => handle.notify(notice),
                    None => handle.nudge(),
                }
                ending.notice = notice;
                continue;
            }
        };
        match event {
            Some(Ok(WatchEvent::Progress(progress))) => bar.show(progress),
            Some(Ok(WatchEvent::PollFailed(error))) => bar.note(&one_line(&error)),
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                bar.finish();
                return Err(error);
            }
            None => break,
        }
    }
    bar.finish();
    watch.to_file(expected).await
}

/// What the callback says about the end.
#[derive(Default)]
struct Ending {
    notice: Option<CallbackNotice>,
}

impl Ending {
    fn success(&self, done: &Downloaded, download: &Download) -> String {
        let file = match (self.outcome(), &done.file) {
            (_, FileLookup::Found { entry, by }) => {
                let how = how_found(*by);
                format!("file id {}, found by {how}: {:?}", entry.id, entry.name)
            }
            (_, FileLookup::Hint(id))
            | (Some(CallbackOutcome::Succeeded { file: Some(id), .. }), _) => {
                format!("file id {id}, according to the callback")
            }
            _ => format!("look for its file in {}", folder(download)),
        };
        format!("task {} succeeded: {file}", done.task)
    }

    fn failure(&self, error: WatchError) -> Box<dyn Error> {
        match self.outcome() {
            Some(CallbackOutcome::Failed {
                reason: Some(reason),
                ..
            }) => format!("{}; the callback says: {reason}", one_line(&error)).into(),
            _ => error.into(),
        }
    }

    fn outcome(&self) -> Option<&CallbackOutcome> {
        self.notice.as_ref().map(|notice| &notice.outcome)
    }
}

fn how_found(by: FoundBy) -> &'static str {
    match by {
        FoundBy::Id => "the callback",
        FoundBy::RequestedName => "its name",
        FoundBy::GuessedName => "the name in the URL",
        FoundBy::Time => "its time only",
        _ => "other means",
    }
}

fn folder(download: &Download) -> String {
    download.dir().map_or_else(
        || "the folder `来自:离线下载`".to_owned(),
        |dir| format!("the folder with id {dir}"),
    )
}
