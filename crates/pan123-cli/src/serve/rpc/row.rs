//! Downloads as clients see them: rows whose numbers are texts.

use serde_json::{Map, Value, json};

use super::envelope::object;
use super::gid::Gid;
use super::params::Offset;

/// Where a download stands, in the words of aria2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::serve) enum Status {
    Active,
    Waiting,
    Paused,
    Complete,
    Error,
    Removed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Status::Active => "active",
            Status::Waiting => "waiting",
            Status::Paused => "paused",
            Status::Complete => "complete",
            Status::Error => "error",
            Status::Removed => "removed",
        }
    }

    pub(in crate::serve) fn is_stopped(self) -> bool {
        matches!(self, Status::Complete | Status::Error | Status::Removed)
    }
}

/// A download.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::serve) struct Row {
    pub(in crate::serve) gid: Gid,
    pub(in crate::serve) status: Status,
    /// The percentage, as far as the service tells it.
    pub(in crate::serve) percent: Option<f64>,
    /// The size of the file, once it is known.
    pub(in crate::serve) size: Option<u64>,
    pub(in crate::serve) dir: String,
    pub(in crate::serve) name: String,
    pub(in crate::serve) uris: Vec<String>,
    /// Why it stopped; empty if it is complete.
    pub(in crate::serve) message: String,
    /// Its state in the ledger.
    pub(in crate::serve) state: &'static str,
    /// The tasks of the service that are or may be its.
    pub(in crate::serve) tasks: Vec<String>,
}

impl Row {
    /// Returns the row with these keys, or with all that aria2 has. Those of this service alone are there only if they are named.
    pub(in crate::serve) fn to_value(&self, keys: &[&str]) -> Value {
        let (total, completed) = self.lengths();
        let is_active = self.status == Status::Active;
        let mut row = Map::new();
        let mut add = |key: &str, value: Value| {
            if keys.is_empty() || keys.contains(&key) {
                row.insert(key.to_owned(), value);
            }
        };
        let text = |number: u64| Value::from(number.to_string());
        add("gid", self.gid.to_string().into());
        add("status", self.status.name().into());
        add("totalLength", text(total));
        add("completedLength", text(completed));
        add("uploadLength", text(0));
        add("downloadSpeed", text(0));
        add("uploadSpeed", text(0));
        add("connections", text(u64::from(is_active)));
        add("numPieces", text(u64::from(total > 0)));
        add("pieceLength", text(1_048_576));
        add("dir", self.dir.clone().into());
        add("files", self.files());
        if self.status.is_stopped() {
            add(
                "errorCode",
                text(error_code(self.status, &self.message).into()),
            );
            add("errorMessage", self.message.clone().into());
        }
        if keys.contains(&"pan123State") {
            row.insert("pan123State".to_owned(), self.state.into());
        }
        if keys.contains(&"pan123Tasks") {
            row.insert("pan123Tasks".to_owned(), json!(self.tasks));
        }
        Value::Object(row)
    }

    pub(in crate::serve) fn files(&self) -> Value {
        let (total, completed) = self.lengths();
        let dir = self.dir.trim_end_matches('/');
        Value::Array(vec![object([
            ("index", "1".into()),
            ("path", format!("{dir}/{}", self.name).into()),
            ("length", total.to_string().into()),
            ("completedLength", completed.to_string().into()),
            ("selected", "true".into()),
            ("uris", self.uris()),
        ])])
    }

    /// Only the first URI is sent to the service.
    pub(in crate::serve) fn uris(&self) -> Value {
        let uris = self.uris.iter().enumerate().map(|(at, uri)| {
            let is_used = at == 0 && matches!(self.status, Status::Active | Status::Complete);
            let status = if is_used { "used" } else { "waiting" };
            object([("uri", uri.clone().into()), ("status", status.into())])
        });
        uris.collect()
    }

    /// Returns the total and the completed length. While the size is not known, they are percents.
    fn lengths(&self) -> (u64, u64) {
        match (self.status, self.size) {
            (Status::Complete, size) => {
                let size = size.unwrap_or(100);
                (size, size)
            }
            (Status::Active, _) => (100, whole_percent(self.percent)),
            _ => (0, 0),
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between 0 and 100"
)]
fn whole_percent(percent: Option<f64>) -> u64 {
    percent.unwrap_or_default().clamp(0.0, 100.0) as u64
}

/// Texts by which the reason of a failure is recognized: the client's own, and the service's.
const REASONS: [(&str, u8); 11] = [
    ("before the deadline", 2),
    ("has stalled", 5),
    ("code 5060", 13),
    ("同名", 13),
    ("文件名重复", 13),
    ("空间不足", 9),
    ("容量不足", 9),
    ("HTTP 404", 3),
    ("HTTP 401", 24),
    ("HTTP 403", 24),
    ("HTTP 503", 29),
];

/// Returns aria2's number for why a download stopped.
fn error_code(status: Status, message: &str) -> u8 {
    match status {
        Status::Removed => 31,
        Status::Error => {
            let known = REASONS.iter().find(|(text, _)| message.contains(text));
            known.map_or(1, |&(_, code)| code)
        }
        _ => 0,
    }
}

/// Returns the entries that a call wants: from the front, or from the end and in reverse.
pub(in crate::serve) fn page<T>(
    mut entries: impl DoubleEndedIterator<Item = T>,
    length: usize,
    Offset { offset, count }: Offset,
) -> Vec<T> {
    let at = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    if offset >= 0 {
        entries.skip(at).take(count).collect()
    } else if at > length {
        Vec::new()
    } else {
        let mut reversed = std::iter::from_fn(|| entries.next_back()).skip(at - 1);
        reversed.by_ref().take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: Status) -> Row {
        Row {
            gid: Gid::parse("00000000000000a1").unwrap(),
            status,
            percent: Some(25.9),
            size: None,
            dir: "/videos/".to_owned(),
            name: "a.mp4".to_owned(),
            uris: vec!["http://h/a".to_owned(), "http://h/b".to_owned()],
            message: String::new(),
            state: "running",
            tasks: vec!["7".to_owned()],
        }
    }

    #[test]
    fn an_active_row_has_every_key_and_only_whole_numbers_as_texts() {
        assert_eq!(
            row(Status::Active).to_value(&[]),
            json!({
                "gid": "00000000000000a1",
                "status": "active",
                "totalLength": "100",
                "completedLength": "25",
                "uploadLength": "0",
                "downloadSpeed": "0",
                "uploadSpeed": "0",
                "connections": "1",
                "numPieces": "1",
                "pieceLength": "1048576",
                "dir": "/videos/",
                "files": [{
                    "index": "1",
                    "path": "/videos/a.mp4",
                    "length": "100",
                    "completedLength": "25",
                    "selected": "true",
                    "uris": [
                        { "uri": "http://h/a", "status": "used" },
                        { "uri": "http://h/b", "status": "waiting" },
                    ],
                }],
            })
        );
    }

    #[test]
    fn a_stopped_row_says_why() {
        for (status, size, message, code, length) in [
            (Status::Complete, None, "", "0", "100"),
            (Status::Complete, Some(0), "", "0", "0"),
            (Status::Complete, Some(7), "", "0", "7"),
            (Status::Error, None, "it broke", "1", "0"),
            (
                Status::Error,
                None,
                "offline download 5 has stalled (last seen: 1.0%, running)",
                "5",
                "0",
            ),
            (
                Status::Error,
                None,
                "offline download 5 did not end before the deadline of the watch",
                "2",
                "0",
            ),
            (
                Status::Error,
                None,
                "code 1: 该目录下文件名重复无法创建",
                "13",
                "0",
            ),
            (
                Status::Error,
                None,
                "offline download 5 failed: HTTP 404",
                "3",
                "0",
            ),
            (
                Status::Removed,
                None,
                "the file may still arrive",
                "31",
                "0",
            ),
        ] {
            let row = Row {
                size,
                message: message.to_owned(),
                ..row(status)
            };
            let value = row.to_value(&[]);
            assert_eq!(value["errorCode"], code, "{message}");
            assert_eq!(value["errorMessage"], message);
            assert_eq!(value["completedLength"], length, "{message}");
            assert_eq!(value["totalLength"], length);
            assert_eq!(value["connections"], "0");
        }
        assert_eq!(row(Status::Waiting).to_value(&[]).get("errorCode"), None);
    }

    #[test]
    fn keys_filter_a_row() {
        let value = row(Status::Paused).to_value(&["gid", "status", "no such key"]);
        assert_eq!(
            value,
            json!({ "gid": "00000000000000a1", "status": "paused" })
        );
    }

    #[test]
    fn a_page_is_counted_from_either_end() {
        for (offset, count, expected) in [
            (0, 10, "abcd"),
            (1, 2, "bc"),
            (4, 1, ""),
            (0, 0, ""),
            (-1, 10, "dcba"),
            (-2, 1, "c"),
            (-3, 5, "ba"),
            (-4, 1, "a"),
            (-5, 3, ""),
            (i64::MIN, 3, ""),
            (i64::MAX, 3, ""),
        ] {
            let offset = Offset { offset, count };
            let found: String = page("abcd".chars(), 4, offset).into_iter().collect();
            assert_eq!(found, expected, "{offset:?}");
        }
    }
}
