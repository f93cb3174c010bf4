//! HTTP 200 with an unexpected or unusual body.

use std::time::Duration;

use pan123_mock::http::header::CONTENT_ENCODING;
use pan123_mock::http::{HeaderValue, StatusCode};
use pan123_mock::{Break, CannedResponse, End, Flood};
use pan123_tests::scenario::{BrokenExchange, Received, Scenario};

use super::{ALWAYS, Fault, body, html, ok, with_short_timeout};
use crate::faults::row::Op;

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = no_responses();
    faults.extend(numbers());
    faults.extend(odd_json());
    faults.extend(long_ones());
    faults
}

fn no_responses() -> Vec<Fault> {
    let both = |body: &'static str| move |_: Op| ok(body).after_acting();
    vec![
        Fault::responded("HTML", |_| html(StatusCode::OK).after_acting()),
        Fault::responded("nothing", both("")),
        Fault::responded("nothing, always", |_| ok("").after_acting().times(ALWAYS)),
        Fault::responded(
            "truncated JSON",
            both(r#"{"code":0,"message":"ok","data":{"proc"#),
        ),
        Fault::responded(
            "`data` is null",
            both(r#"{"code":0,"message":"ok","data":null}"#),
        ),
        Fault::responded("no `data`", both(r#"{"code":0,"message":"ok"}"#)),
        Fault::responded(
            "`data` is empty",
            both(r#"{"code":0,"message":"ok","data":{}}"#),
        ),
        Fault::responded("no `code`", both(r#"{"message":"ok"}"#)),
        Fault::responded("an array", both("[]")),
    ]
}

fn numbers() -> Vec<Fault> {
    vec![
        Fault::responded(
            "numbers as texts",
            body(
                r#"{"code":"0","data":{"process":"37.5","status":"3"}}"#,
                r#"{"code":"0","data":{"taskID":"394756"}}"#,
            ),
        ),
        Fault::responded(
            "numbers as floats",
            body(
                r#"{"code":0.0,"data":{"process":37.5,"status":3.0}}"#,
                r#"{"code":0.0,"data":{"taskID":394756.0}}"#,
            ),
        ),
        Fault::responded(
            "numbers that are none",
            body(
                r#"{"code":0,"data":{"process":"half","status":0}}"#,
                r#"{"code":0,"data":{"taskID":7.5}}"#,
            ),
        ),
        Fault::responded(
            "a status that nobody knows",
            body(
                r#"{"code":0,"data":{"process":37.5,"status":7}}"#,
                r#"{"code":0,"data":{"taskID":394756,"status":7}}"#,
            ),
        ),
        Fault::responded(
            "numbers above 2^53",
            body(
                r#"{"code":0,"data":{"process":37.5,"status":9007199254740993}}"#,
                r#"{"code":0,"data":{"taskID":9007199254740993}}"#,
            ),
        ),
        Fault::responded(
            "numbers at the end of their range",
            body(
                r#"{"code":0,"data":{"process":37.5,"status":9223372036854775807}}"#,
                r#"{"code":0,"data":{"taskID":18446744073709551615}}"#,
            ),
        ),
        Fault::responded(
            "numbers beyond their range",
            body(
                r#"{"code":0,"data":{"process":1e999,"status":0}}"#,
                r#"{"code":0,"data":{"taskID":18446744073709551616}}"#,
            ),
        ),
        Fault::responded(
            "floats that may have lost digits",
            body(
                r#"{"code":0,"data":{"process":37.5,"status":9007199254740993.0}}"#,
                r#"{"code":0,"data":{"taskID":9007199254740993.0}}"#,
            ),
        ),
        Fault::responded(
            "a percentage out of its range",
            body(
                r#"{"code":0,"data":{"process":-2147483648,"status":0}}"#,
                r#"{"code":0,"data":{"taskID":394756,"process":-2147483648}}"#,
            ),
        ),
        Fault::responded(
            "no percentage",
            body(
                r#"{"code":0,"data":{"status":0}}"#,
                r#"{"code":0,"data":{"taskID":394756,"process":{}}}"#,
            ),
        ),
        Fault::responded(
            "a task with the id 0",
            body(
                r#"{"code":0,"data":{"process":0,"status":0}}"#,
                r#"{"code":0,"data":{"taskID":0}}"#,
            ),
        ),
    ]
}

const DATA: [&str; 2] = [r#"{"process":37.5,"status":3}"#, r#"{"taskID":394756}"#];

fn data(op: Op) -> &'static str {
    DATA[usize::from(op == Op::Create)]
}

fn odd_json() -> Vec<Fault> {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    vec![
        Fault::responded("invalid UTF-8 in the message of a rejection", |_| {
            ok(*b"{\"code\":1,\"message\":\"\xce\xc4\xbc\xfe\",\"x-traceID\":\"t\"}")
        }),
        Fault::responded("invalid UTF-8 in the message of a success", |op| {
            let start: &[u8] = b"{\"code\":0,\"message\":\"\xff\xfe\",\"data\":";
            ok([start, data(op).as_bytes(), b"}"].concat()).after_acting()
        }),
        Fault::responded("invalid UTF-8 in the data", |op| {
            let data = data(op).trim_end_matches('}').as_bytes();
            ok([b"{\"code\":0,\"data\":", data, b",\"note\":\"\xff\"}}"].concat()).after_acting()
        }),
        Fault::responded("`code` twice, 1 and then 0", |op| {
            ok(format!(r#"{{"code":1,"code":0,"data":{}}}"#, data(op))).after_acting()
        }),
        Fault::responded("`code` twice, 0 and then 1", |op| {
            ok(format!(r#"{{"code":0,"code":1,"data":{}}}"#, data(op))).after_acting()
        }),
        Fault::responded(
            "`data` twice",
            body(
                r#"{"code":0,"data":{"process":1,"status":2},"data":{"process":37.5,"status":3}}"#,
                r#"{"code":0,"data":{"taskID":394756},"data":{"taskID":394757}}"#,
            ),
        ),
        Fault::responded(
            "a field of the data twice",
            body(
                r#"{"code":0,"data":{"process":1,"process":37.5,"status":3}}"#,
                r#"{"code":0,"data":{"taskID":394756,"taskID":394757}}"#,
            ),
        ),
        Fault::responded(
            "a field of the data twice, the same",
            body(
                r#"{"code":0,"data":{"process":37.5,"process":"37.5","status":3,"status":3}}"#,
                r#"{"code":0,"data":{"taskID":394756,"taskId":"394756"}}"#,
            ),
        ),
        Fault::responded(
            "the id or the status twice, different",
            body(
                r#"{"code":0,"data":{"process":37.5,"status":3,"status":2}}"#,
                r#"{"code":0,"data":{"taskID":394756,"taskId":394757}}"#,
            ),
        ),
        Fault::responded(
            "an array as the data",
            body(
                r#"{"code":0,"data":[37.5,3]}"#,
                r#"{"code":0,"data":[394756]}"#,
            ),
        ),
        Fault::responded("half a surrogate pair beside the data", |op| {
            let data = data(op).trim_end_matches('}');
            let body = format!(
                r#"{{"code":0,"message":"\ud800","data":{data},"\udc00":1,"note":"\ud800"}}}}"#
            );
            ok(body).after_acting()
        }),
        Fault::responded(
            "a byte order mark before it, NUL and a line feed after it",
            |op| {
                let body = format!("\u{feff}{{\"code\":0,\"data\":{}}}\0\r\n", data(op));
                ok(body).after_acting()
            },
        ),
        Fault::responded("other text after it", |op| {
            ok(format!("{{\"code\":0,\"data\":{}}}\0x", data(op))).after_acting()
        }),
        Fault::responded("JSON 10,000 deep beside the data", move |op| {
            let body = format!(r#"{{"code":0,"x":{},"data":{}}}"#, nested(10_000), data(op));
            ok(body).after_acting()
        }),
        Fault::responded("JSON 10,000 deep as the data", move |_| {
            ok(format!(r#"{{"code":0,"data":{}}}"#, nested(10_000))).after_acting()
        }),
        Fault::responded("JSON 10,000 deep as the response", move |_| {
            ok(nested(10_000)).after_acting()
        }),
    ]
}

fn long_ones() -> Vec<Fault> {
    const LENGTH: u64 = 200 << 20;
    let flood = |name, flood, received| {
        Fault::new(name, move |scenario: Scenario, op: Op| {
            let scenario = match received {
                Received::TimedOut => with_short_timeout(scenario, ALWAYS),
                _ => scenario,
            };
            let broken = BrokenExchange::response(Break::flood(flood), received);
            scenario.broken(op.path(), broken.times(ALWAYS))
        })
    };
    let second = Duration::from_secs(1);
    vec![
        flood(
            "200 MB, announced",
            Flood::with_length(LENGTH),
            Received::TooLarge,
        ),
        flood(
            "200 MB in chunks",
            Flood::chunked(LENGTH),
            Received::TooLarge,
        ),
        flood(
            "200 MB at a byte a second",
            Flood::with_length(LENGTH).slow(second),
            Received::TimedOut,
        ),
        flood(
            "200 MB in chunks of a byte a second",
            Flood::chunked(LENGTH).slow(second),
            Received::TimedOut,
        ),
        Fault::new("gzip that is not gzip", |scenario, op| {
            let gzip = HeaderValue::from_static("gzip");
            let canned = CannedResponse::passthrough().header(CONTENT_ENCODING, gzip);
            let broken = BrokenExchange::response(Break::none(), Received::CutOff);
            scenario.canned(op.path(), canned).broken(op.path(), broken)
        }),
        Fault::new("no HTTP", |scenario, op| {
            let ssh = Break::replace("SSH-2.0-OpenSSH_9.9\r\n\r\n", End::Close);
            scenario.broken(op.path(), BrokenExchange::response(ssh, Received::CutOff))
        }),
    ]
}
