//! Offline download into the image bed.

use pan123_proto::Error;

use crate::client::{Client, define_calls};

/// Offline download into the image bed (图床).
#[derive(Clone, Debug)]
pub struct ImageBed {
    client: Client,
}

impl ImageBed {
    pub(crate) fn new(client: Client) -> ImageBed {
        ImageBed { client }
    }
}

pan123_proto::for_each_call_on_the_image_bed!(define_calls, ImageBed);
