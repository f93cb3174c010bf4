//! The endpoints of offline download (离线下载): the cloud fetches an http(s) URL into the user's drive.

mod download;
mod progress;

pub use download::{CreatedDownload, Download};
pub use progress::GetDownloadProgress;
