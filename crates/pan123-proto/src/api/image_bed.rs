//! Offline download into the image bed (图床): the cloud fetches an image from an http(s) URL into the user's image bed.

mod download;
mod progress;

pub use download::{CreatedImageBedDownload, ImageBedDownload};
pub use progress::GetImageBedProgress;
