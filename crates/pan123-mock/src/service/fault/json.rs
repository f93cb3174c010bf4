//! The JSON format of a fault.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::catalog::{self, FAULT_NAMES};
use super::{CannedResponse, Fault, Name};
use crate::service::canned::{Edit, Kind};
use crate::service::serde_millis;
use crate::tcp::Break;

/// Has either `fault`, or `status` and `body`, or `code` and `message`, or `data`, or none of them for the service's own response.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FaultJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "null_is_a_value"
    )]
    data: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Used instead of `body` if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    body_bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<Edit>,
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    broken: Option<Break>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
    /// Whether the service acts on the request. By default it does if the response is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    acts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    always: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    chance: Option<f64>,
}

impl TryFrom<FaultJson> for Fault {
    type Error = String;

    fn try_from(json: FaultJson) -> Result<Self, String> {
        let mut fault = match &json.fault {
            Some(name) => {
                json.check_no_response()?;
                let unknown = || {
                    format!(
                        "unknown fault `{name}`: expected one of {}",
                        FAULT_NAMES.join(", ")
                    )
                };
                catalog::find(name).ok_or_else(unknown)?
            }
            None => Fault::from(json.canned()?),
        };
        if let Some(delay) = json.delay_ms {
            fault = fault.delay(Duration::from_millis(delay));
        }
        match (json.times, json.always) {
            (None, false) => {}
            (Some(0), _) => return Err("`times` must be at least 1".to_owned()),
            (Some(times), false) => fault = fault.times(times),
            (None, true) => fault = fault.always(),
            (Some(_), true) => return Err("`times` and `always` are mutually exclusive".to_owned()),
        }
        match json.chance {
            Some(chance) if !(0.0..=1.0).contains(&chance) => {
                return Err(format!("`chance` is {chance}: it must be from 0 to 1"));
            }
            chance => fault.chance = chance,
        }
        match json.path {
            Some(path) if !path.starts_with('/') => {
                return Err(format!("`path` is `{path}`: it must begin with `/`"));
            }
            path => fault.path = path,
        }
        Ok(fault)
    }
}

impl FaultJson {
    fn check_no_response(&self) -> Result<(), String> {
        let others = [
            ("code", self.code.is_some()),
            ("message", self.message.is_some()),
            ("data", self.data.is_some()),
            ("status", self.status.is_some()),
            ("body", self.body.is_some() || self.body_bytes.is_some()),
            ("headers", !self.headers.is_empty()),
            ("edit", self.edit.is_some()),
            ("break", self.broken.is_some()),
            ("acts", self.acts.is_some()),
        ];
        match others.iter().find(|(_, given)| *given) {
            Some((other, _)) => Err(format!("`fault` and `{other}` are mutually exclusive")),
            None => Ok(()),
        }
    }

    fn canned(&self) -> Result<CannedResponse, String> {
        let mut canned = CannedResponse::new(self.kind()?);
        for (name, value) in &self.headers {
            let bad = || format!("the header `{name}` is not valid");
            let name: HeaderName = name.parse().map_err(|_| bad())?;
            if [CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
                return Err(format!(
                    "the mock sets `{name}`; use `break` for a wrong length"
                ));
            }
            let value: HeaderValue = value.parse().map_err(|_| bad())?;
            canned = canned.header(name, value);
        }
        let own = matches!(canned.kind, Kind::Own(_));
        let unheard = self
            .broken
            .as_ref()
            .is_some_and(|it| it.request_cut().is_some());
        if own && self.acts == Some(false) && !unheard {
            return Err(
                "without acting the service has no response: give a `status` or `code` with `acts`"
                    .to_owned(),
            );
        }
        canned.acts = self.acts.unwrap_or(own);
        if let Some(broken) = &self.broken {
            canned = canned.broken(broken.clone());
        }
        Ok(canned)
    }

    fn kind(&self) -> Result<Kind, String> {
        let raw = self.status.is_some() || self.body.is_some() || self.body_bytes.is_some();
        let envelope = self.code.is_some() || self.message.is_some();
        match (raw, envelope, &self.data, self.edit) {
            (false, false, None, edit) => Ok(Kind::Own(edit)),
            (false, false, Some(data), None) => Ok(Kind::Data(data.clone())),
            (true, false, None, None) => {
                let status = self.status.unwrap_or(200);
                let found = StatusCode::from_u16(status).ok();
                let found = found.filter(|status| !status.is_informational());
                Ok(Kind::Raw {
                    status: found
                        .ok_or(format!("`status` is {status}: it must be from 200 to 999"))?,
                    body: self.raw_body()?,
                })
            }
            (false, true, None, None) => Ok(Kind::Envelope {
                code: self.code.ok_or("`message` needs a `code`")?,
                message: self.message.clone().unwrap_or_default(),
            }),
            _ => Err(
                "`code` with `message`, `status` with `body`, `data`, and `edit` are mutually exclusive"
                    .to_owned(),
            ),
        }
    }

    fn raw_body(&self) -> Result<Bytes, String> {
        match (&self.body, &self.body_bytes) {
            (Some(_), Some(_)) => Err("`body` and `body_bytes` are mutually exclusive".to_owned()),
            (Some(text), None) => Ok(text.clone().into()),
            (None, bytes) => Ok(bytes.clone().unwrap_or_default().into()),
        }
    }
}

impl From<Fault> for FaultJson {
    fn from(fault: Fault) -> Self {
        let mut json = match fault.name {
            Some(Name(name)) => Self {
                fault: Some(name.to_owned()),
                ..Self::default()
            },
            None => Self::of(&fault.response),
        };
        json.delay_ms = fault.response.delay.map(serde_millis::to_u64);
        json.path = fault.path;
        json.times = fault.times;
        json.always = fault.times.is_none();
        json.chance = fault.chance;
        json
    }
}

impl FaultJson {
    fn of(canned: &CannedResponse) -> Self {
        let mut json = Self {
            headers: header_map(&canned.headers),
            broken: canned.broken.clone(),
            acts: Some(canned.acts),
            ..Self::default()
        };
        match &canned.kind {
            Kind::Own(edit) => json.edit = *edit,
            Kind::Envelope { code, message } => {
                json.code = Some(*code);
                json.message = Some(message.clone());
            }
            Kind::Data(data) => json.data = Some(data.clone()),
            Kind::Raw { status, body } => {
                json.status = Some(status.as_u16());
                match std::str::from_utf8(body) {
                    Ok(text) => json.body = Some(text.to_owned()),
                    Err(_) => json.body_bytes = Some(body.to_vec()),
                }
            }
        }
        json
    }
}

/// A null is data, too; only an absent key is none.
fn null_is_a_value<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

fn header_map(headers: &HeaderMap) -> BTreeMap<String, String> {
    let pairs = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Fault, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    fn again(fault: &Fault) -> Fault {
        let json = serde_json::to_string(fault).unwrap();
        read(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn named_faults_survive_a_round_trip() {
        for name in FAULT_NAMES {
            let fault = read(&format!(r#"{{"fault":"{name}","times":3}}"#)).unwrap();
            assert_eq!(fault.name, Some(Name(name)));
            assert_eq!(format!("{:?}", again(&fault)), format!("{fault:?}"));
        }
    }

    #[test]
    fn canned_responses_survive_a_round_trip() {
        for canned in [
            CannedResponse::envelope(7, "七").delay(Duration::from_millis(3)),
            CannedResponse::raw(StatusCode::IM_A_TEAPOT, "tea")
                .after_acting()
                .header(http::header::SERVER, HeaderValue::from_static("pot")),
            CannedResponse::data(serde_json::json!({"n": [1]})),
            CannedResponse::data(Value::Null),
            CannedResponse::raw(StatusCode::OK, &b"\xff"[..]),
            CannedResponse::passthrough().edited(Edit::Status(13)),
            CannedResponse::passthrough().broken(Break::before("HTTP/1.1 103 Early Hints\r\n\r\n")),
        ] {
            let fault = Fault::from(canned).on("/a").at_random(0.25).always();
            assert_eq!(format!("{:?}", again(&fault)), format!("{fault:?}"));
        }
    }

    #[test]
    fn invalid_faults_are_rejected_with_a_reason() {
        for (json, expected) in [
            (r#"{"fault":"oops"}"#, "one of rate_limited"),
            (r#"{"fault":"reset","status":500}"#, "`fault` and `status`"),
            (r#"{"code":1,"status":500}"#, "mutually exclusive"),
            (r#"{"code":1,"data":{}}"#, "mutually exclusive"),
            (r#"{"data":null,"edit":"no_data"}"#, "mutually exclusive"),
            (r#"{"message":"no"}"#, "needs a `code`"),
            (r#"{"status":99}"#, "from 200 to 999"),
            (r#"{"status":100}"#, "from 200 to 999"),
            (r#"{"headers":{"content-length":"3"}}"#, "the mock sets"),
            (r#"{"acts":false}"#, "without acting"),
            (r#"{"times":0}"#, "at least 1"),
            (r#"{"path":"api"}"#, "begin with `/`"),
            (
                r#"{"break":{"what":"nothing","end":"stay","times":2}}"#,
                "unknown field `times`",
            ),
            (r#"{"body":"a","body_bytes":[1]}"#, "mutually exclusive"),
            (r#"{"headers":{"a b":"c"}}"#, "`a b` is not valid"),
            (r#"{"times":1,"always":true}"#, "mutually exclusive"),
            (r#"{"chance":1.5}"#, "from 0 to 1"),
            (r#"{"fault":"reset","tiems":1}"#, "unknown field `tiems`"),
        ] {
            let refused = read(json).unwrap_err();
            assert!(refused.contains(expected), "{json}: {refused}");
        }
    }
}
