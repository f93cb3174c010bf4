//! HTTP statuses that the service does not use.

use pan123_mock::http::header::LOCATION;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::{CannedResponse, TcpServer};

use super::{ALWAYS, Fault, html};

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = statuses();
    faults.extend(redirects());
    faults
}

fn statuses() -> Vec<Fault> {
    let envelope = r#"{"code":5113,"message":"流量已用尽","data":null,"x-traceID":"t"}"#;
    let nothing = |status| CannedResponse::raw(status, "");
    vec![
        Fault::responded("HTTP 204", move |_| {
            nothing(StatusCode::NO_CONTENT).after_acting()
        }),
        Fault::responded("HTTP 400 with an envelope", move |_| {
            CannedResponse::raw(StatusCode::BAD_REQUEST, envelope)
        }),
        Fault::responded("HTTP 403 with HTML", |_| html(StatusCode::FORBIDDEN)),
        Fault::responded("HTTP 404 with nothing", move |_| {
            nothing(StatusCode::NOT_FOUND)
        }),
        Fault::responded("HTTP 408 with nothing", move |_| {
            nothing(StatusCode::REQUEST_TIMEOUT)
        }),
        Fault::responded("HTTP 500 with an envelope", move |_| {
            CannedResponse::raw(StatusCode::INTERNAL_SERVER_ERROR, envelope)
        }),
        Fault::responded("HTTP 500 with nothing", move |_| {
            nothing(StatusCode::INTERNAL_SERVER_ERROR)
        }),
        Fault::responded("HTTP 502 with HTML, once", |_| {
            html(StatusCode::BAD_GATEWAY)
        }),
        Fault::responded("HTTP 502 with HTML, always", |_| {
            html(StatusCode::BAD_GATEWAY).times(ALWAYS)
        }),
        Fault::responded("HTTP 504 with HTML, but it was carried out", |_| {
            html(StatusCode::GATEWAY_TIMEOUT).after_acting()
        }),
    ]
}

/// Redirects to another host, which must receive nothing.
fn redirects() -> Vec<Fault> {
    let names = [
        ("HTTP 301 to another host", StatusCode::MOVED_PERMANENTLY),
        ("HTTP 302 to another host", StatusCode::FOUND),
        ("HTTP 303 to another host", StatusCode::SEE_OTHER),
        ("HTTP 307 to another host", StatusCode::TEMPORARY_REDIRECT),
        ("HTTP 308 to another host", StatusCode::PERMANENT_REDIRECT),
    ];
    let redirect = |(name, status)| {
        let elsewhere = TcpServer::start(drop);
        let location = HeaderValue::from_str(&elsewhere.url("http")).expect("a URL");
        let response = CannedResponse::raw(status, "").header(LOCATION, location);
        Fault {
            elsewhere: Some(elsewhere),
            ..Fault::responded(name, move |_| response.clone())
        }
    };
    names.map(redirect).into()
}
