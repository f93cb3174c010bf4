//! `POST /api/v1/oss/offline/download`, `GET /api/v1/oss/offline/download/process`: offline downloads to the image bed (图床).

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use super::EndpointResult;
use super::offline::{progress_response, source_url};
use crate::service::Service;
use crate::service::args::{FAILURE, invalid};
use crate::service::drive::is_image;
use crate::service::response::ApiResponse;
use crate::service::tasks::{Destination, Download, Storage};

/// The only documented `type`.
const TYPE: u64 = 1;

const KEYS: [&str; 5] = ["url", "type", "fileName", "businessDirID", "callBackUrl"];

impl Service {
    pub(super) fn image_download(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let args = self.body(request, &KEYS)?;
        let url = source_url(args.string("url")?)?;
        if args.number("type")? != Some(TYPE) {
            return Err(invalid("type"));
        }
        let file_name = args.string("fileName")?;
        if file_name.as_deref().is_some_and(|name| !is_image(name)) {
            return Err(ApiResponse::error(FAILURE, "fileName不是图片格式"));
        }
        let download = Download {
            url,
            file_name,
            destination: Destination::ImageBed(args.string("businessDirID")?),
            callback_url: args.string("callBackUrl")?,
        };
        self.create_task(now, download)
    }

    pub(super) fn image_progress(
        &mut self,
        now: SystemTime,
        request: &Request<Bytes>,
    ) -> EndpointResult {
        let step = self.poll_task(now, request, Storage::ImageBed)?;
        // A whole number, unlike the drive's.
        Ok(progress_response(step.percent.floor(), step.status))
    }
}
