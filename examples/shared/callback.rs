//! Receives callbacks on signed URLs.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use pan123_async::proto::offline::{CallbackRefusal, CallbackSigner, VerifiedCallback};

/// A verified callback, or the reason why a request was refused.
pub type Received = Result<VerifiedCallback, CallbackRefusal>;

struct Receiver<F> {
    signer: CallbackSigner,
    on_request: F,
}

/// Returns a router that accepts callbacks on any path, since only the tag in the query counts. It calls `on_request` for each request,
/// also for the refused ones. `on_request` must return quickly: the service gets its response afterwards, and how long it waits is
/// not documented.
pub fn routes(
    signer: CallbackSigner,
    on_request: impl Fn(Received) + Send + Sync + 'static,
) -> Router {
    Router::new()
        .fallback(receive)
        .layer(DefaultBodyLimit::max(CallbackSigner::MAX_BODY_BYTES))
        .with_state(Arc::new(Receiver { signer, on_request }))
}

/// Responds to every refused request in the same way, whatever the reason.
async fn receive<F: Fn(Received)>(
    State(receiver): State<Arc<Receiver<F>>>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let signer = &receiver.signer;
    let result = match body {
        Ok(body) => signer.verify(&Request::from_parts(parts, body)),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let id = signer.verify_head(&parts.method, &parts.uri);
            id.and_then(|id| Err(CallbackRefusal::BodyTooLong { id }))
        }
        // The body broke off, so there is nothing to report.
        Err(_) => return CallbackRefusal::STATUS,
    };
    let status = match result {
        Ok(_) => StatusCode::OK,
        Err(_) => CallbackRefusal::STATUS,
    };
    (receiver.on_request)(result);
    status
}
