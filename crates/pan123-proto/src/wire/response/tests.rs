use super::*;

const DECODER: Decoder<'_> = Decoder {
    secret: false,
    body_limit: 1000,
    created_id: &[],
    too_many_downloads: "超出最大限制",
    redactor: Redactor::NOTHING,
    wall: SystemTime::UNIX_EPOCH,
};

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn failure(status: u16, body: &str) -> Failure {
    DECODER
        .read::<u64>(ResponseFormat::Envelope, &response(status, &[], body))
        .unwrap_err()
}

#[test]
fn code_decides_under_any_status() {
    for status in [200, 302, 404, 429, 500] {
        let ok = response(status, &[], r#"{"code":0,"data":7}"#);
        assert_eq!(
            DECODER.read::<u64>(ResponseFormat::Envelope, &ok).unwrap(),
            7,
            "{status}"
        );
        for (code, class) in [
            (401, FailureClass::TokenRejected),
            (429, FailureClass::RateLimited),
            (42902, FailureClass::RateLimited),
            (42903, FailureClass::RateLimited),
            (500, FailureClass::Rejected),
            (1, FailureClass::Rejected),
        ] {
            let body = format!(r#"{{"code":{code},"message":"m","x-traceID":"t"}}"#);
            let failure = failure(status, &body);
            assert_eq!(failure.class, class, "{status} {code}");
            assert_eq!(failure.error.trace_id(), Some("t"));
            assert_eq!(failure.error.http_status().unwrap().as_u16(), status);
        }
    }
}

#[test]
fn status_decides_without_an_envelope() {
    for (status, class) in [
        (200, FailureClass::Indeterminate),
        (204, FailureClass::Indeterminate),
        (301, FailureClass::Rejected),
        (307, FailureClass::Rejected),
        (400, FailureClass::Rejected),
        (401, FailureClass::TokenRejected),
        (403, FailureClass::Rejected),
        (404, FailureClass::Rejected),
        (408, FailureClass::Indeterminate),
        (429, FailureClass::RateLimited),
        (500, FailureClass::Indeterminate),
        (502, FailureClass::Indeterminate),
        (503, FailureClass::Indeterminate),
    ] {
        for body in ["", "<html>", r#"{"message":"no Route matched"}"#] {
            assert_eq!(failure(status, body).class, class, "{status} {body}");
        }
    }
}

#[test]
fn success_without_the_promised_data_is_indeterminate() {
    for body in [
        r#"{"code":0}"#,
        r#"{"code":0,"data":null}"#,
        r#"{"code":0,"data":"x"}"#,
    ] {
        let failure = failure(200, body);
        assert_eq!(failure.class, FailureClass::Indeterminate);
        assert!(
            failure
                .error
                .to_string()
                .contains("without the promised data")
        );
    }
}

#[test]
fn too_many_downloads_is_recognized_by_its_text() {
    for code in [1, 429, 7] {
        let body = format!(r#"{{"code":{code},"message":"同时下载的任务超出最大限制"}}"#);
        let failure = failure(200, &body);
        assert_eq!(failure.class, FailureClass::Rejected);
        assert_eq!(failure.error.code(), Some(ErrorCode::TooManyDownloads));
    }
}

#[test]
fn retry_after_may_be_seconds_or_a_date_and_is_capped() {
    let date = "Tue, 15 Nov 1994 08:12:31 GMT";
    for (text, seconds) in [
        ("2", Some(2)),
        (" 0 ", Some(0)),
        ("99999", Some(300)),
        ("99999999999999999999999", Some(300)),
        ("-5", None),
        ("soon", None),
        ("Tue, 15 Nov 1994 08:12:41 GMT", Some(10)),
        ("Tue, 15 Nov 1994 08:12:00 GMT", Some(0)),
        ("Tue, 15 Nov 2094 08:12:00 GMT", Some(300)),
    ] {
        let response = response(429, &[("retry-after", text), ("date", date)], "");
        let failure = DECODER
            .read::<u64>(ResponseFormat::Envelope, &response)
            .unwrap_err();
        let expected = seconds.map(Duration::from_secs);
        assert_eq!(failure.error.retry_after(), expected, "{text}");
    }
}

#[test]
fn trace_id_may_be_in_a_header() {
    let body = r#"{"code":1,"message":"m","x-traceID":""}"#;
    let response = response(200, &[("X-TraceID", "from-header")], body);
    let failure = DECODER
        .read::<u64>(ResponseFormat::Envelope, &response)
        .unwrap_err();
    assert_eq!(failure.error.trace_id(), Some("from-header"));
}

#[test]
fn error_quotes_the_start_of_a_body_unless_it_is_secret() {
    let html = format!("<html>{}", "页".repeat(300));
    let error = failure(502, &html).error.to_string();
    assert!(
        error.contains("<html>") && error.chars().count() < 300,
        "{error}"
    );

    let secret = Decoder {
        secret: true,
        ..DECODER
    };
    for body in [
        r#"{"code":0,"data":"canary"}"#,
        "canary",
        r#"{"code":0,"data":{"canary"#,
    ] {
        let failure = secret
            .read::<u64>(ResponseFormat::Envelope, &response(200, &[], body))
            .unwrap_err();
        let shown = format!("{0} {0:?}", failure.error);
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("line 1 column"), "{shown}");
    }
    let quoted = failure(200, r#"{"code":0,"data":"canary"}"#).error;
    let quoted = quoted.to_string();
    assert!(quoted.contains("invalid type: string"), "{quoted}");
}

#[test]
fn invalid_utf_8_does_not_lose_the_other_fields() {
    let read = |body: &[u8]| {
        DECODER.read::<String>(
            ResponseFormat::Envelope,
            &Response::new(Bytes::copy_from_slice(body)),
        )
    };
    let gbk = b"{\"code\":5066,\"message\":\"\xce\xc4\xbc\xfe\",\"x-traceID\":\"t\"}";
    let rejected = read(gbk).unwrap_err();
    assert_eq!(rejected.class, FailureClass::Rejected);
    assert_eq!(rejected.error.code(), Some(ErrorCode::FileNotFound));
    assert_eq!(rejected.error.trace_id(), Some("t"));

    let success = b"{\"code\":0,\"message\":\"\xce\",\"data\":\"fine\"}";
    assert_eq!(read(success).unwrap(), "fine");
}

#[test]
fn texts_from_outside_are_escaped_wherever_they_are_shown() {
    const HOSTILE: &str = "a\u{1b}[2J\n\r\0b\u{202e}\u{200b}\u{85}c";
    const SHOWN: &str = r"a\u{1b}[2J\n\r\u{0}b\u{202e}\u{200b}\u{85}c";
    let json = serde_json::to_string(HOSTILE).unwrap();
    let rejected = failure(
        200,
        &format!(r#"{{"code":1,"message":{json},"x-traceID":{json}}}"#),
    );
    let api = rejected.error.api().unwrap();
    assert_eq!((api.message(), api.trace_id()), (SHOWN, Some(SHOWN)));
    let html = failure(502, &format!("<html>{HOSTILE}</html>"));
    let undecodable = failure(
        200,
        &format!(r#"{{"code":0,"data":{json},"x-traceID":{json}}}"#),
    );
    assert_eq!(undecodable.error.trace_id(), Some(SHOWN));
    for failure in [rejected, html, undecodable] {
        let shown = format!("{0} {0:?}", failure.error);
        assert!(!shown.chars().any(text::is_invisible), "{shown:?}");
        assert!(shown.contains(r"\u{1b}[2J\n"), "{shown}");
    }
    // The text may grow by escaping, but not beyond its limit.
    let long = failure(
        200,
        &format!(r#"{{"code":1,"message":"{}"}}"#, r"\u202e".repeat(150)),
    );
    let length = long.error.api().unwrap().message().chars().count();
    assert_eq!(length, MAX_MESSAGE);
}

#[test]
fn long_message_is_cut() {
    let body = format!(r#"{{"code":1,"message":"{}"}}"#, "页".repeat(2000));
    let large = Decoder {
        body_limit: 1 << 20,
        ..DECODER
    };
    let failure = large
        .read::<u64>(ResponseFormat::Envelope, &response(200, &[], &body))
        .unwrap_err();
    let kept = failure.error.api().unwrap().message();
    assert_eq!(kept, "页".repeat(1000));
}

#[test]
fn long_trace_id_and_long_parser_message_are_cut() {
    let large = Decoder {
        body_limit: 1 << 20,
        ..DECODER
    };
    let long = "t".repeat(1 << 18);
    for body in [
        format!(r#"{{"code":1,"x-traceID":"{long}"}}"#),
        format!(r#"{{"code":0,"x-traceID":"{long}","data":"{long}"}}"#),
    ] {
        let error = large
            .read::<u64>(ResponseFormat::Envelope, &response(200, &[], &body))
            .unwrap_err();
        assert_eq!(error.error.trace_id(), Some(&long[..200]));
        let shown = format!("{0} {0:?}", error.error);
        assert!(shown.len() < 4000, "{}", shown.len());
    }
}

#[test]
fn body_over_the_limit_is_not_parsed() {
    let body = |length: usize| format!("{:<length$}", r#"{"code":0,"data":7}"#);
    let full = response(200, &[], &body(DECODER.body_limit));
    assert_eq!(
        DECODER
            .read::<u64>(ResponseFormat::Envelope, &full)
            .unwrap(),
        7
    );
    let over = failure(200, &body(DECODER.body_limit + 1));
    assert_eq!(over.class, FailureClass::Indeterminate);
}
