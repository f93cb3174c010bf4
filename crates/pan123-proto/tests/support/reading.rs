//! Bodies decoded as the response of an endpoint, without retries.

use std::fmt::Debug;

use pan123_proto::access_token::{IssueToken, IssuedToken};
use pan123_proto::offline::{CreatedDownload, Progress};
use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{Endpoint, Error, Input, Machine, RetryPolicy};

use super::{at, download, fixed, hand, progress, secs};

/// Decodes this body, under HTTP 200, as the response of an endpoint.
pub(crate) fn read<E: Endpoint>(endpoint: &E, body: &str) -> Result<E::Response, Error>
where
    E::Response: Debug,
{
    read_with(endpoint, hand::answer(200, body))
}

pub(crate) fn read_with<E: Endpoint>(endpoint: &E, answer: Input) -> Result<E::Response, Error>
where
    E::Response: Debug,
{
    let call = fixed().call(endpoint).expect("a good request");
    let mut call = call.retry(RetryPolicy::none());
    hand::transmit(call.resume(at(secs(0)), Input::Wake));
    // An hour later, so that `Retry-After` dates can lie in the past.
    hand::ready(call.resume(at(secs(3600)), answer))
}

pub(crate) fn token(body: &str) -> Result<IssuedToken, Error> {
    read(&IssueToken::new("id", "secret"), body)
}

pub(crate) fn user(body: &str) -> Result<UserInfo, Error> {
    read(&GetUserInfo, body)
}

pub(crate) fn created(body: &str) -> Result<CreatedDownload, Error> {
    read(&download(), body)
}

pub(crate) fn polled(body: &str) -> Result<Progress, Error> {
    read(&progress(), body)
}
