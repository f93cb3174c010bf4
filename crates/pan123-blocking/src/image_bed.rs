//! Offline download into the image bed.

use pan123_proto::image_bed::{CreatedImageBedDownload, GetImageBedProgress, ImageBedDownload};
use pan123_proto::offline::Progress;
use pan123_proto::{Error, ImageBedTaskId};

use crate::client::Client;

/// Offline download into the image bed (图床): [`Client::image_bed`] returns it.
#[doc(alias = "图床")]
#[derive(Clone, Debug)]
pub struct ImageBed {
    client: Client,
}

impl ImageBed {
    pub(crate) fn new(client: Client) -> ImageBed {
        ImageBed { client }
    }

    /// Creates an offline download of a picture and returns its task. The request is not sent again once it may have arrived.
    ///
    /// # Errors
    ///
    /// [`Error::Ambiguous`] if the task may exist; any other [`Error`] if the call fails.
    #[doc(alias = "离线下载")]
    pub fn download(&self, download: &ImageBedDownload) -> Result<CreatedImageBedDownload, Error> {
        self.client.send(download)
    }

    /// Returns the progress of a task.
    ///
    /// # Errors
    ///
    /// [`Error`] if the call fails.
    #[doc(alias = "进度")]
    pub fn progress(&self, task: ImageBedTaskId) -> Result<Progress, Error> {
        self.client.send(&GetImageBedProgress::new(task))
    }
}
