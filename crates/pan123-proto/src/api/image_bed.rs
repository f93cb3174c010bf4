//! Offline download into the image bed (图床): the cloud fetches an http(s) URL of a picture into the user's image bed.

mod download;
mod progress;

pub use download::{CreatedImageBedDownload, ImageBedDownload};
pub use progress::GetImageBedProgress;
