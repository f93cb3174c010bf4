//! Any callback body: no panic, and what is unambiguous is read.

use std::collections::BTreeSet;

use pan123_proto::FileId;
use pan123_proto::offline::{CallbackNotice, CallbackOutcome};

use super::json::{Object, not_empty};

pub(crate) fn run(data: &[u8]) -> BTreeSet<String> {
    let notice = CallbackNotice::parse(data);
    let said = std::str::from_utf8(data).ok().and_then(Object::read);
    if let Some(said) = said
        && let Some((url, outcome)) = expected(&said)
    {
        let notice = notice.as_ref().expect("a notice");
        assert_eq!((&notice.url, fields(&notice.outcome)), (&url, outcome));
    }
    BTreeSet::from([match notice {
        Ok(notice) => {
            drop(format!("{notice:?}"));
            format!("callback: {}", end(&notice.outcome))
        }
        Err(error) => {
            drop(format!("{error} {error:?}"));
            "callback: refused".to_owned()
        }
    }])
}

/// What must be read, if the status is a number and every other member has its proper type.
fn expected(said: &Object<'_>) -> Option<(Option<String>, Fields)> {
    let status: i64 = said.read_one(|key| key == "status")?;
    let text = |name| match said.count(|key| key == name) {
        0 => Some(None),
        _ => said.read_one(|key| key == name).map(not_empty),
    };
    let (url, fail, other) = (text("url")?, text("failReason")?, text("fileReason")?);
    let reason = fail.or(other);
    let is_file = |key: &str| matches!(key, "fileID" | "fileId");
    let file = match said.count(is_file) {
        0 => None,
        _ => FileId::new(said.read_one(is_file)?).ok(),
    };
    let outcome = match status {
        0 => (0, file, None),
        1 => (1, None, reason),
        status => (status, file, reason),
    };
    Some((url, outcome))
}

/// The status, the file id and the reason of an outcome.
type Fields = (i64, Option<FileId>, Option<String>);

fn fields(outcome: &CallbackOutcome) -> Fields {
    match outcome.clone() {
        CallbackOutcome::Succeeded { file, .. } => (0, file, None),
        CallbackOutcome::Failed { reason, .. } => (1, None, reason),
        CallbackOutcome::Other {
            status,
            file,
            reason,
            ..
        } => (status, file, reason),
        other => panic!("an unknown outcome: {other:?}"),
    }
}

fn end(outcome: &CallbackOutcome) -> &'static str {
    match outcome {
        CallbackOutcome::Succeeded { file: Some(_), .. } => "succeeded with a file",
        CallbackOutcome::Succeeded { .. } => "succeeded",
        CallbackOutcome::Failed {
            reason: Some(_), ..
        } => "failed for a reason",
        CallbackOutcome::Failed { .. } => "failed",
        _ => "other",
    }
}
