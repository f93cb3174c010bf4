//! The receiver of callbacks on signed URLs.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use pan123_async::proto::offline::{CallbackRefusal, CallbackSigner, VerifiedCallback};

/// What came in on a callback URL.
pub type Heard = Result<VerifiedCallback, CallbackRefusal>;

struct Receiver<F> {
    signer: CallbackSigner,
    hear: F,
}

/// Takes callbacks on any path, for the tag in the query is what counts. `hear` is told of each, also of those that were refused, and
/// must not take its time: the service is answered after it, and nobody knows how long the service waits.
pub fn routes(signer: CallbackSigner, hear: impl Fn(Heard) + Send + Sync + 'static) -> Router {
    Router::new()
        .fallback(take)
        .layer(DefaultBodyLimit::max(CallbackSigner::MAX_BODY_BYTES))
        .with_state(Arc::new(Receiver { signer, hear }))
}

/// One answer for all that is refused, whatever the reason.
async fn take<F: Fn(Heard)>(
    State(receiver): State<Arc<Receiver<F>>>,
    parts: Parts,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let heard = match body {
        Ok(body) => receiver.signer.verify(&Request::from_parts(parts, body)),
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(CallbackRefusal::BodyTooLong)
        }
        // It never came whole: there is nobody left to answer, and nothing to tell.
        Err(_) => return CallbackRefusal::STATUS,
    };
    let status = match heard {
        Ok(_) => StatusCode::OK,
        Err(_) => CallbackRefusal::STATUS,
    };
    (receiver.hear)(heard);
    status
}
