//! The envelope `{"code","message","data","x-traceID"}` of the service's responses. No other file knows its keys.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::lenient;

/// A response of the service, its `data` still unparsed.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) trace_id: Option<String>,
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Parses a body, which must be an object whose `code` is a whole number or a string of one.
    pub(crate) fn read(body: &'a str) -> Result<Envelope<'a>, serde_json::Error> {
        serde_json::from_str(body)
    }

    /// Parses the data. Missing data counts as `null`, which only a type without promised data accepts.
    pub(crate) fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.map_or("null", RawValue::get))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `code`")
    }

    /// Parses each key and value separately, so that a damaged one loses neither the code nor the trace id.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut code = None;
        let mut envelope = Envelope {
            code: 0,
            message: String::new(),
            trace_id: None,
            data: None,
        };
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            match text(key).as_str() {
                // Two of them are ambiguous.
                "code" if code.is_some() => return Err(A::Error::duplicate_field("code")),
                "data" if envelope.data.is_some() => return Err(A::Error::duplicate_field("data")),
                "code" => code = Some(whole(value).map_err(A::Error::custom)?),
                "message" => envelope.message = text(value),
                "data" => envelope.data = Some(value),
                name if name.eq_ignore_ascii_case("x-traceID") => {
                    envelope.trace_id = Some(text(value)).filter(|trace| !trace.is_empty());
                }
                _ => {}
            }
        }
        envelope.code = code.ok_or_else(|| A::Error::missing_field("code"))?;
        Ok(envelope)
    }
}

fn whole(value: &RawValue) -> Result<i64, serde_json::Error> {
    serde_json::from_str(value.get()).map(|lenient::Whole(number)| number)
}

/// Returns a string, or the raw JSON if it cannot be decoded, such as half a surrogate pair.
fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get())
        .map_or_else(|_| value.get().to_owned(), |lenient::Text(text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Envelope<'_> {
        Envelope::read(body).unwrap()
    }

    #[test]
    fn envelope_is_parsed() {
        let envelope =
            read(r#"{"code":0,"message":"ok","data":{"n":1},"x-traceID":"t","extra":[{}]}"#);
        assert_eq!(envelope.code, 0);
        assert_eq!(envelope.message, "ok");
        assert_eq!(envelope.trace_id.as_deref(), Some("t"));
        let data: serde_json::Value = envelope.data().unwrap();
        assert_eq!(data, serde_json::json!({"n": 1}));
    }

    #[test]
    fn code_may_be_a_string_and_the_rest_missing_or_null() {
        let bare = read(r#"{"code":"403","message":"123pan-global-slb forbidden"}"#);
        assert_eq!((bare.code, bare.trace_id), (403, None));
        let nulls = read(r#"{"code":401,"message":null,"data":null,"x-traceID":null}"#);
        assert_eq!((nulls.code, nulls.message.as_str()), (401, ""));
        assert_eq!(read(r#"{"code":0,"x-traceID":""}"#).trace_id, None);
    }

    #[test]
    fn missing_data_is_an_error_unless_none_is_promised() {
        for body in [r#"{"code":0}"#, r#"{"code":0,"data":null}"#] {
            read(body).data::<u64>().unwrap_err();
            read(body).data::<()>().unwrap();
        }
    }

    #[test]
    fn damaged_field_does_not_lose_the_others() {
        for (field, message) in [
            (r#""message":"\ud800""#, r#""\ud800""#),
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
            r#"{"code":1,"code":0}"#,
            r#"{"code":0,"data":1,"data":1}"#,
        ] {
            assert!(Envelope::read(body).is_err(), "{body}");
        }
        let error = Envelope::read("[]").unwrap_err();
        assert!(error.to_string().contains("an object with a `code`"));
    }
}
