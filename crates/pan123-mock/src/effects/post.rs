//! Posts callbacks.

use std::time::Duration;

use bytes::Bytes;
use http::header;

use super::{NetworkSettings, agent};
use crate::service::{Delivery, is_loopback};

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn post(network: &NetworkSettings, url: &str, body: &Bytes) -> Delivery {
    if !network.remote && !is_loopback(url) {
        return Delivery::NotLoopback;
    }
    let response = agent(TIMEOUT, 0)
        .post(url)
        .header(header::CONTENT_TYPE, "application/json")
        .send(body.as_ref());
    match response {
        Ok(response) => Delivery::Responded(response.status().as_u16()),
        Err(error) => Delivery::Failed(error.to_string()),
    }
}
