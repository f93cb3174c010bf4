//! Reads the arguments of a request as the service does: leniently, or exactly as documented.

use std::borrow::Cow;
use std::str::FromStr;

use bytes::Bytes;
use http::{Request, header};
use serde_json::{Map, Value};

use super::response::ApiResponse;

/// The service's code for nearly every error.
pub(super) const FAILURE: i64 = 1;

/// The arguments of one request, under their documented keys.
#[derive(Debug)]
pub(super) struct Args {
    values: Map<String, Value>,
    strict: bool,
    /// Whether a number may be written as a string.
    numbers_as_strings: bool,
}

/// A value, or the error response.
pub(super) type ArgResult<T> = Result<T, ApiResponse>;

impl Args {
    /// Reads a JSON body with the `documented` keys.
    ///
    /// Unless `strict`, keys match in any case, unknown keys are ignored, ids may be strings, and a form is accepted, because existing
    /// clients send all of these.
    pub(super) fn body(
        request: &Request<Bytes>,
        strict: bool,
        documented: &[&str],
    ) -> ArgResult<Self> {
        let is_json = content_type(request).is_some_and(|it| it.starts_with("application/json"));
        if strict && !is_json {
            let message = "Content-Type: application/json缺失";
            return Err(ApiResponse::error(FAILURE, message));
        }
        let json = serde_json::from_slice::<Map<String, Value>>(request.body());
        let sent = match json {
            Ok(sent) => sent,
            Err(_) if strict => return Err(invalid("body")),
            Err(_) => form(request.body()).ok_or_else(|| invalid("body"))?,
        };
        Self::new(sent, strict, documented, !strict)
    }

    /// Reads the query with the `documented` keys.
    pub(super) fn query(
        request: &Request<Bytes>,
        strict: bool,
        documented: &[&str],
    ) -> ArgResult<Self> {
        let query = request.uri().query().unwrap_or_default();
        Self::new(pairs(query.as_bytes()), strict, documented, true)
    }

    fn new(
        sent: Map<String, Value>,
        strict: bool,
        documented: &[&str],
        numbers_as_strings: bool,
    ) -> ArgResult<Self> {
        let mut values = Map::new();
        for (key, value) in sent {
            let matching =
                |known: &&&str| **known == key || (!strict && known.eq_ignore_ascii_case(&key));
            match documented.iter().find(matching) {
                // The documented spelling takes precedence.
                Some(known) if *known == key || !values.contains_key(*known) => {
                    values.insert((*known).to_owned(), value);
                }
                None if strict => return Err(undocumented(&key, documented)),
                Some(_) | None => {}
            }
        }
        Ok(Self {
            values,
            strict,
            numbers_as_strings,
        })
    }

    /// Unless strict, null and the empty string count as missing.
    fn value(&self, key: &str) -> Option<&Value> {
        let value = self.values.get(key)?;
        let is_empty = value.is_null() || value == "";
        (self.strict || !is_empty).then_some(value)
    }

    pub(super) fn string(&self, key: &str) -> ArgResult<Option<String>> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(value)) if !value.is_empty() => Ok(Some(value.clone())),
            Some(_) => Err(invalid(key)),
        }
    }

    /// Reads a number, which is a string in a query.
    pub(super) fn number<T: FromStr>(&self, key: &str) -> ArgResult<Option<T>> {
        self.value(key)
            .map(|value| self.as_number(value).ok_or_else(|| invalid(key)))
            .transpose()
    }

    /// Reads a boolean of a query; unless strict, `1` and `0` are accepted.
    pub(super) fn boolean(&self, key: &str) -> ArgResult<Option<bool>> {
        let boolean = |value: &Value| match value.as_str() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some("1") if !self.strict => Ok(true),
            Some("0") if !self.strict => Ok(false),
            _ => Err(invalid(key)),
        };
        self.value(key).map(boolean).transpose()
    }

    /// Reads an array of numbers.
    pub(super) fn numbers<T: FromStr>(&self, key: &str) -> ArgResult<Option<Vec<T>>> {
        self.array(key, |value| self.as_number(value))
    }

    /// Reads an array of strings.
    pub(super) fn strings(&self, key: &str) -> ArgResult<Option<Vec<String>>> {
        self.array(key, |value| value.as_str().map(str::to_owned))
    }

    fn array<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> ArgResult<Option<Vec<T>>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let values = match value {
            Value::Array(values) => Cow::Borrowed(values),
            // In a form, an array may be written as JSON, and one of a single element looks like that element.
            Value::String(text) if !self.strict && text.starts_with('[') => {
                Cow::Owned(serde_json::from_str(text).map_err(|_| invalid(key))?)
            }
            Value::String(_) if !self.strict => Cow::Owned(vec![value.clone()]),
            _ => return Err(invalid(key)),
        };
        let items: Option<Vec<T>> = values.iter().map(read).collect();
        items.map(Some).ok_or_else(|| invalid(key))
    }

    fn as_number<T: FromStr>(&self, value: &Value) -> Option<T> {
        let text = match value {
            Value::Number(number) => Cow::Owned(number.to_string()),
            Value::String(text) if self.numbers_as_strings => Cow::Borrowed(text.as_str()),
            _ => return None,
        };
        text.parse().ok()
    }
}

pub(super) fn invalid(key: &str) -> ApiResponse {
    ApiResponse::error(FAILURE, format!("{key}参数错误"))
}

fn undocumented(key: &str, documented: &[&str]) -> ApiResponse {
    let documented = documented.join(", ");
    let message = format!("{key} is not documented; expected one of: {documented}");
    ApiResponse::error(FAILURE, message)
}

fn content_type(request: &Request<Bytes>) -> Option<&str> {
    let value = request.headers().get(header::CONTENT_TYPE)?;
    value.to_str().ok()
}

/// Parses a body that has at least one pair and does not look like JSON or HTML. Pairs with the same key are an array, also with the
/// brackets that some clients append to it, as in `fileIDs[]=1&fileIDs[]=2`.
fn form(body: &[u8]) -> Option<Map<String, Value>> {
    let starts_well = body.first().is_some_and(u8::is_ascii_alphabetic);
    if !starts_well || !body.contains(&b'=') {
        return None;
    }
    let mut values = Map::new();
    for (key, value) in form_urlencoded::parse(body) {
        let (key, in_brackets) = match key.split_once('[') {
            Some((key, index)) if index.ends_with(']') => (key, true),
            _ => (&*key, false),
        };
        let value = Value::String(value.into_owned());
        match values.get_mut(key) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = vec![first.take(), value].into(),
            None if in_brackets => drop(values.insert(key.to_owned(), vec![value].into())),
            None => drop(values.insert(key.to_owned(), value)),
        }
    }
    Some(values)
}

/// Of several pairs with the same key the first is used.
fn pairs(encoded: &[u8]) -> Map<String, Value> {
    let mut values = Map::new();
    for (key, value) in form_urlencoded::parse(encoded) {
        let value = || Value::String(value.into_owned());
        values.entry(key.into_owned()).or_insert_with(value);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["url", "dirID"];

    fn request(content_type: Option<&str>, body: &str) -> Request<Bytes> {
        let mut request = Request::post("/?TaskID=7&x=1");
        if let Some(value) = content_type {
            request = request.header(header::CONTENT_TYPE, value);
        }
        request.body(Bytes::from(body.to_owned())).unwrap()
    }

    fn json(body: &str, strict: bool) -> ArgResult<Args> {
        Args::body(&request(Some("application/json"), body), strict, KEYS)
    }

    fn error_message<T: std::fmt::Debug>(taken: ArgResult<T>) -> String {
        match taken.unwrap_err() {
            ApiResponse::Envelope { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_key_case_and_numeric_strings_are_accepted_unless_strict() {
        let body = r#"{"URL":"http://a/b","dirid":"7"}"#;
        let args = json(body, false).unwrap();
        assert_eq!(args.string("url").unwrap().as_deref(), Some("http://a/b"));
        assert_eq!(args.number("dirID").unwrap(), Some(7_u64));

        let refused = error_message(json(body, true));
        assert!(refused.contains("URL") && refused.contains("url, dirID"));
        let as_text = json(r#"{"dirID":"7"}"#, true).unwrap();
        assert_eq!(
            error_message(as_text.number::<u64>("dirID")),
            "dirID参数错误"
        );
    }

    #[test]
    fn documented_spelling_of_a_key_takes_precedence() {
        for body in [
            r#"{"dirID":1,"dirId":2}"#,
            r#"{"DIRID":2,"dirID":1,"dirid":3}"#,
        ] {
            let args = json(body, false).unwrap();
            assert_eq!(args.number("dirID").unwrap(), Some(1_u64), "{body}");
        }
    }

    #[test]
    fn forms_are_accepted_unless_strict() {
        let body = "url=http%3A%2F%2Fa%2Fb+c&dirID=7";
        for content_type in [None, Some("application/json"), Some("text/plain")] {
            let request = request(content_type, body);
            let args = Args::body(&request, false, KEYS).unwrap();
            assert_eq!(args.string("url").unwrap().as_deref(), Some("http://a/b c"));
            assert_eq!(args.number("dirID").unwrap(), Some(7_i64));
            error_message(Args::body(&request, true, KEYS));
        }
        for body in ["", "[1]", "url", "<a=b>"] {
            assert_eq!(error_message(json(body, false)), "body参数错误", "{body}");
        }
    }

    #[test]
    fn arrays_in_a_form_are_accepted_unless_strict() {
        for body in [
            "dirID=1&dirID=2",
            "dirID[]=1&dirID[]=2",
            "dirID%5B0%5D=1&dirID%5B1%5D=2",
            "dirID=[1,2]",
            r#"{"dirID":"[1, \"2\"]"}"#,
        ] {
            let args = json(body, false).unwrap();
            assert_eq!(args.numbers("dirID").unwrap(), Some(vec![1, 2]), "{body}");
        }
        for body in ["dirID=7", "dirID[]=7", r#"{"dirID":"7"}"#] {
            let args = json(body, false).unwrap();
            assert_eq!(args.numbers("dirID").unwrap(), Some(vec![7]), "{body}");
        }
        error_message(json("dirID=[1,", false).unwrap().numbers::<u64>("dirID"));
        for (body, strict) in [(r#"{"dirID":7}"#, false), (r#"{"dirID":"7"}"#, true)] {
            error_message(json(body, strict).unwrap().numbers::<u64>("dirID"));
        }
    }

    #[test]
    fn null_and_empty_strings_count_as_missing_unless_strict() {
        for body in [r#"{"dirID":null}"#, r#"{"dirID":""}"#] {
            let args = json(body, false).unwrap();
            assert_eq!(args.number::<u64>("dirID").unwrap(), None);
            error_message(json(body, true).unwrap().number::<u64>("dirID"));
        }
        let args = json("{}", true).unwrap();
        assert_eq!(args.number::<u64>("dirID").unwrap(), None);
        assert_eq!(args.string("url").unwrap(), None);
    }

    #[test]
    fn queries_have_numbers_and_strict_keys() {
        let request = request(None, "");
        let args = Args::query(&request, false, &["taskID"]).unwrap();
        assert_eq!(args.number("taskID").unwrap(), Some(7_u64));
        error_message(Args::query(&request, true, &["taskID"]));
        let exact = Args::query(&request, true, &["TaskID", "x"]).unwrap();
        assert_eq!(exact.number("x").unwrap(), Some(1_u64));
    }

    #[test]
    fn array_elements_have_one_type() {
        let body = r#"{"url":["a","b"],"dirID":[1,"2"]}"#;
        let args = json(body, false).unwrap();
        assert_eq!(args.strings("url").unwrap().unwrap(), ["a", "b"]);
        assert_eq!(args.numbers::<u64>("dirID").unwrap().unwrap(), [1, 2]);
        error_message(args.numbers::<u64>("url"));
        error_message(args.strings("dirID"));
        error_message(json(body, true).unwrap().numbers::<u64>("dirID"));
    }
}
