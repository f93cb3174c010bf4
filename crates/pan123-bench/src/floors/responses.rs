//! Responses read with serde into plain structs: strict, with borrowed texts where that is possible, and dates by the crate `jiff`.

use std::borrow::Cow;
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::{self, TimeZone};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[allow(dead_code, reason = "it is read all the same")]
pub(crate) struct Envelope<'a, T> {
    pub(crate) code: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
    pub(crate) data: T,
    #[serde(rename = "x-traceID", borrow)]
    trace_id: Option<Text<'a>>,
}

/// Borrowed, which a `Cow` in an `Option` is not.
#[derive(Deserialize)]
#[allow(dead_code, reason = "it is read all the same")]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[allow(dead_code, reason = "it is read all the same")]
pub(crate) struct Progress {
    process: f64,
    pub(crate) status: i64,
}

#[derive(Deserialize)]
pub(crate) struct Created {
    #[serde(rename = "taskID")]
    pub(crate) task: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read all the same")]
pub(crate) struct Page {
    last_file_id: i64,
    pub(crate) file_list: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "it is read all the same")]
pub(crate) struct Row {
    file_id: u64,
    filename: String,
    parent_file_id: u64,
    r#type: i64,
    etag: String,
    size: u64,
    category: i64,
    status: i64,
    trashed: i64,
    #[serde(deserialize_with = "date")]
    create_at: SystemTime,
    #[serde(deserialize_with = "date")]
    update_at: SystemTime,
}

/// A date of the service, whose clock is eight hours ahead.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = <Cow<'de, str>>::deserialize(deserializer)?;
    let date = DateTime::strptime("%Y-%m-%d %H:%M:%S", &*text).map_err(Error::custom)?;
    let zoned = date.to_zoned(TimeZone::fixed(tz::offset(8)));
    Ok(zoned.map_err(Error::custom)?.timestamp().into())
}

pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> T {
    let envelope: Envelope<'a, T> = serde_json::from_slice(body).expect("an envelope");
    assert_eq!(envelope.code, 0);
    envelope.data
}
