//! What is served over HTTP: calls, sockets, callbacks, the state of health and the files of a page.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::http;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pan123_async::ItemKey;
use pan123_async::proto::offline::{CallbackRefusal, CallbackSigner};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::gate::{Admission, Gate};
use super::health::Health;
use super::metrics::Metrics;
use super::rpc::parse_query;
use super::service::{Reply, Service};
use super::site::{Site, StaticFile};
use super::socket;

/// The path of calls and sockets.
const RPC: &str = "/jsonrpc";
/// The maximum length of a request body and of a message of a socket.
pub(super) const MAX_BODY: usize = 2 << 20;
/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// What the built-in page may load and call: this service, and nothing else.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How many sockets are open at once.
const MAX_SOCKETS: usize = 256;

const PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// All that requests reach.
#[derive(Debug)]
pub(super) struct Web {
    pub(super) service: Service,
    gate: Gate,
    site: Site,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    sockets: Arc<Semaphore>,
    /// Whether sockets are to end.
    closing: watch::Receiver<bool>,
}

impl Web {
    pub(super) fn new(
        service: Service,
        gate: Gate,
        site: Site,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        closing: watch::Receiver<bool>,
    ) -> Web {
        Web {
            service,
            gate,
            site,
            metrics,
            health,
            sockets: Arc::new(Semaphore::new(MAX_SOCKETS)),
            closing,
        }
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.clone()
    }
}

/// Answers a request.
pub(super) async fn handle(web: Arc<Web>, request: Request) -> Response {
    match web.gate.admit(request.uri(), request.headers()) {
        Admission::Callback => take_callback(&web, request).await,
        Admission::NotFound => StatusCode::NOT_FOUND.into_response(),
        Admission::Refused(why) => (StatusCode::FORBIDDEN, why).into_response(),
        Admission::Open { allow_origin } => {
            let mut response = open(&web, request).await;
            let headers = response.headers_mut();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            if let Some(origin) = allow_origin.and_then(|origin| HeaderValue::try_from(origin).ok())
            {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
                headers.insert(header::VARY, HeaderValue::from_static("Origin"));
            }
            response
        }
    }
}

async fn open(web: &Arc<Web>, request: Request) -> Response {
    let method = request.method().clone();
    match (request.uri().path(), method) {
        (RPC, Method::POST) => match body_of(request, MAX_BODY).await {
            Ok(body) => rpc_response(web.service.answer(&body).await),
            Err(status) => status.into_response(),
        },
        (RPC, Method::GET) => get_rpc(web, request).await,
        (RPC, Method::OPTIONS) => preflight(&request),
        ("/metrics", Method::GET) => metrics(web, request.headers()).await,
        ("/healthz", Method::GET | Method::HEAD) => health(web),
        (path, Method::GET | Method::HEAD) if path != RPC => match web.site.file(path).await {
            Some(file) => file_response(file, matches!(web.site, Site::BuiltIn)),
            None => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn health(web: &Web) -> Response {
    match web.health.troubles() {
        None => "ok\n".into_response(),
        Some(troubles) => {
            let content_type = [(header::CONTENT_TYPE, "application/json")];
            let body = format!("{troubles}\n");
            (StatusCode::SERVICE_UNAVAILABLE, content_type, body).into_response()
        }
    }
}

/// Metrics are for those who know the secret, as a bearer token.
async fn metrics(web: &Web, headers: &HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let service = &web.service;
    if !service.guard.accepts(given.unwrap_or_default().trim()) {
        service.guard.penalty().await;
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    match service.queue.counts().await {
        Ok(counts) => {
            let sockets = MAX_SOCKETS - web.sockets.available_permits();
            let text = web.metrics.text(&counts, sockets, Instant::now());
            let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            (content_type, text).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.message).into_response(),
    }
}

/// A socket, or a call in the query.
async fn get_rpc(web: &Arc<Web>, request: Request) -> Response {
    if !request.headers().contains_key(header::UPGRADE) {
        let message = parse_query(request.uri().query().unwrap_or_default());
        return rpc_response(web.service.answer_message(message).await);
    }
    let Ok(permit) = Arc::clone(&web.sockets).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many sockets are open").into_response();
    };
    let (mut parts, _): (Parts, Body) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, web).await {
        Ok(upgrade) => upgrade,
        Err(refusal) => return refusal.into_response(),
    };
    let web = Arc::clone(web);
    upgrade
        .max_message_size(MAX_BODY)
        .max_frame_size(MAX_BODY)
        .on_upgrade(move |socket| async move {
            socket::run(socket, &web).await;
            drop(permit);
        })
}

fn rpc_response(Reply { status, body }: Reply) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = [(header::CONTENT_TYPE, "application/json-rpc")];
    (status, content_type, body.to_string()).into_response()
}

/// Answers a browser that asks before it calls. Whether the origin may call is decided by the gate.
fn preflight(request: &Request) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        fixed("POST, GET, OPTIONS"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, fixed("1728000"));
    if let Some(asked) = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    if request
        .headers()
        .contains_key("access-control-request-private-network")
    {
        headers.insert(PRIVATE_NETWORK, fixed("true"));
    }
    response
}

fn file_response(
    StaticFile {
        content_type,
        content,
    }: StaticFile,
    is_built_in: bool,
) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let mut response = (headers, content).into_response();
    if is_built_in {
        let policy = HeaderValue::from_static(CONTENT_POLICY);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

async fn body_of(request: Request, limit: usize) -> Result<Bytes, StatusCode> {
    match timeout(BODY_TIMEOUT, to_bytes(request.into_body(), limit)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
    }
}

/// A notice that a task has ended: verified, then passed to the batch, which asks the service itself.
async fn take_callback(web: &Web, request: Request) -> Response {
    let Some(callbacks) = web.service.queue.callbacks() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (parts, body) = request.into_parts();
    let Ok(id) = callbacks.signer.verify_head(&parts.method, &parts.uri) else {
        return CallbackRefusal::STATUS.into_response();
    };
    let batch = web.service.queue.batch();
    let Ok(key) = ItemKey::new(id) else {
        return CallbackRefusal::STATUS.into_response();
    };
    let body = Request::from_parts(parts.clone(), body);
    let Ok(body) = body_of(body, CallbackSigner::MAX_BODY_BYTES).await else {
        batch.nudge(key);
        return CallbackRefusal::STATUS.into_response();
    };
    match callbacks
        .signer
        .verify(&http::Request::from_parts(parts, body))
    {
        Ok(callback) | Err(CallbackRefusal::UnknownStatus(callback)) => {
            batch.notify(key.clone(), &callback.notice);
            web.service.queue.told(key);
            StatusCode::OK.into_response()
        }
        Err(_) => {
            batch.nudge(key);
            CallbackRefusal::STATUS.into_response()
        }
    }
}
