//! The envelope `{"code","message","data","x-traceID"}` of the service's responses. No other file knows its keys.

use std::borrow::Cow;

use serde::de::Error;

use super::json::{Body, Field, Json, Names, find_values};
use super::lenient::{lossy_text, whole};

/// A response of the service, its `data` still unparsed.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) code: i64,
    data: Option<Json<'a>>,
    body: &'a Body<'a>,
}

const CODE: Names = &["code"];
const MESSAGE: Names = &["message"];
const DATA: Names = &["data"];
const TRACE_ID: Names = &["x-traceID"];

impl<'a> Envelope<'a> {
    /// Reads a body, which must be an object whose `code` is a whole number or a string of one.
    pub(crate) fn read(body: &'a Body<'_>) -> Result<Envelope<'a>, serde_json::Error> {
        // Message and trace id are here only because a key that is expected is read fastest.
        let mut fields = [CODE, MESSAGE, DATA, TRACE_ID].map(Field::empty);
        body.read(&mut fields, is_same)?;
        let [code, _, data, _] = &fields;
        Ok(Envelope {
            code: code.essential(whole).map_err(Error::custom)?,
            data: data.value().map_err(Error::custom)?,
            body,
        })
    }

    pub(crate) fn message(&self) -> Cow<'a, str> {
        text(self.body, MESSAGE).unwrap_or_default()
    }

    pub(crate) fn trace_id(&self) -> Option<Cow<'a, str>> {
        trace_id(self.body)
    }

    /// Missing data counts as `null`, which only a type without promised data accepts.
    pub(crate) fn data(&self) -> Json<'a> {
        self.data.unwrap_or(Json::NULL)
    }
}

/// Returns the trace id of a body that is known to be an envelope.
pub(crate) fn trace_id<'a>(body: &'a Body<'_>) -> Option<Cow<'a, str>> {
    let trace_id = text(body, TRACE_ID);
    trace_id.filter(|trace_id| !trace_id.trim().is_empty())
}

/// Reads a text, which a success does not need.
fn text<'a>(body: &'a Body<'_>, names: Names) -> Option<Cow<'a, str>> {
    let mut fields = [Field::empty(names)];
    body.read(&mut fields, is_same).ok()?;
    fields[0].optional(lossy_text)
}

/// The most ids that an error names.
const MAX_IDS: usize = 16;

/// Returns the ids that a response has under this key, wherever that is and whatever else is wrong with the response.
pub(crate) fn ids_of_key(body: &str, names: Names) -> Vec<u64> {
    let mut ids = Vec::new();
    for id in find_values(body, names).filter_map(whole) {
        if id != 0 && ids.len() < MAX_IDS && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Proxies rewrite the case of names that look like a header's.
fn is_same(name: &str, key: &str) -> bool {
    name.contains('-') && name.eq_ignore_ascii_case(key)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What an envelope says. A body says the same whether it is read strictly or leniently.
    #[derive(Debug, PartialEq)]
    struct Said {
        code: i64,
        message: String,
        trace_id: Option<String>,
        data: Result<Value, String>,
    }

    fn try_read(body: &str) -> Result<Said, String> {
        let read = |body: &str| {
            let body = Body::of_text(body);
            let envelope = Envelope::read(&body).map_err(|error| error.to_string())?;
            Ok(Said {
                code: envelope.code,
                message: envelope.message().into_owned(),
                trace_id: envelope.trace_id().map(Cow::into_owned),
                data: envelope.data().to().map_err(|error| error.to_string()),
            })
        };
        let said = read(body);
        if said.is_ok() {
            // Space at the end is left to `serde_json`.
            assert_eq!(said, read(&format!("{body} ")), "{body}");
        }
        said
    }

    fn read(body: &str) -> Said {
        try_read(body).unwrap()
    }

    #[test]
    fn envelope_is_parsed() {
        let envelope =
            read(r#"{"code":0,"message":"ok","data":{"n":1},"x-traceID":"t","extra":[{}]}"#);
        assert_eq!(envelope.code, 0);
        assert_eq!(envelope.message, "ok");
        assert_eq!(envelope.trace_id.as_deref(), Some("t"));
        assert_eq!(envelope.data, Ok(json!({"n": 1})));
    }

    #[test]
    fn code_may_be_a_string_and_the_rest_missing_or_null() {
        let bare = read(r#"{"code":"403","message":"123pan-global-slb forbidden"}"#);
        assert_eq!((bare.code, bare.trace_id), (403, None));
        let nulls = read(r#"{"code":401,"message":null,"data":null,"x-traceID":null}"#);
        assert_eq!((nulls.code, &*nulls.message), (401, ""));
        assert_eq!(
            read(r#"{"code":0,"X-TraceId":7}"#).trace_id.as_deref(),
            Some("7")
        );
        for blank in [
            r#"{"code":0,"x-traceID":""}"#,
            r#"{"code":0,"x-traceID":" "}"#,
        ] {
            assert_eq!(read(blank).trace_id, None);
        }
    }

    #[test]
    fn missing_data_is_an_error_unless_none_is_promised() {
        for body in [r#"{"code":0}"#, r#"{"code":0,"data":null}"#] {
            let body = Body::of_text(body);
            let envelope = Envelope::read(&body).unwrap();
            envelope.data().to::<u64>().unwrap_err();
            envelope.data().to::<()>().unwrap();
        }
    }

    #[test]
    fn damaged_field_does_not_lose_the_others() {
        for (field, message) in [
            (r#""message":"\ud800""#, "\u{fffd}\u{fffd}\u{fffd}"),
            (r#""message":1e999"#, "1e999"),
            (r#""\ud800":1"#, ""),
            (r#""data":"\udc00""#, ""),
            (r#""data":1e999"#, ""),
        ] {
            let body = format!(r#"{{{field},"code":401,"x-traceID":"t"}}"#);
            let envelope = read(&body);
            assert_eq!(envelope.code, 401, "{body}");
            assert_eq!(envelope.trace_id.as_deref(), Some("t"), "{body}");
            assert_eq!(envelope.message, message, "{body}");
        }
    }

    #[test]
    fn body_without_a_code_is_not_an_envelope() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            r#"{"message":"no Route matched with those values"}"#,
            r#"{"code":null}"#,
            r#"{"code":{}}"#,
            r#"{"code":0"#,
            r#"{"code":1.5}"#,
            r#"{"code':0}"#,
            r#"{"code":1,"code":0}"#,
            r#"{"code":0,"data":1,"data":2}"#,
            r#"{"code":0} {"code":0}"#,
            "{\"code\":0}\0",
        ] {
            try_read(body).unwrap_err();
        }
        let error = |body| try_read(body).unwrap_err();
        assert!(error("[]").contains("expected an object"));
        assert!(error("{}").contains("`code` is missing"));
        // With space at the end, it is left to `serde_json`.
        for body in [r#"{"code":1,"code":0}"#, r#"{"code":1,"code":0} "#] {
            assert_eq!(error(body), "`code` has different values: 1, 0");
        }
    }

    #[test]
    fn equal_values_are_one() {
        for body in [
            r#"{"code":0,"code":"0","data":{"n":1},"data":{"n":1}}"#,
            r#"{"code":0,"code":0.0,"data":null,"data":{"n":1}}"#,
            r#"{"code":0,"data":{"n":1},"data":{ "n" : 1 },"code":0}"#,
        ] {
            let envelope = read(body);
            assert_eq!((envelope.code, envelope.data), (0, Ok(json!({"n": 1}))));
        }
        let differing =
            read(r#"{"code":7,"message":"a","message":"b","x-traceID":"t","X-TraceId":"t"}"#);
        assert_eq!((differing.code, &*differing.message), (7, ""));
        assert_eq!(differing.trace_id.as_deref(), Some("t"));
    }

    #[test]
    fn ids_are_found_in_any_response() {
        let ids = |body| ids_of_key(body, &["taskID", "taskId"]);
        assert_eq!(
            ids(r#"{"code":0,"data":{"taskID":7,"taskId":"8"}}"#),
            [7, 8]
        );
        assert_eq!(
            ids(r#"{"data":{"taskID":7},"code":"x","data":{"taskID":7,"taskID":9}}"#),
            [7, 9]
        );
        for body in [
            r#"{"code":0,"taskID":7}"#,
            r#"{"code":0,"data":[{"taskID" : "7"}]}"#,
            r#"{"code":0,"data":{"taskID":7,}}"#,
            r#"{"code":0,"data":{"taskID":7},"x":NaN}"#,
            r#"{"code":0,"data":{"taskID":7},"x-tra"#,
            r#"{"code":0,"data":{"task":{"taskId":7}}}"#,
        ] {
            assert_eq!(ids(body), [7], "{body}");
        }
        let two = r#"{"code":0,"data":{"taskID":7}}{"code":0,"data":{"taskId":"8"}}"#;
        assert_eq!(ids(two), [7, 8]);
        for none in [
            "",
            "[]",
            r#"{"data":[7]}"#,
            r#"{"data":{"taskID":0,"taskId":-7,"id":7}}"#,
            // The rest of the number may be missing.
            r#"{"code":0,"data":{"taskID":7"#,
            r#"{"code":0,"data":{"taskID":"7"#,
            r#"{"code":0,"data":{"taskID":[7]}}"#,
            r#"{"code":0,"message":"\"taskID\":7,"}"#,
        ] {
            assert!(ids(none).is_empty(), "{none}");
        }
    }
}
