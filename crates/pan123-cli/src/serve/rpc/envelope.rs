//! The envelope of JSON-RPC 2.0, as aria2 reads and writes it.

use base64::prelude::{BASE64_STANDARD, Engine};
use form_urlencoded::parse as parse_form;
use serde_json::{Map, Value};

use super::error::RpcError;
use super::params::Params;

/// A request body.
#[derive(Debug, PartialEq)]
pub(in crate::serve) enum Message {
    One(Result<Call, Answer>),
    /// Calls in an array: each has its answer, in one array.
    Many(Vec<Result<Call, Answer>>),
}

/// A call that can be carried out.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::serve) struct Call {
    pub(in crate::serve) id: Value,
    pub(in crate::serve) method: String,
    pub(in crate::serve) params: Params,
}

/// The answer to a call.
#[derive(Debug, PartialEq)]
pub(in crate::serve) struct Answer {
    pub(in crate::serve) id: Value,
    pub(in crate::serve) result: Result<Value, RpcError>,
}

impl Answer {
    pub(in crate::serve) fn into_value(self) -> Value {
        let (key, value) = match self.result {
            Ok(result) => ("result", result),
            Err(error) => ("error", error.to_value()),
        };
        object([("id", self.id), ("jsonrpc", "2.0".into()), (key, value)])
    }

    /// Returns the HTTP status of an answer on its own.
    pub(in crate::serve) fn http_status(&self) -> u16 {
        self.result
            .as_ref()
            .map_or_else(RpcError::http_status, |_| 200)
    }
}

/// Returns an object with these values; `json!` would copy them.
pub(super) fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Object(entries.into_iter().collect())
}

fn refused(id: Value, error: RpcError) -> Answer {
    Answer {
        id,
        result: Err(error),
    }
}

/// Reads a request body. Whatever is no object in an array of calls is skipped, as aria2 does.
pub(in crate::serve) fn parse(body: &[u8]) -> Message {
    match serde_json::from_slice(body) {
        Ok(Value::Object(call)) => Message::One(read_call(call)),
        Ok(Value::Array(calls)) => {
            let calls = calls.into_iter().filter_map(|call| match call {
                Value::Object(call) => Some(read_call(call)),
                _ => None,
            });
            Message::Many(calls.collect())
        }
        Ok(_) => Message::One(Err(refused(Value::Null, RpcError::invalid_request()))),
        Err(_) => Message::One(Err(refused(Value::Null, RpcError::parse_error()))),
    }
}

/// Reads the call in a query: `method`, `id`, and `params` in Base64. Without a method, `params` is a whole request body.
pub(in crate::serve) fn parse_query(query: &str) -> Message {
    let value = |name: &str| {
        let mut pairs = parse_form(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let params = value("params").unwrap_or_default();
    // A `+` that nobody escaped arrives as a space.
    let Ok(params) = BASE64_STANDARD.decode(params.replace(' ', "+")) else {
        return Message::One(Err(refused(Value::Null, RpcError::parse_error())));
    };
    let (Some(method), Some(id)) = (value("method"), value("id")) else {
        let body = if params.is_empty() {
            b"{}"
        } else {
            &params[..]
        };
        return parse(body);
    };
    let params = if params.is_empty() {
        b"[]"
    } else {
        &params[..]
    };
    let Ok(params) = serde_json::from_slice::<Value>(params) else {
        return Message::One(Err(refused(Value::Null, RpcError::parse_error())));
    };
    let mut call = Map::new();
    call.insert("id".to_owned(), id.into());
    call.insert("method".to_owned(), method.into());
    call.insert("params".to_owned(), params);
    Message::One(read_call(call))
}

fn read_call(mut call: Map<String, Value>) -> Result<Call, Answer> {
    let Some(id) = call.remove("id") else {
        return Err(refused(Value::Null, RpcError::invalid_request()));
    };
    let Some(Value::String(method)) = call.remove("method") else {
        return Err(refused(id, RpcError::invalid_request()));
    };
    match call.remove("params") {
        None => Ok(Call {
            id,
            method,
            params: Params::default(),
        }),
        Some(Value::Array(params)) => Ok(Call {
            id,
            method,
            params: Params::new(params),
        }),
        Some(_) => Err(refused(id, RpcError::invalid_params())),
    }
}

/// A call inside a `system.multicall`.
pub(in crate::serve) type Nested = Result<(String, Params), RpcError>;

/// Reads the calls of a `system.multicall`.
///
/// # Errors
///
/// [`RpcError`] if there is no list of calls; what is wrong with one call is its own answer.
pub(in crate::serve) fn nested_calls(params: &Params) -> Result<Vec<Nested>, RpcError> {
    Ok(params.list(0)?.iter().map(read_nested).collect())
}

fn read_nested(call: &Value) -> Nested {
    let Value::Object(call) = call else {
        return Err(RpcError::new("system.multicall expected struct."));
    };
    let Some(Value::String(method)) = call.get("methodName") else {
        return Err(RpcError::new("Missing methodName."));
    };
    if method == "system.multicall" {
        return Err(RpcError::new("Recursive system.multicall forbidden."));
    }
    let params = match call.get("params") {
        Some(Value::Array(params)) => Params::new(params.clone()),
        _ => Params::default(),
    };
    Ok((method.clone(), params))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The answer to a body that is no call.
    fn refusal(body: &str) -> (Value, u16) {
        match parse(body.as_bytes()) {
            Message::One(Err(answer)) => {
                let status = answer.http_status();
                (answer.into_value(), status)
            }
            message => panic!("{body}: {message:?}"),
        }
    }

    #[test]
    fn what_is_no_call_is_answered_as_aria2_does() {
        for (body, id, code, status) in [
            ("nope", json!(null), -32700, 500),
            ("", json!(null), -32700, 500),
            ("\u{0}", json!(null), -32700, 500),
            (r#""x""#, json!(null), -32600, 400),
            ("{}", json!(null), -32600, 400),
            (r#"{"method":"aria2.getVersion"}"#, json!(null), -32600, 400),
            (r#"{"id":1}"#, json!(1), -32600, 400),
            (r#"{"id":1,"method":5}"#, json!(1), -32600, 400),
            (
                r#"{"id":"a","method":"m","params":{"a":1}}"#,
                json!("a"),
                -32602,
                500,
            ),
            (
                r#"{"id":"a","method":"m","params":"x"}"#,
                json!("a"),
                -32602,
                500,
            ),
        ] {
            let (answer, http) = refusal(body);
            assert_eq!(answer["error"]["code"], code, "{body}");
            assert_eq!((&answer["id"], http), (&id, status), "{body}");
            assert_eq!(answer["jsonrpc"], "2.0");
        }
    }

    #[test]
    fn any_id_is_echoed() {
        for id in [
            json!(null),
            json!("a"),
            json!(1.5),
            json!({ "a": [1] }),
            json!(18_446_744_073_709_551_615_u64),
        ] {
            let body = json!({ "id": id, "method": "m" }).to_string();
            let Message::One(Ok(call)) = parse(body.as_bytes()) else {
                panic!("{body}");
            };
            let answer = Answer {
                id: call.id,
                result: Ok(json!("OK")),
            };
            assert_eq!(answer.http_status(), 200);
            assert_eq!(
                answer.into_value(),
                json!({ "id": id, "jsonrpc": "2.0", "result": "OK" })
            );
        }
    }

    #[test]
    fn an_array_has_one_answer_for_each_object() {
        let Message::Many(calls) = parse(br#"[1, {"id":1,"method":"m"}, {"id":2}]"#) else {
            panic!();
        };
        let methods: Vec<_> = calls
            .iter()
            .map(|call| call.as_ref().map(|call| &*call.method))
            .collect();
        assert_eq!(methods.len(), 2);
        assert_eq!(methods[0].unwrap(), "m");
        assert_eq!(methods[1].unwrap_err().id, 2);
        assert_eq!(parse(b"[]"), Message::Many(vec![]));
    }

    #[test]
    fn a_query_is_a_call() {
        let call = |query| match parse_query(query) {
            Message::One(Ok(call)) => Ok((call.id, call.method, call.params)),
            Message::One(Err(answer)) => Err(answer.result.unwrap_err().code),
            Message::Many(_) => Err(0),
        };
        let token = Params::new(vec![json!("token:s")]);
        for query in [
            "method=aria2.getVersion&id=foo&params=WyJ0b2tlbjpzIl0%3D",
            "params=WyJ0b2tlbjpzIl0=&id=foo&method=aria2.getVersion",
        ] {
            let expected = (json!("foo"), "aria2.getVersion".to_owned(), token.clone());
            assert_eq!(call(query), Ok(expected), "{query}");
        }
        let (_, _, params) = call("method=m&id=1").unwrap();
        assert_eq!(params, Params::default());
        assert_eq!(call(""), Err(-32600));
        assert_eq!(call("method=m&id=1&params=%21"), Err(-32700));
        assert_eq!(call("method=m&id=1&params=e30%3D"), Err(-32602));
        // A whole body, here `[]`.
        assert_eq!(call("params=W10%3D"), Err(0));
    }

    #[test]
    fn calls_inside_a_multicall_are_refused_one_by_one() {
        let params = Params::new(vec![json!([
            { "methodName": "aria2.getVersion", "params": ["token:s"] },
            { "methodName": "aria2.getVersion", "params": 5 },
            { "methodName": "system.multicall", "params": [] },
            5,
            { "foo": 1 },
        ])]);
        let token = Params::new(vec![json!("token:s")]);
        assert_eq!(
            nested_calls(&params).unwrap(),
            [
                Ok(("aria2.getVersion".to_owned(), token)),
                Ok(("aria2.getVersion".to_owned(), Params::default())),
                Err(RpcError::new("Recursive system.multicall forbidden.")),
                Err(RpcError::new("system.multicall expected struct.")),
                Err(RpcError::new("Missing methodName.")),
            ]
        );
        for (params, message) in [
            (vec![], "The parameter at 0 is required but missing."),
            (vec![json!(5)], "The parameter at 0 has wrong type."),
        ] {
            assert_eq!(
                nested_calls(&Params::new(params)),
                Err(RpcError::new(message))
            );
        }
    }
}
