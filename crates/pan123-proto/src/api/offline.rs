//! Offline download (离线下载): the cloud fetches an http(s) URL into the user's drive.

mod callback;
mod download;
mod progress;
mod watch;

pub use callback::{CallbackError, CallbackNotice, CallbackOutcome};
pub use download::{CreatedDownload, Download};
pub use progress::{DownloadProgress, Progress, TaskStatus};
pub use watch::{Downloaded, Watch, WatchError, WatchEvent, WatchHandle, WatchPolicy, WatchToEnd};
