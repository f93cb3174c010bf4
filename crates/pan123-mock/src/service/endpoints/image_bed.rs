//! `POST /api/v1/oss/offline/download`, `GET /api/v1/oss/offline/download/process`: the offline download of the image bed (图床).

use std::time::SystemTime;

use bytes::Bytes;
use http::Request;

use super::Judged;
use super::offline::{source, told};
use crate::service::Service;
use crate::service::answer::Answer;
use crate::service::args::{FAILURE, wrong};
use crate::service::drive::is_image;
use crate::service::tasks::{Download, Place, Target};

/// The only `type` that there is.
const TYPE: u64 = 1;

const KEYS: [&str; 5] = ["url", "type", "fileName", "businessDirID", "callBackUrl"];

impl Service {
    pub(super) fn image_download(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let args = self.body(request, &KEYS)?;
        let url = source(args.string("url")?)?;
        if args.number("type")? != Some(TYPE) {
            return Err(wrong("type"));
        }
        let file_name = args.string("fileName")?;
        if file_name.as_deref().is_some_and(|name| !is_image(name)) {
            return Err(Answer::refused(FAILURE, "fileName不是图片格式"));
        }
        let asked = Download {
            url,
            file_name,
            target: Target::ImageBed(args.string("businessDirID")?),
            callback_url: args.string("callBackUrl")?,
        };
        self.create_task(now, asked)
    }

    pub(super) fn image_progress(&mut self, now: SystemTime, request: &Request<Bytes>) -> Judged {
        let step = self.polled(now, request, Place::ImageBed)?;
        // Whole, in contrast to that of the drive.
        Ok(told(step.percent.floor(), step.status))
    }
}
