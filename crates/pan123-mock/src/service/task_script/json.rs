//! The JSON format of a script.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Plan, TaskScript};
use crate::service::serde_millis;

/// Has one key for the plan, besides `reason` and `size`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TaskScriptJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<(f64, i64)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeds_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fails_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeds_within_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fails_within_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
}

impl TryFrom<TaskScriptJson> for TaskScript {
    type Error = &'static str;

    fn try_from(json: TaskScriptJson) -> Result<Self, Self::Error> {
        let plans = [
            json.steps.map(Self::steps),
            json.succeeds_after.map(Self::succeeds_after),
            json.fails_after
                .map(|polls| Self::fails_after(polls, super::DEFAULT_REASON)),
            json.succeeds_within_ms
                .map(|millis| Self::succeeds_within(Duration::from_millis(millis))),
            json.fails_within_ms.map(|millis| {
                Self::fails_within(Duration::from_millis(millis), super::DEFAULT_REASON)
            }),
        ];
        let mut given = plans.into_iter().flatten();
        let (Some(script), None) = (given.next(), given.next()) else {
            return Err(
                "expected exactly one of `steps`, `succeeds_after`, `fails_after`, `succeeds_within_ms` and `fails_within_ms`",
            );
        };
        let script = match json.reason {
            Some(reason) => script.reason(reason),
            None => script,
        };
        Ok(match json.size {
            Some(size) => script.size(size),
            None => script,
        })
    }
}

impl From<TaskScript> for TaskScriptJson {
    fn from(script: TaskScript) -> Self {
        let json = Self {
            reason: Some(script.reason),
            size: Some(script.size),
            ..Self::default()
        };
        match script.plan {
            Plan::Steps(steps) => Self {
                steps: Some(steps.iter().map(|it| (it.percent, it.status)).collect()),
                ..json
            },
            Plan::ByPolls { polls, succeeds } => Self {
                succeeds_after: Some(polls).filter(|_| succeeds),
                fails_after: Some(polls).filter(|_| !succeeds),
                ..json
            },
            Plan::ByClock { takes, succeeds } => {
                let takes = Some(serde_millis::to_u64(takes));
                Self {
                    succeeds_within_ms: takes.filter(|_| succeeds),
                    fails_within_ms: takes.filter(|_| !succeeds),
                    ..json
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<TaskScript, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn scripts_survive_a_round_trip() {
        let minute = Duration::from_secs(60);
        for (json, script) in [
            (r#"{"succeeds_after":3}"#, TaskScript::succeeds_after(3)),
            (
                r#"{"fails_after":2,"reason":"no"}"#,
                TaskScript::fails_after(2, "no"),
            ),
            (
                r#"{"steps":[[0,13],[12.5,3]],"size":7}"#,
                TaskScript::steps([(0.0, 13), (12.5, 3)]).size(7),
            ),
            (
                r#"{"succeeds_within_ms":60000}"#,
                TaskScript::succeeds_within(minute),
            ),
            (
                r#"{"fails_within_ms":60000}"#,
                TaskScript::fails_within(minute, super::super::DEFAULT_REASON),
            ),
        ] {
            assert_eq!(read(json).as_ref(), Ok(&script), "{json}");
            let again = serde_json::to_string(&script).unwrap();
            assert_eq!(read(&again), Ok(script), "{again}");
        }
    }

    #[test]
    fn script_has_exactly_one_plan() {
        for json in [
            "{}",
            r#"{"succeeds_after":1,"fails_after":1}"#,
            r#"{"size":1}"#,
        ] {
            assert!(read(json).unwrap_err().contains("exactly one of"), "{json}");
        }
        assert!(
            read(r#"{"step":[]}"#)
                .unwrap_err()
                .contains("unknown field")
        );
    }
}
