//! The wire format of responses: the envelope, the trace id, and times.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter, tz::Offset};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::tcp::{Break, WireOutcome};

/// A response and how it is sent.
#[derive(Clone)]
#[non_exhaustive]
pub struct Reply {
    /// The complete response.
    pub response: Response<Bytes>,
    /// How long the response is delayed after the service has acted.
    pub delay: Option<Duration>,
    /// How the exchange breaks, if it does.
    pub broken: Option<Break>,
}

impl Reply {
    /// Returns what a client observes of this exchange.
    pub fn wire_outcome(&self) -> WireOutcome {
        self.broken
            .as_ref()
            .map_or(WireOutcome::Responded, Break::wire_outcome)
    }
}

/// Omits the body, which may contain a token.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.response.status())
            .field("headers", self.response.headers())
            .field(
                "body",
                &format_args!("[{} bytes]", self.response.body().len()),
            )
            .field("delay", &self.delay)
            .field("broken", &self.broken)
            .finish()
    }
}

/// A response before serialization.
#[derive(Debug)]
pub(super) enum ApiResponse {
    Envelope {
        code: i64,
        message: String,
        /// Raw JSON, because a map would not keep the documented order of fields. `None` omits the key.
        data: Option<Box<RawValue>>,
    },
    /// Without the envelope.
    Flat {
        status: StatusCode,
        body: Box<RawValue>,
    },
    NoRoute,
}

impl ApiResponse {
    pub(super) fn ok(data: &(impl Serialize + ?Sized)) -> Self {
        Self::Envelope {
            code: 0,
            message: "ok".to_owned(),
            data: Some(to_raw_value(data).unwrap_or_default()),
        }
    }

    pub(super) fn error(code: i64, message: impl Into<String>) -> Self {
        Self::Envelope {
            code,
            message: message.into(),
            data: Some(Box::default()),
        }
    }

    pub(super) fn flat(status: StatusCode, body: &impl Serialize) -> Self {
        let body = to_raw_value(body).unwrap_or_default();
        Self::Flat { status, body }
    }

    /// Edited data loses its order of fields. A response without an envelope is all data, which cannot be removed.
    pub(super) fn edit_data(&mut self, edit: impl FnOnce(&mut Option<Value>)) {
        match self {
            Self::Envelope { data, .. } => {
                let written = data.take();
                let mut read = written.and_then(|data| serde_json::from_str(data.get()).ok());
                edit(&mut read);
                *data = read.map(|data| to_raw_value(&data).unwrap_or_default());
            }
            Self::Flat { body, .. } => {
                let mut read = serde_json::from_str(body.get()).ok();
                edit(&mut read);
                if let Some(edited) = read.filter(Value::is_object) {
                    *body = to_raw_value(&edited).unwrap_or_default();
                }
            }
            Self::NoRoute => {}
        }
    }

    pub(super) fn to_http(&self, trace_id: &str) -> Response<Bytes> {
        match self {
            Self::Envelope {
                code,
                message,
                data,
            } => json(
                StatusCode::OK,
                &Envelope {
                    code: *code,
                    message,
                    data: data.as_deref(),
                    trace_id,
                },
            ),
            Self::Flat { status, body } => json(*status, body),
            Self::NoRoute => json(
                StatusCode::NOT_FOUND,
                &serde_json::json!({"message": "no Route matched with those values"}),
            ),
        }
    }
}

/// A struct rather than a map, to keep the documented order of fields.
#[derive(Serialize)]
struct Envelope<'a> {
    code: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(rename = "x-traceID")]
    trace_id: &'a str,
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

/// Returns the code of a body that starts like the service's envelope.
pub(crate) fn envelope_code(body: &[u8]) -> Option<i64> {
    let rest = body.strip_prefix(br#"{"code":"#)?;
    let end = rest.iter().position(|byte| [b',', b'}'].contains(byte))?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

/// Returns trace id `number` of a service with this seed.
pub(super) fn trace_id(seed: u64, number: u64) -> String {
    let high = mix(seed, 2 * number);
    let low = mix(seed, 2 * number + 1);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}_kong-db-5898fdd8c6-wnv6h",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low >> 48 & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff,
    )
}

/// Returns distinct values without a visible pattern (the mixing step of SplitMix64).
pub(super) fn mix(seed: u64, number: u64) -> u64 {
    let mut bits = number
        .wrapping_add(seed.rotate_left(32))
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Formats a time for the `Date` header.
pub(super) fn http_date(time: SystemTime) -> Option<HeaderValue> {
    let text = DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&timestamp(time))
        .ok()?;
    HeaderValue::from_str(&text).ok()
}

/// Formats a time for `expiredAt`: whole seconds, in China's time zone.
pub(super) fn china_time(time: SystemTime) -> String {
    let seconds = timestamp(time).as_second();
    Timestamp::from_second(seconds)
        .unwrap_or(Timestamp::MAX)
        .display_with_offset(Offset::constant(8))
        .to_string()
}

/// Formats a time for files: whole seconds in China's time zone, without the zone.
pub(super) fn china_date_time(time: SystemTime) -> String {
    let local = Offset::constant(8).to_datetime(timestamp(time));
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Formats a time for the old list: the same, with the zone.
pub(super) fn china_date_time_with_zone(time: SystemTime) -> String {
    format!("{} +0800 CST", china_date_time(time))
}

/// Converts a time, clamped to the range of [`Timestamp`].
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(if time > SystemTime::UNIX_EPOCH {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    })
}

/// Returns the end of the year 9998, which can be formatted in any time zone.
pub(crate) fn max_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(253_370_764_799)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_have_the_formats_of_the_service() {
        let time = time(1_742_715_517) + Duration::from_millis(999);
        assert_eq!(china_time(time), "2025-03-23T15:38:37+08:00");
        assert_eq!(china_date_time(time), "2025-03-23 15:38:37");
        assert_eq!(
            china_date_time_with_zone(time),
            "2025-03-23 15:38:37 +0800 CST"
        );
        assert_eq!(http_date(time).unwrap(), "Sun, 23 Mar 2025 07:38:37 GMT");
    }

    #[test]
    fn code_is_read_from_the_start_of_an_envelope() {
        let body = ApiResponse::error(-7, "no").to_http("t").into_body();
        assert_eq!(envelope_code(&body), Some(-7));
        for other in [&br#"{"code":"403"}"#[..], b"{\"code\":", b"<html>", b""] {
            assert_eq!(envelope_code(other), None);
        }
    }

    #[test]
    fn trace_ids_are_unique_and_reproducible() {
        assert_eq!(trace_id(7, 0), trace_id(7, 0));
        assert_ne!(trace_id(7, 0), trace_id(7, 1));
        assert_ne!(trace_id(7, 0), trace_id(8, 0));
        let (uuid, pod) = trace_id(0, 0)
            .split_once('_')
            .map(|(a, b)| (a.len(), b.to_owned()))
            .unwrap();
        assert_eq!(uuid, 36);
        assert!(pod.starts_with("kong-db-"));
    }
}
