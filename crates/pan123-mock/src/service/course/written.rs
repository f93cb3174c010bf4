//! How a course is written down as JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Course, Way};
use crate::service::millis;

/// The keys: one that says how it goes, besides `reason` and `size`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
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

impl TryFrom<Written> for Course {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let ways = [
            written.steps.map(Self::steps),
            written.succeeds_after.map(Self::succeeds_after),
            written
                .fails_after
                .map(|polls| Self::fails_after(polls, super::REASON)),
            written
                .succeeds_within_ms
                .map(|millis| Self::succeeds_within(Duration::from_millis(millis))),
            written
                .fails_within_ms
                .map(|millis| Self::fails_within(Duration::from_millis(millis), super::REASON)),
        ];
        let mut given = ways.into_iter().flatten();
        let (Some(course), None) = (given.next(), given.next()) else {
            return Err(
                "a course has one of `steps`, `succeeds_after`, `fails_after`, `succeeds_within_ms` and `fails_within_ms`",
            );
        };
        let course = match written.reason {
            Some(reason) => course.reason(reason),
            None => course,
        };
        Ok(match written.size {
            Some(size) => course.size(size),
            None => course,
        })
    }
}

impl From<Course> for Written {
    fn from(course: Course) -> Self {
        let written = Self {
            reason: Some(course.reason),
            size: Some(course.size),
            ..Self::default()
        };
        match course.goes {
            Way::Steps(steps) => Self {
                steps: Some(steps.iter().map(|it| (it.percent, it.status)).collect()),
                ..written
            },
            Way::ByPolls { polls, succeeds } => Self {
                succeeds_after: Some(polls).filter(|_| succeeds),
                fails_after: Some(polls).filter(|_| !succeeds),
                ..written
            },
            Way::ByTheClock { takes, succeeds } => {
                let takes = Some(millis::of(takes));
                Self {
                    succeeds_within_ms: takes.filter(|_| succeeds),
                    fails_within_ms: takes.filter(|_| !succeeds),
                    ..written
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Course, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_course_is_written_in_few_words_and_read_back_equal() {
        let minute = Duration::from_secs(60);
        for (json, course) in [
            (r#"{"succeeds_after":3}"#, Course::succeeds_after(3)),
            (
                r#"{"fails_after":2,"reason":"no"}"#,
                Course::fails_after(2, "no"),
            ),
            (
                r#"{"steps":[[0,13],[12.5,3]],"size":7}"#,
                Course::steps([(0.0, 13), (12.5, 3)]).size(7),
            ),
            (
                r#"{"succeeds_within_ms":60000}"#,
                Course::succeeds_within(minute),
            ),
            (
                r#"{"fails_within_ms":60000}"#,
                Course::fails_within(minute, super::super::REASON),
            ),
        ] {
            assert_eq!(read(json).as_ref(), Ok(&course), "{json}");
            let again = serde_json::to_string(&course).unwrap();
            assert_eq!(read(&again), Ok(course), "{again}");
        }
    }

    #[test]
    fn a_course_goes_one_way() {
        for json in [
            "{}",
            r#"{"succeeds_after":1,"fails_after":1}"#,
            r#"{"size":1}"#,
        ] {
            assert!(read(json).unwrap_err().contains("has one of"), "{json}");
        }
        assert!(
            read(r#"{"step":[]}"#)
                .unwrap_err()
                .contains("unknown field")
        );
    }
}
