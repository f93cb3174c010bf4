//! Adds an endpoint that the SDK does not have: the direct link (直链) of a file. It gets tokens, rate limits and retries like any
//! other endpoint. The service is the mock, with a canned response.

use std::time::Duration;

use pan123_async::proto::{Endpoint, Idempotency, Query, RateClass, http::Method};
use pan123_async::{Client, FileId};
use pan123_examples::println;
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, CannedResponse, MockPan123, http::StatusCode};
use serde::Deserialize;

struct GetDirectLink(FileId);

#[derive(Deserialize)]
struct DirectLink {
    url: String,
}

impl Endpoint for GetDirectLink {
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/api/v1/direct-link/url";
    const RATE: RateClass = RateClass::new("direct-link/url", Duration::from_millis(200));
    // `NonIdempotent` if a repeated request would repeat the work.
    const IDEMPOTENCY: Idempotency = Idempotency::Idempotent;
    // The `data` of the response.
    type Response = DirectLink;

    fn query(&self, query: &mut Query) {
        query.push("fileID", self.0);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mock = MockPan123::start().await;
    let body = r#"{"code":0,"message":"ok","data":{"url":"https://example.com/7/film.mp4"}}"#;
    mock.respond_next(
        GetDirectLink::PATH,
        CannedResponse::raw(StatusCode::OK, body),
    );
    let client = Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .build()?;

    let link = client.send(&GetDirectLink(FileId::new(7)?)).await?;
    println!("{}", link.url);
    Ok(())
}
