//! Offline download (离线下载): the cloud fetches an http(s) URL into the user's drive.

mod callback;
mod download;
mod landing;
mod progress;
#[cfg(feature = "callback-signing")]
mod signing;
mod target;
mod watch;

pub use callback::{CallbackError, CallbackNotice, CallbackOutcome};
pub use download::{CreatedDownload, Download};
pub use landing::{FileLookup, FindFile};
pub use progress::{GetDownloadProgress, Progress, TaskStatus};
#[cfg(feature = "callback-signing")]
pub use signing::{CallbackKey, CallbackRefusal, CallbackSigner, VerifiedCallback};
pub use target::ExpectedFile;
pub use watch::{Downloaded, Watch, WatchError, WatchEvent, WatchHandle, WatchPolicy, WatchToEnd};
