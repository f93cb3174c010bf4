//! The named faults: failures that clients of this service have met.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use super::{CatalogEntry, Fault, Name};
use crate::service::canned::{CannedResponse, Edit};
use crate::tcp::{Break, End, Flood, Point};

const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\
    <center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n";

/// Defines the list of faults and a constructor for each.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $canned:expr;)*) => {
        /// The names of all faults, as used by the program `pan123-mock`.
        pub const FAULT_NAMES: &[&str] = &[$(stringify!($name)),*];

        const ALL: &[CatalogEntry] = &[$((stringify!($name), || $canned)),*];

        impl Fault {
            $(
                $(#[$doc])*
                pub fn $name() -> Self {
                    Self { name: Some(Name(stringify!($name))), ..Self::from($canned) }
                }
            )*
        }
    };
}

faults! {
    /// Responds with code 429: too many requests.
    rate_limited => CannedResponse::envelope(429, "请求太频繁");

    /// Responds with the gateway's HTTP 429 and a `Retry-After` of 2 seconds.
    http_rate_limited => CannedResponse::raw(
        StatusCode::TOO_MANY_REQUESTS,
        r#"{"message":"API rate limit exceeded"}"#,
    )
    .header(header::RETRY_AFTER, HeaderValue::from_static("2"));

    /// Responds with code 401, as if the token had been revoked.
    unauthorized => CannedResponse::envelope(401, "tokens number has exceeded the limit");

    /// Responds with the gateway's HTTP 401, without an envelope.
    http_unauthorized => CannedResponse::raw(StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#);

    /// Responds with code 1, which the service uses for nearly every error.
    business_error => CannedResponse::envelope(1, "内部错误");

    /// Responds with HTTP 502 and a page of HTML. The service does not act.
    bad_gateway => CannedResponse::raw(StatusCode::BAD_GATEWAY, HTML);

    /// Responds with HTTP 504 after the service has acted.
    gateway_timeout => CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, "").after_acting();

    /// Responds with HTTP 200 and a page of HTML.
    html => CannedResponse::raw(StatusCode::OK, HTML);

    /// Responds with HTTP 200 and an empty body.
    empty_body => CannedResponse::raw(StatusCode::OK, "");

    /// The service acts, and its response is half a JSON document.
    truncated_json => CannedResponse::passthrough().edited(Edit::Truncated);

    /// The service acts, and the connection closes in the middle of the body.
    cut_short => CannedResponse::passthrough().broken(Break::response(Point::Body(20), End::Close));

    /// The connection is reset after the request is read. The service does not act.
    reset => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Reset));

    /// The connection is closed after the request is read. The service does not act.
    closed => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Close));

    /// The service acts, and the connection is reset before the response is sent.
    response_lost => CannedResponse::passthrough().broken(Break::response(Point::Bytes(0), End::Reset));

    /// There is no response, and the connection stays open. The service does not act.
    hang => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Silence));

    /// The service acts, and no response follows.
    hang_after_acting => CannedResponse::passthrough().broken(Break::response(Point::Bytes(0), End::Silence));

    /// The service acts, and its response is sent after a minute.
    late => CannedResponse::passthrough().delay(Duration::from_secs(60));

    /// The service acts, and its response is sent byte by byte, 10 ms apart.
    drip => CannedResponse::passthrough().broken(Break::drip(Duration::from_millis(10)));

    /// The service acts, and its response is 200 MB of spaces in chunks.
    flood => CannedResponse::passthrough().broken(Break::flood(Flood::chunked(200 << 20)));

    /// The service acts, and `data` is null.
    null_data => CannedResponse::passthrough().edited(Edit::NullData);

    /// The service acts, and `data` is missing.
    no_data => CannedResponse::passthrough().edited(Edit::NoData);

    /// The service acts, and all numbers in `data` are strings.
    numbers_as_strings => CannedResponse::passthrough().edited(Edit::NumbersAsStrings);

    /// The service acts, and `data.status` is 7, which is not documented.
    unknown_status => CannedResponse::passthrough().edited(Edit::Status(7));

    /// Responds with the load balancer's rejection, whose code is a string.
    forbidden_by_load_balancer => CannedResponse::raw(
        StatusCode::OK,
        r#"{"code":"403","message":"123pan-global-slb forbidden client ip 127.0.0.1"}"#,
    );
}

/// Returns the fault of this name.
pub(super) fn find(name: &str) -> Option<Fault> {
    let (name, canned) = ALL.iter().find(|(known, _)| *known == name)?;
    Some(Fault {
        name: Some(Name(name)),
        ..Fault::from(canned())
    })
}
