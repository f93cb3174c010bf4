//! Callbacks are posted.

use std::time::Duration;

use bytes::Bytes;
use http::header;

use super::{Means, agent};
use crate::service::{Delivery, is_loopback};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn post(means: &Means, url: &str, body: &Bytes) -> Delivery {
    if !means.remote && !is_loopback(url) {
        return Delivery::NotLoopback;
    }
    let answer = agent(TIMEOUT, 0)
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .send(body.as_ref());
    match answer {
        Ok(answer) => Delivery::Answered(answer.status().as_u16()),
        Err(error) => Delivery::Failed(error.to_string()),
    }
}
