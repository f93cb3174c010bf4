//! What the service posts to the callback URL when a task ends.
//!
//! Described with `callBackUrl` at <https://123yunpan.yuque.com/org-wiki-123yunpan-muaork/cr6ced/he47hsq2o1xvgado>.

#[cfg(feature = "callback-signing")]
mod refusal;
#[cfg(feature = "callback-signing")]
mod signer;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

#[cfg(feature = "callback-signing")]
pub use refusal::CallbackRefusal;
#[cfg(feature = "callback-signing")]
pub use signer::{CallbackKey, CallbackSigner, VerifiedCallback};

use crate::ids::FileId;
use crate::text;
use crate::wire::http_url::RedactedUrl;
use crate::wire::json::{self, Body, Field, Json, Unreadable};
use crate::wire::lenient::{lossy_text, whole};
use crate::wire::redaction::redact_urls;

/// The maximum length of a reason, in characters: anyone may send a callback.
const MAX_REASON: usize = 1000;

/// A notice that a task has ended. It names no task and is not signed: treat it as a hint, and poll the progress.
///
/// ```
/// use pan123_proto::offline::{CallbackNotice, CallbackOutcome};
///
/// let body = br#"{"url":"http://dc.com/resource.jpg","status":0,"failReason":"","fileID":100}"#;
/// let notice = CallbackNotice::parse(body)?;
/// assert!(matches!(notice.outcome, CallbackOutcome::Succeeded { file: Some(id), .. } if id.get() == 100));
/// # Ok::<(), pan123_proto::offline::CallbackError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "回调")]
#[doc(alias = "call_back_url")]
pub struct CallbackNotice {
    /// The URL of the download, if the notice names it: as it was sent, so it may hold any character.
    pub url: Option<String>,
    /// How the task ended.
    pub outcome: CallbackOutcome,
}

/// How a task ended, as a callback reports it. Progress uses other numbers: [`TaskStatus`](crate::offline::TaskStatus).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackOutcome {
    /// 0: succeeded.
    #[non_exhaustive]
    Succeeded {
        /// The file id, if the notice names one. It is a hint: the file may be anyone's.
        file: Option<FileId>,
    },
    /// 1: failed.
    #[non_exhaustive]
    Failed {
        /// The reason in the service's words, if it gives one: at most 1000 characters, of every URL only scheme, host and port, and
        /// with invisible characters escaped (`\u{1b}`), so that it may be printed. A URL that the notice does not name ends at
        /// white space.
        reason: Option<String>,
    },
    /// Any other number.
    #[non_exhaustive]
    Other {
        /// The number.
        status: i64,
        /// The file id, if the notice names one.
        file: Option<FileId>,
        /// The reason, if the notice gives one.
        reason: Option<String>,
    },
}

impl CallbackOutcome {
    /// Returns the outcome for the `status` of a notice. A file id counts unless the task failed, a reason unless it succeeded.
    pub fn new(status: i64, file: Option<FileId>, reason: Option<String>) -> CallbackOutcome {
        match status {
            0 => CallbackOutcome::Succeeded { file },
            1 => CallbackOutcome::Failed { reason },
            status => CallbackOutcome::Other {
                status,
                file,
                reason,
            },
        }
    }
}

/// Shows scheme, host and port of the URL only: the rest may hold keys.
impl fmt::Debug for CallbackNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackNotice")
            .field("url", &self.url.as_deref().map(RedactedUrl))
            .field("outcome", &self.outcome)
            .finish()
    }
}

/// Why a body is not a notice. It quotes nothing of the body, which anyone may have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// The body is longer than [`CallbackNotice::MAX_BODY_BYTES`]. It was not parsed.
    #[error("the body is longer than {} bytes", CallbackNotice::MAX_BODY_BYTES)]
    TooLong,
    /// The body is not a JSON object with a readable `status`.
    #[error("the body is not a callback notice, a JSON object with a `status`{}", position(*line, *column))]
    #[non_exhaustive]
    Malformed {
        /// The line of the fault, from 1; 0 if the body is JSON, but not a notice.
        line: usize,
        /// The column of the fault, in bytes.
        column: usize,
    },
}

fn position(line: usize, column: usize) -> String {
    match line {
        0 => String::new(),
        _ => format!(": line {line} column {column}"),
    }
}

impl CallbackNotice {
    /// The maximum length of a body, in bytes. A server need not read more.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    /// Parses a body. The reason may be in `failReason` or `fileReason`; the file id may be a number, a string, null or absent.
    ///
    /// # Errors
    ///
    /// [`CallbackError`] if the body is longer than [`MAX_BODY_BYTES`](Self::MAX_BODY_BYTES), or not a JSON object with a readable
    /// `status`.
    pub fn parse(body: &[u8]) -> Result<CallbackNotice, CallbackError> {
        if body.len() > Self::MAX_BODY_BYTES {
            return Err(CallbackError::TooLong);
        }
        let body = Body::new(body);
        // What cannot be read is read again by `serde_json`, which says where the error is.
        CallbackNotice::read(body.json())
            .or_else(|_| body.json().to())
            .map_err(|error| CallbackError::Malformed {
                line: error.line(),
                column: error.column(),
            })
    }
}

impl<'de> Deserialize<'de> for CallbackNotice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::deserialize(deserializer, CallbackNotice::read)
    }
}

impl CallbackNotice {
    /// Only the status is required.
    fn read(json: Json<'_>) -> Result<CallbackNotice, Unreadable> {
        let [url, status, fail_reason, file, file_reason] = json.fields([
            &["url"],
            &["status"],
            &["failReason"],
            &["fileID", "fileId"],
            &["fileReason"],
        ])?;
        let non_empty = |field: &Field<'_>| {
            let text = field.optional(lossy_text).filter(|text| !text.is_empty());
            text.map(Cow::into_owned)
        };
        let url = non_empty(&url);
        let reason = non_empty(&fail_reason).or_else(|| non_empty(&file_reason));
        let reason = reason.map(|reason| redact_urls(url.as_deref(), &reason, MAX_REASON));
        let reason = reason.map(|reason| text::shown(reason, MAX_REASON));
        let (status, file) = (status.essential(whole)?, file.optional(FileId::read));
        Ok(CallbackNotice {
            url,
            outcome: CallbackOutcome::new(status, file, reason),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(body: &str) -> CallbackOutcome {
        CallbackNotice::parse(body.as_bytes()).unwrap().outcome
    }

    #[test]
    fn file_id_may_be_a_number_a_string_or_absent() {
        let file = Some(FileId::new(100).unwrap());
        for id in ["100", "\"100\""] {
            let body = format!(r#"{{"status":0,"fileID":{id}}}"#);
            assert_eq!(outcome(&body), CallbackOutcome::Succeeded { file }, "{id}");
        }
        for body in [
            r#"{"status":0}"#,
            r#"{"status":"0","fileID":null}"#,
            r#"{"status":0,"fileID":0}"#,
            r#"{"status":0,"fileID":""}"#,
        ] {
            assert_eq!(
                outcome(body),
                CallbackOutcome::Succeeded { file: None },
                "{body}"
            );
        }
    }

    #[test]
    fn reason_has_two_keys() {
        let reason = Some("下载失败".to_owned());
        for body in [
            r#"{"status":1,"failReason":"下载失败"}"#,
            r#"{"status":1,"fileReason":"下载失败"}"#,
            r#"{"status":1,"failReason":"","fileReason":"下载失败"}"#,
        ] {
            assert_eq!(
                outcome(body),
                CallbackOutcome::Failed {
                    reason: reason.clone()
                },
                "{body}"
            );
        }
        assert_eq!(
            outcome(r#"{"status":1}"#),
            CallbackOutcome::Failed { reason: None }
        );
    }

    #[test]
    fn invisible_characters_of_a_reason_are_escaped() {
        let body = r#"{"url":"https://h/\u001b","status":1,"failReason":"gone\u001b[2J\n\u202e"}"#;
        let notice = CallbackNotice::parse(body.as_bytes()).unwrap();
        let reason = Some(r"gone\u{1b}[2J\n\u{202e}".to_owned());
        assert_eq!(notice.outcome, CallbackOutcome::Failed { reason });
        let shown = format!("{notice:?}");
        assert!(!shown.chars().any(text::is_invisible), "{shown:?}");
    }

    #[test]
    fn a_reason_shows_scheme_and_host_of_a_url_only() {
        for url in [
            "",
            r#""url":"https://h/canary","#,
            r#""url":null,"#,
            r#""url":"","#,
        ] {
            for status in [1, 7] {
                let body = format!(
                    r#"{{{url}"status":{status},"failReason":"no https:\/\/h\/canary?k=canary or https://i/canary"}}"#
                );
                let notice = CallbackNotice::parse(body.as_bytes()).unwrap();
                let shown = format!("{:?}", notice.outcome);
                let expected = "no https://h/[redacted] or https://i/[redacted]";
                assert!(shown.contains(expected), "{body}: {shown}");
                assert!(!format!("{notice:?}").contains("canary"), "{notice:?}");
            }
        }
    }

    #[test]
    fn long_reason_is_cut() {
        let long = "页".repeat(2000);
        let CallbackOutcome::Failed { reason } =
            outcome(&format!(r#"{{"status":1,"failReason":"{long}"}}"#))
        else {
            panic!("1 is a failure");
        };
        assert_eq!(reason, Some("页".repeat(1000)));
    }

    #[test]
    fn progress_status_2_is_unknown_in_a_callback() {
        let other = outcome(r#"{"status":2,"fileID":7}"#);
        let file = Some(FileId::new(7).unwrap());
        assert_eq!(
            other,
            CallbackOutcome::Other {
                status: 2,
                file,
                reason: None
            }
        );
    }

    #[test]
    fn a_body_over_the_limit_is_not_parsed() {
        let notice = |length: usize| format!(r#"{{"status":0{}}}"#, " ".repeat(length - 12));
        let parse = |length| CallbackNotice::parse(notice(length).as_bytes());
        parse(CallbackNotice::MAX_BODY_BYTES).unwrap();
        assert_eq!(
            parse(CallbackNotice::MAX_BODY_BYTES + 1),
            Err(CallbackError::TooLong)
        );
        let garbage = vec![b'['; 1 << 20];
        let error = CallbackNotice::parse(&garbage).unwrap_err();
        assert_eq!(error.to_string(), "the body is longer than 65536 bytes");
    }

    #[test]
    fn notice_is_read_whatever_surrounds_it() {
        let file = FileId::new(100).ok();
        for body in [
            &b"\xef\xbb\xbf{\"status\":0,\"fileID\":100}"[..],
            b"{\"status\":0,\"fileID\":100}\0\r\n",
            b"\0\xef\xbb\xbf\xef\xbb\xbf{\"status\":0,\"fileID\":100}\xef\xbb\xbf",
            b"{\"status\":0,\"failReason\":\"a\nb\x1b\",\"fileID\":100}",
            b"{\"status\":0,\"fileID\":100,\"url\":\"\xff\"}",
            br#"{"url":"\ud800","status":0,"fileID":100,"failReason":1e999}"#,
            br#"{"status":0,"status":"0","fileID":100,"fileId":"100"}"#,
            br#"{"status":0,"fileID":null,"fileId":100}"#,
        ] {
            let outcome = CallbackNotice::parse(body).unwrap().outcome;
            assert_eq!(outcome, CallbackOutcome::Succeeded { file });
        }
        for hint in [
            r#""fileID":100,"fileId":101"#,
            r#""fileID":100,"fileID":101"#,
            r#""fileID":9007199254740993.0"#,
        ] {
            let body = format!(r#"{{"status":0,{hint}}}"#);
            let outcome = outcome(&body);
            assert_eq!(outcome, CallbackOutcome::Succeeded { file: None }, "{body}");
        }
    }

    #[test]
    fn body_that_is_not_a_notice_is_an_error() {
        for body in [
            "",
            "status=0",
            "[]",
            r#"["http://a/",0,100]"#,
            r#"{"status":0}}"#,
            r#"{"status":0,"status":1}"#,
            "null",
            "{}",
            r#"{"status":null}"#,
            r#"{"status":"ok"}"#,
        ] {
            CallbackNotice::parse(body.as_bytes()).unwrap_err();
        }
    }
}
