//! Requests put together with the builder of the crate `http`: method, URL and the four headers, formatted anew for each call.

use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use serde::Serialize;

pub(crate) const TOKEN: &str = "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmF0dXJl";

pub(crate) fn progress(base: &str, task: u64) -> Request<Bytes> {
    Request::get(format!(
        "{base}/api/v1/offline/download/process?taskID={task}"
    ))
    .header("platform", "open_platform")
    .header(USER_AGENT, "floor/1.0")
    .header(AUTHORIZATION, TOKEN)
    .body(Bytes::new())
    .expect("a request")
}

#[derive(Serialize)]
struct Create<'a> {
    url: &'a str,
    #[serde(rename = "fileName")]
    file_name: &'a str,
    #[serde(rename = "dirID")]
    dir: u64,
    #[serde(rename = "callBackUrl")]
    callback: &'a str,
}

pub(crate) fn create(
    base: &str,
    url: &str,
    name: &str,
    dir: u64,
    callback: &str,
) -> Request<Bytes> {
    let body = Create {
        url,
        file_name: name,
        dir,
        callback,
    };
    let body = serde_json::to_vec(&body).expect("JSON");
    Request::post(format!("{base}/api/v1/offline/download"))
        .header("platform", "open_platform")
        .header(USER_AGENT, "floor/1.0")
        .header(AUTHORIZATION, TOKEN)
        .header(CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("a request")
}
