//! The faults that have a name: whatever is known of how clients of this service came to grief.

use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use super::{CatalogEntry, Fault, Name};
use crate::service::canned::{CannedResponse, Edit};
use crate::tcp::{Break, End, Flood, Point};

const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\
    <center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center></body>\r\n</html>\r\n";

/// Makes the list of the faults, and a constructor for each.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $canned:expr;)*) => {
        /// The names of all faults, as the program `pan123-mock` takes them.
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
    /// Code 429: the request was one too many.
    rate_limited => CannedResponse::envelope(429, "请求太频繁");

    /// HTTP 429 of the gateway, with a `Retry-After` of 2 seconds.
    http_rate_limited => CannedResponse::raw(
        StatusCode::TOO_MANY_REQUESTS,
        r#"{"message":"API rate limit exceeded"}"#,
    )
    .header(header::RETRY_AFTER, HeaderValue::from_static("2"));

    /// Code 401, as if the token had been pushed out.
    unauthorized => CannedResponse::envelope(401, "tokens number has exceeded the limit");

    /// HTTP 401 of the gateway, without an envelope.
    http_unauthorized => CannedResponse::raw(StatusCode::UNAUTHORIZED, r#"{"message":"Unauthorized"}"#);

    /// Code 1, which the service uses for nearly everything.
    business_error => CannedResponse::envelope(1, "内部错误");

    /// HTTP 502 with a page of HTML. The service does not act.
    bad_gateway => CannedResponse::raw(StatusCode::BAD_GATEWAY, HTML);

    /// HTTP 504 after the service has acted.
    gateway_timeout => CannedResponse::raw(StatusCode::GATEWAY_TIMEOUT, "").after_acting();

    /// HTTP 200 with a page of HTML.
    html => CannedResponse::raw(StatusCode::OK, HTML);

    /// HTTP 200 with nothing.
    empty_body => CannedResponse::raw(StatusCode::OK, "");

    /// The service acts, and its answer is half a JSON document.
    truncated_json => CannedResponse::passthrough().edited(Edit::Truncated);

    /// The service acts, and the connection ends in the middle of the body.
    cut_short => CannedResponse::passthrough().broken(Break::response(Point::Body(20), End::Close));

    /// The connection is reset when the request has come. The service does not act.
    reset => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Reset));

    /// The connection is closed when the request has come. The service does not act.
    closed => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Close));

    /// The service acts, and the connection ends before anybody is told.
    response_lost => CannedResponse::passthrough().broken(Break::response(Point::Bytes(0), End::Reset));

    /// No answer ever, and the connection stays open. The service does not act.
    hang => CannedResponse::passthrough().broken(Break::request(Point::Whole, End::Silence));

    /// The service acts, and no answer comes ever.
    hang_after_acting => CannedResponse::passthrough().broken(Break::response(Point::Bytes(0), End::Silence));

    /// The service acts, and its answer comes after a minute.
    late => CannedResponse::passthrough().delay(Duration::from_secs(60));

    /// The service acts, and its answer comes byte by byte, 10 ms apart.
    drip => CannedResponse::passthrough().broken(Break::drip(Duration::from_millis(10)));

    /// The service acts, and its answer is 200 MB of blanks in chunks.
    flood => CannedResponse::passthrough().broken(Break::flood(Flood::chunked(200 << 20)));

    /// Code 0, and `data` is null.
    null_data => CannedResponse::passthrough().edited(Edit::NullData);

    /// Code 0, and there is no `data`.
    no_data => CannedResponse::passthrough().edited(Edit::NoData);

    /// The service acts, and all numbers in `data` are texts.
    numbers_as_strings => CannedResponse::passthrough().edited(Edit::NumbersAsStrings);

    /// `data.status` is 7, which no documentation knows.
    unknown_status => CannedResponse::passthrough().edited(Edit::Status(7));

    /// The refusal of the load balancer, whose code is a text.
    forbidden_by_load_balancer => CannedResponse::raw(
        StatusCode::OK,
        r#"{"code":"403","message":"123pan-global-slb forbidden client ip 127.0.0.1"}"#,
    );
}

/// The fault of this name.
pub(super) fn find(name: &str) -> Option<Fault> {
    let (name, canned) = ALL.iter().find(|(known, _)| *known == name)?;
    Some(Fault {
        name: Some(Name(name)),
        ..Fault::from(canned())
    })
}
